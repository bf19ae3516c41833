"""How patchctl connects to hosts."""

from .base import Model


class Connection(Model):
    """How to connect to hosts and open vaulted values, as on `ansible-playbook`'s command line.

    The inventory's variables of a host win over `user` and `private_key`, as under Ansible.
    `extra_vars` are the operator's own `-e`: `@file`, `key=value …` or a JSON/YAML mapping.
    `known_hosts` is the absolute path of the workspace's own file; if it exists, its keys are
    accepted besides the user's. Other paths are relative to the workspace. `vault_passwords` is by
    label, for vault identities with a prompt (`--vault-id LABEL@prompt`), which are not in
    `vault_ids`. Passwords are not in the representation.
    """

    user: str = ""
    private_key: str = ""
    become_password: str | None = None
    ssh_password: str | None = None
    vault_ids: tuple[str, ...] = ()
    vault_password_file: str = ""
    vault_password: str | None = None
    vault_passwords: tuple[tuple[str, str], ...] = ()
    extra_vars: tuple[str, ...] = ()
    forks: int = 25
    connect_timeout_s: int = 10
    known_hosts: str = ""

    def __repr__(self) -> str:
        return f"Connection(user={self.user!r}, forks={self.forks})"

    __str__ = __repr__
