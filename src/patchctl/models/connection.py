"""How patchctl connects to hosts."""

from .base import Model


class Connection(Model):
    """How to connect to hosts and open vaulted values, as on `ansible-playbook`'s command line.

    The inventory's variables of a host win over `user` and `private_key`, as under Ansible.
    `extra_vars` are the operator's own `-e`: `@file`, `key=value …` or a JSON/YAML mapping.
    `known_hosts`: the workspace's own file, absolute; where it exists its keys count beside the
    user's. Other paths are relative to the workspace. `vault_passwords`: by label, for vault
    identities that ask (`--vault-id LABEL@prompt`); `vault_ids` has none of these. Passwords never
    show in the representation.
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
