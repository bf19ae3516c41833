"""Load the fleet and show it: sources read, hosts checked, rings assigned."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...errors import NotFoundError
from ...inventory import export, load, patterns, secrets
from ...inventory import graph as graphs
from ...models.base import Model
from ...models.fleet import Fleet, GroupNode, Host
from ...models.settings import Settings


class Raw(load.Raw, Protocol):
    """What the sources say, and what Ansible warned about."""

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Reader(Protocol):
    """Reads inventory sources."""

    def read(self, sources: Sequence[str]) -> Raw:
        """All sources together. Raises InvalidInputError."""

    def locate(self, name: str, sources: Sequence[str]) -> str:
        """Where a host's name stands."""


class Loaded(NamedTuple):
    """The fleet and what a person should know about it."""

    fleet: Fleet
    warnings: tuple[str, ...]


class HostRow(Model):
    """One host of `inventory list`. `address` is untemplated."""

    name: str
    ring: str | None
    ring_reason: str
    groups: tuple[str, ...]
    address: str


class Listing(Model):
    """`inventory list -o json`. `rings` counts the hosts shown, in the order of the rings."""

    hosts: tuple[HostRow, ...]
    rings: dict[str, int]
    without_ring: int
    sources: tuple[str, ...]
    digest: str


def load_fleet(settings: Settings, reader: Reader, sources: Sequence[str] = ()) -> Loaded:
    """The fleet of the workspace, or of other sources given with `-i`.

    Raises InvalidInputError with a line for every source or host that cannot be taken.
    """
    chosen = tuple(sources or settings.inventory)
    raw = reader.read(chosen)
    fleet = load.build(
        raw,
        sources=chosen,
        rings=settings.ring_names,
        assignment=settings.assign,
        locate=lambda name: reader.locate(name, chosen),
    )
    return Loaded(fleet, (*raw.warnings, *_unknown_groups(settings, fleet)))


def hosts_of(fleet: Fleet, limit: str, cwd: Path) -> tuple[str, ...]:
    """Names that `--limit` means, all where it is empty. Raises UsageError."""
    return patterns.select(fleet, limit, cwd=cwd)


def listing(fleet: Fleet, names: Sequence[str]) -> Listing:
    """The hosts of these names as `inventory list` shows them."""
    wanted = set(names)
    shown = [host for host in fleet.hosts if host.name in wanted]
    count = Counter(host.ring for host in shown)
    return Listing(
        hosts=tuple(_row(host) for host in shown),
        rings={ring: count[ring] for ring in fleet.rings},
        without_ring=count[None],
        sources=fleet.sources,
        digest=fleet.digest,
    )


def show(fleet: Fleet, name: str) -> Host:
    """One host with everything the inventory says of it; secrets are replaced by a word."""
    host = fleet.host(name)
    if host is None:
        raise NotFoundError(
            f"no host {name!r} in the inventory", hint="`patchctl inventory list` shows all"
        )
    return Host(
        name=host.name,
        ring=host.ring,
        ring_reason=host.ring_reason,
        groups=host.groups,
        variables={key: secrets.hide(key, value) for key, value in host.variables.items()},
    )


def graph(fleet: Fleet, names: Sequence[str]) -> GroupNode:
    """Rings and groups of these hosts as a tree."""
    return graphs.tree(fleet, names)


def ansible_listing(fleet: Fleet, names: Sequence[str]) -> dict[str, Any]:
    """`--list` of Ansible's dynamic-inventory protocol."""
    return export.listing(fleet, names)


def ansible_host(fleet: Fleet, name: str) -> dict[str, Any]:
    """`--host NAME` of Ansible's dynamic-inventory protocol."""
    return export.host_variables(fleet, name)


def _row(host: Host) -> HostRow:
    address = host.variables.get("ansible_host", host.name)
    return HostRow(
        name=host.name,
        ring=host.ring,
        ring_reason=host.ring_reason,
        groups=host.groups,
        address=str(address) if isinstance(address, str) else "(vaulted)",
    )


def _unknown_groups(settings: Settings, fleet: Fleet) -> list[str]:
    known = {group.name for group in fleet.groups}
    return [
        f"patchctl.yml: rule {number} names the group {group}, which the inventory has not"
        for number, rule in enumerate(settings.assign.rules, start=1)
        for group in rule.groups
        if group not in known
    ]
