"""Check this machine, the workspace, and the way to every host."""
