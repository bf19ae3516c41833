"""Which advisory applies to which installed package."""
