"""Make findings and remediations of advisories that apply, and tell which CVEs a plan fixes."""
