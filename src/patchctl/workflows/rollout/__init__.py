"""Start, resume, undo and verify runs, and clean hosts after them."""
