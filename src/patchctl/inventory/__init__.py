"""Ansible inventory sources -> Fleet."""
