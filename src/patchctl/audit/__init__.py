"""Write the events of runs to a hash-chained log, and verify this log."""
