"""Find the groups of hosts in a generated inventory."""

from collections.abc import Mapping
from typing import Any


def groups_of(inventory: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return host -> the groups that it is in, directly or through a child group, sorted."""
    children = (inventory.get("all") or {}).get("children") or {}
    direct = {name: set((group or {}).get("hosts") or {}) for name, group in children.items()}
    below = {name: list((group or {}).get("children") or {}) for name, group in children.items()}
    groups: dict[str, set[str]] = {}
    for name in children:
        for host in _members(name, direct, below, frozenset()):
            groups.setdefault(host, set()).add(name)
    return {host: tuple(sorted(names)) for host, names in groups.items()}


def _members(
    name: str,
    direct: Mapping[str, set[str]],
    below: Mapping[str, list[str]],
    seen: frozenset[str],
) -> set[str]:
    if name in seen:
        return set()
    members = set(direct.get(name, ()))
    for child in below.get(name, ()):
        members |= _members(child, direct, below, seen | {name})
    return members
