"""One module a verb: parse, call one workflow, print."""
