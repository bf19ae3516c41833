"""Find the vulnerabilities of hosts, and the remediations that fix them."""
