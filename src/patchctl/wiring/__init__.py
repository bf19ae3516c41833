"""The composition root: builds adapters and workflows."""
