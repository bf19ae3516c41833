"""Build the fleet from Ansible inventory sources, and check, compare and export it."""
