"""Start, resume, undo, verify and clean: what runs do to hosts."""
