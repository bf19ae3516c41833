"""Events to a hash-chained log."""
