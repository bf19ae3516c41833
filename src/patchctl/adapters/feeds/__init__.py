"""Vulnerability data on disk, and files of any kind read within limits."""
