"""Read workspace files into models: YAML with line numbers, settings, exceptions."""
