"""Fleet to Snapshot: one round trip a host, parsers that are pure functions."""
