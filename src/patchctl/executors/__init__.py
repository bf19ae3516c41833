"""Bring a stage to hosts: through Ansible, or simulated."""
