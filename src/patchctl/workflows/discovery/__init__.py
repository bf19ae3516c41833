"""Discover hosts, or import them from a file."""
