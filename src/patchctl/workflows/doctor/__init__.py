"""Check this machine, the workspace, and the connection to every host."""
