"""Load the fleet and show it: read the sources, check the hosts, assign the rings."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...errors import NotFoundError
from ...inventory import export, load, patterns, secrets
from ...inventory import graph as graphs
from ...models.fleet import Fleet, GroupNode, Host, HostRow, Listing
from ...models.settings import Settings
from ...models.words import more

_SHOWN = 10


class Raw(load.Raw, Protocol):
    """The raw inventory, and the warnings of Ansible."""

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Reader(Protocol):
    """Reads inventory sources."""

    def read(self, sources: Sequence[str]) -> Raw:
        """Read all sources together. Raises InvalidInputError."""

    def locate(self, name: str, sources: Sequence[str]) -> str:
        """Return `file:line` of a host's name, "" where it is not known."""


class Loaded(NamedTuple):
    """The fleet, and warnings about it for the operator."""

    fleet: Fleet
    warnings: tuple[str, ...]


def load_fleet(settings: Settings, reader: Reader, sources: Sequence[str] = ()) -> Loaded:
    """Return the fleet of the workspace, or of other sources given with `-i`.

    A host whose name is refused is left out with a warning. Raises InvalidInputError with a line
    for every source that cannot be read, or every host whose ring or `patch_exclude` is wrong.
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
    warnings = (*raw.warnings, *left_out(fleet), *_unknown_groups(settings, fleet))
    return Loaded(fleet, warnings)


def left_out(fleet: Fleet) -> tuple[str, ...]:
    """Return a line for each host that is left out, and one for those beyond the first ten."""
    lines = tuple(str(host) for host in fleet.left_out[:_SHOWN])
    hidden = len(fleet.left_out) - len(lines)
    last_line = (
        f"{more(hidden, 'host')}, left out for their names: `patchctl inventory lint` shows all"
    )
    return (*lines, last_line) if hidden else lines


def hosts_of(fleet: Fleet, limit: str, cwd: Path) -> tuple[str, ...]:
    """Return the hosts of `--limit`, all where it is empty. Raises UsageError."""
    return patterns.select(fleet, limit, cwd=cwd)


def listing(fleet: Fleet, names: Sequence[str]) -> Listing:
    """Return the hosts of these names as `inventory list` shows them."""
    asked = set(names)
    shown = [host for host in fleet.hosts if host.name in asked]
    count = Counter(host.ring for host in shown)
    return Listing(
        hosts=tuple(_row(host) for host in shown),
        rings={ring: count[ring] for ring in fleet.rings},
        without_ring=count[None],
        sources=fleet.sources,
        digest=fleet.digest,
        left_out=fleet.left_out,
    )


def show(fleet: Fleet, name: str) -> Host:
    """Return a host with all its variables; `(hidden)` or `(vaulted)` replace secrets. Raises
    NotFoundError."""
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
    """Return the rings and groups of these hosts as a tree."""
    return graphs.tree(fleet, names)


def ansible_listing(fleet: Fleet, names: Sequence[str]) -> dict[str, Any]:
    """Return `--list` of Ansible's dynamic-inventory protocol."""
    return export.listing(fleet, names)


def ansible_host(fleet: Fleet, name: str) -> dict[str, Any]:
    """Return `--host NAME` of Ansible's dynamic-inventory protocol."""
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
