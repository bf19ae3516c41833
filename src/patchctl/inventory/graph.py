"""Show the fleet as a tree: the rings, then the inventory's groups."""

from collections.abc import Sequence

from ..models.fleet import Fleet, Group, GroupNode
from .rings import ring_group

NO_RING = "without_ring"


def tree(fleet: Fleet, names: Sequence[str]) -> GroupNode:
    """Return the tree of the groups that lead to the named hosts. A group stands below each group
    that has it as a child, as in `ansible-inventory --graph`."""
    hosts_shown = set(names)
    nodes = [_ring(fleet, ring, hosts_shown) for ring in (*fleet.rings, None)]
    ungrouped = tuple(
        host.name for host in fleet.hosts if host.name in hosts_shown and not host.groups
    )
    nodes.append(GroupNode(name="ungrouped", kind="ungrouped", hosts=ungrouped))
    groups = {group.name: group for group in fleet.groups}
    below = {child for group in fleet.groups for child in group.children}
    rings = {ring_group(ring) for ring in fleet.rings}
    nodes += [
        _group(groups[name], groups, hosts_shown) for name in sorted(groups.keys() - below - rings)
    ]
    return GroupNode(name="all", kind="all", children=_filled(nodes))


def _ring(fleet: Fleet, ring: str | None, hosts_shown: set[str]) -> GroupNode:
    return GroupNode(
        name=NO_RING if ring is None else ring_group(ring),
        kind="no-ring" if ring is None else "ring",
        hosts=tuple(
            host.name for host in fleet.hosts if host.ring == ring and host.name in hosts_shown
        ),
    )


def _group(group: Group, groups: dict[str, Group], hosts_shown: set[str]) -> GroupNode:
    """Ansible refuses a group that is below itself, so this ends."""
    return GroupNode(
        name=group.name,
        kind="group",
        hosts=tuple(name for name in group.hosts if name in hosts_shown),
        children=_filled([_group(groups[child], groups, hosts_shown) for child in group.children]),
    )


def _filled(nodes: list[GroupNode]) -> tuple[GroupNode, ...]:
    return tuple(node for node in nodes if node.hosts or node.children)
