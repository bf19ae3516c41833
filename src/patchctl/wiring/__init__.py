"""The composition root: build adapters and workflows for the command line."""
