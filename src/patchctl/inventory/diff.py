"""Compare two readings of an inventory."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..models.fleet import Fleet, Host
from ..models.fleet_diff import ConnectionChange, OtherChange, PlacedHost, RingMove
from ..models.unsafe import marked
from .rings import VARIABLE
from .secrets import hide

# The folder of the checkout is no change; a ring by variable is reported as a move.
_NOT_COMPARED = frozenset({"inventory_dir", "inventory_file", VARIABLE})


class Changes(NamedTuple):
    """The differences between two fleets, each tuple sorted by host."""

    appeared: tuple[PlacedHost, ...]
    vanished: tuple[PlacedHost, ...]
    moved: tuple[RingMove, ...]
    connection: tuple[ConnectionChange, ...]
    other: tuple[OtherChange, ...]


def compare(before: Fleet, after: Fleet) -> Changes:
    """Return what differs between the fleets `before` and `after`."""
    hosts_before = {host.name: host for host in before.hosts}
    hosts_after = {host.name: host for host in after.hosts}
    pairs = [
        (hosts_before[name], hosts_after[name])
        for name in sorted(hosts_before.keys() & hosts_after.keys())
    ]
    return Changes(
        appeared=_placed(hosts_after, hosts_before),
        vanished=_placed(hosts_before, hosts_after),
        moved=tuple(
            RingMove(host=a.name, before=a.ring, after=b.ring) for a, b in pairs if a.ring != b.ring
        ),
        connection=tuple(change for a, b in pairs for change in _connection(a, b)),
        other=tuple(change for a, b in pairs for change in _other(a, b)),
    )


def _placed(hosts: Mapping[str, Host], others: Mapping[str, Host]) -> tuple[PlacedHost, ...]:
    return tuple(
        PlacedHost(host=name, ring=hosts[name].ring) for name in sorted(hosts.keys() - others)
    )


def _connection(before: Host, after: Host) -> Iterator[ConnectionChange]:
    for key in _changed(before, after):
        if key.startswith("ansible_"):
            yield ConnectionChange(
                host=after.name,
                variable=key,
                before=_display(key, before.variables),
                after=_display(key, after.variables),
            )


def _other(before: Host, after: Host) -> Iterator[OtherChange]:
    change = OtherChange(
        host=after.name,
        groups_added=tuple(sorted(set(after.groups) - set(before.groups))),
        groups_removed=tuple(sorted(set(before.groups) - set(after.groups))),
        variables=tuple(key for key in _changed(before, after) if not key.startswith("ansible_")),
    )
    if change.groups_added or change.groups_removed or change.variables:
        yield change


_MISSING = object()


def _changed(before: Host, after: Host) -> list[str]:
    a, b = before.variables, after.variables
    keys = (a.keys() | b.keys()) - _NOT_COMPARED
    return sorted(key for key in keys if not _same(a.get(key, _MISSING), b.get(key, _MISSING)))


def _same(before: Any, after: Any) -> bool:
    """Compare by type too: 1, 1.0 and true are equal to Python, but not in an inventory."""
    return type(before) is type(after) and (
        json.dumps(marked(before), sort_keys=True) == json.dumps(marked(after), sort_keys=True)
        if before is not _MISSING
        else True
    )


def _display(key: str, variables: Mapping[str, Any]) -> str | None:
    if key not in variables:
        return None
    value = hide(key, variables[key])
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
