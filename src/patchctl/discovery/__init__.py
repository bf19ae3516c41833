"""Turn hosts' answers into facts for a snapshot. Each host is asked once; parsers are pure."""
