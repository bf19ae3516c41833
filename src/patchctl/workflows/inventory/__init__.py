"""Load, show, lint and compare the inventory."""
