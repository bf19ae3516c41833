"""Parse the sections of a host's answer into parts of `HostFacts`. All functions are pure.

No text makes a parser raise an error; a line that it does not understand goes to `Unparsed`.
"""
