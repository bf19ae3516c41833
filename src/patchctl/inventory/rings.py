"""Choose the ring of a host. The choice depends on that host alone, so that adding or removing a
host moves no other."""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..models import canonical
from ..models.settings import Assignment, Shares
from ..models.unsafe import Unsafe, marked

VARIABLE = "patch_ring"


def ring_group(ring: str) -> str:
    """Return the group that stands for a ring; Ansible wants identifiers as group names."""
    return "ring_" + ring.replace("-", "_")


class RingChoice(NamedTuple):
    """A host's ring and the reason, or None and why it has no ring."""

    ring: str | None
    reason: str


class RingConflictError(ValueError):
    """The inventory names two rings, or something that is no ring. The message names no host."""

    rule = "two-rings"


class UnknownRingError(RingConflictError):
    """The inventory names something that is no ring."""

    rule = "unknown-ring"


def assign(
    name: str,
    groups: Sequence[str],
    variables: Mapping[str, Any],
    rings: Sequence[str],
    assignment: Assignment,
) -> RingChoice:
    """Return the ring by variable or group, else by rule, else by share.

    `groups` are all groups of the host, ancestors too. Raises RingConflictError where the inventory
    names two rings, or something that is no ring.
    """
    choice = _by_inventory(groups, variables, rings)
    if choice is not None:
        return choice
    for number, rule in enumerate(assignment.rules, start=1):
        for group in rule.groups:
            if group in groups:
                return RingChoice(rule.ring, f"rule {number}: group {group}")
        for glob in rule.names:
            if fnmatch.fnmatchcase(name, glob):
                return RingChoice(rule.ring, f"rule {number}: name {glob}")
    if assignment.shares is not None:
        return _by_share(name, variables, assignment.shares)
    return RingChoice(None, f"no {VARIABLE}, no group named as a ring, no rule, no shares")


def _by_inventory(
    groups: Sequence[str], variables: Mapping[str, Any], rings: Sequence[str]
) -> RingChoice | None:
    """Return the ring that the inventory names by variable or by group, or None."""
    by_variable = _by_variable(variables, rings)
    in_rings = [ring for ring in rings if ring in groups or ring_group(ring) in groups]
    if len(in_rings) > 1:
        raise RingConflictError(f"is in the groups of {len(in_rings)} rings: {', '.join(in_rings)}")
    if by_variable and in_rings and in_rings[0] != by_variable:
        raise RingConflictError(
            f"{VARIABLE} says {by_variable}, but it is in the group {in_rings[0]} of another ring"
        )
    if by_variable:
        return RingChoice(by_variable, f"variable {VARIABLE}")
    return RingChoice(in_rings[0], f"group {in_rings[0]}") if in_rings else None


def _by_variable(variables: Mapping[str, Any], rings: Sequence[str]) -> str | None:
    value = variables.get(VARIABLE)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnknownRingError(f"{VARIABLE} must be the plain name of a ring")
    if not isinstance(value, Unsafe) and ("{{" in value or "{%" in value):
        raise UnknownRingError(f"{VARIABLE} must be the plain name of a ring, not a template")
    if value not in rings:
        raise UnknownRingError(
            f"{VARIABLE} says {value!r}, which is not a ring (rings: {', '.join(rings)})"
        )
    return str(value)


def _by_share(name: str, variables: Mapping[str, Any], shares: Shares) -> RingChoice:
    """Compare SHA-256(seed, stratum, name) with the cumulative shares, in whole numbers."""
    stratum = [canonical.encode(_comparable(variables.get(key))).decode() for key in shares.stratum]
    drawn = hashlib.sha256(canonical.encode([shares.seed, stratum, name])).digest()
    position = int.from_bytes(drawn[:8]) * 100
    cumulative = 0
    for part in shares.parts:
        cumulative += part.percent
        if position < cumulative << 64:
            return RingChoice(part.ring, f"share {part.percent}%")
    raise AssertionError("settings let shares sum to 100")


def _comparable(value: Any) -> Any:
    """Make a stratum fit for canonical JSON, which has no floats. Marks of unsafe text stay in it,
    because the position of a host in the shares must not change."""
    value = marked(value)
    return repr(value) if isinstance(value, float | list | dict) else value
