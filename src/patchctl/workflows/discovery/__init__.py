"""Look at hosts, or take them from a file."""
