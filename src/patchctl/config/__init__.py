"""Workspace files -> models: YAML with line numbers, settings, exceptions."""
