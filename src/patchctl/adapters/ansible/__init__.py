"""Ansible, reached through its programs and ansible_runner; nothing else imports them."""
