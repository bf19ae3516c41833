"""Which vulnerabilities hosts have, and what mends them."""
