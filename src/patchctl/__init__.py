"""Patch orchestration for server fleets, driven by Ansible."""

__version__ = "0.1.0"
