"""Adapters: each alone knows one library or one part of the operating system."""
