"""Run a stage on hosts: through Ansible, or simulated."""
