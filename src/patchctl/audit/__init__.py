"""Write events to a hash-chained log, and verify it."""
