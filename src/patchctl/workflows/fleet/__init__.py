"""The fleet by what is stored, without looking at hosts."""
