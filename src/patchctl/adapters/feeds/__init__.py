"""Store vulnerability data on disk, and read files of any kind within limits."""
