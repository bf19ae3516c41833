"""The command line, with one module for each verb: parse, call one workflow, print."""
