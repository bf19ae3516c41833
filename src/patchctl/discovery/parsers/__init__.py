"""Pure functions: lines of a section of a host's answer -> parts of `HostFacts`.

None of them raises on any text: what it does not understand it hands to `Unparsed`.
"""
