"""Throw-away hosts on this machine."""
