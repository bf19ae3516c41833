"""Load the fleet and show it: sources read, hosts checked, rings assigned."""

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


def load_fleet(settings: Settings, reader: Reader, sources: Sequence[str] = ()) -> Loaded:
    """The fleet of the workspace, or of other sources given with `-i`.

    A host with a name that cannot be taken is left out with a warning. Raises InvalidInputError
    with a line for every source, and every host's ring, that cannot be taken.
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
    told = (*raw.warnings, *left_out(fleet), *_unknown_groups(settings, fleet))
    return Loaded(fleet, told)


def left_out(fleet: Fleet) -> tuple[str, ...]:
    """A line for each host that the fleet has not; one more for those beyond the first ten."""
    lines = tuple(str(one) for one in fleet.left_out[:_SHOWN])
    hidden = len(fleet.left_out) - len(lines)
    said = f"{more(hidden, 'host')}, left out for their names: `patchctl inventory lint` shows all"
    return (*lines, said) if hidden else lines


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
        left_out=fleet.left_out,
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
