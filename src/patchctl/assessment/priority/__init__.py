"""Decide how urgent a vulnerability is on a host, and why."""
