"""Sources to Fleet."""
