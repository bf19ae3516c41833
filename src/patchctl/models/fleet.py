"""The fleet: every host of the inventory with its ring."""

from typing import Any

from .base import Model


class Host(Model):
    """One host of the inventory.

    `variables` are the merged inventory variables as Ansible would see them, untemplated:
    Jinja stays text, a vaulted value stays `{"__ansible_vault": ciphertext}`; text that Ansible
    must not template is `Unsafe`.
    `ring` is None when no rule gives one; `ring_reason` says which rule did (or that none did).
    """

    name: str
    ring: str | None
    ring_reason: str
    groups: tuple[str, ...]
    variables: dict[str, Any]


class RefusedHost(Model):
    """A host of the inventory that is left out of the fleet, since its name is not allowed.
    `where` is `file:line` of a static source, else the sources."""

    name: str
    reason: str
    where: str = ""

    def __str__(self) -> str:
        prefix = f"{self.where}: " if self.where else ""
        return f"{prefix}host name {self.name!r} {self.reason}; the host is left out, rename it"


class Group(Model):
    """A group: its own hosts and the groups directly below it."""

    name: str
    hosts: tuple[str, ...]
    children: tuple[str, ...]


class Fleet(Model):
    """All hosts, sorted by name. `sources` are the inventory paths they were read from.

    `digest` covers hosts, rings, groups and variables, so two fleets with one digest are the same.
    `left_out` are hosts of the inventory that the fleet does not have.
    """

    hosts: tuple[Host, ...]
    groups: tuple[Group, ...]
    sources: tuple[str, ...]
    rings: tuple[str, ...]
    digest: str
    left_out: tuple[RefusedHost, ...] = ()

    def host(self, name: str) -> Host | None:
        """Return the host of that name, or None."""
        return next((host for host in self.hosts if host.name == name), None)


class GroupNode(Model):
    """A node of `inventory graph`. `kind` is all, ring, no-ring (hosts without one), ungrouped or
    group; a ring's `name` is that of its group in exports. `hosts` are direct members."""

    name: str
    kind: str
    hosts: tuple[str, ...] = ()
    children: tuple["GroupNode", ...] = ()


class HostRow(Model):
    """One host of `inventory list`. Templates in `address` are not evaluated."""

    name: str
    ring: str | None
    ring_reason: str
    groups: tuple[str, ...]
    address: str


class Listing(Model):
    """`inventory list -o json`. `rings` counts the hosts shown, in the order of the rings;
    `left_out` are hosts that patchctl refuses."""

    hosts: tuple[HostRow, ...]
    rings: dict[str, int]
    without_ring: int
    sources: tuple[str, ...]
    digest: str
    left_out: tuple[RefusedHost, ...] = ()
