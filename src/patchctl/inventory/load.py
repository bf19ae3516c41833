"""Raw inventory + settings -> Fleet."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from ..errors import EmptyInventoryError, InvalidInputError, Problem
from ..models import canonical, grammar
from ..models.fleet import Fleet, Group, Host, RefusedHost
from ..models.settings import Assignment
from ..models.unsafe import marked
from . import exclude
from . import rings as ring_rules

Locate = Callable[[str], str]
NAME = "host-name"


class Raw(Protocol):
    """Hosts with merged variables; groups with direct hosts and children."""

    @property
    def hosts(self) -> Mapping[str, dict[str, Any]]: ...
    @property
    def groups(self) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]: ...


class Refusal(NamedTuple):
    """A host that cannot be taken as the inventory has it. `rule` is `host-name`, `unknown-ring`,
    `two-rings` or `bad-exclude`."""

    host: str
    rule: str
    message: str


def build(
    raw: Raw,
    *,
    sources: tuple[str, ...],
    rings: tuple[str, ...],
    assignment: Assignment,
    locate: Locate,
) -> Fleet:
    """The fleet, without the hosts whose names cannot be taken. Raises InvalidInputError with a
    line for every contradiction about rings, and where no host is left.

    `locate` gives `file:line` where a name stands in the sources.
    """
    fleet, refusals = survey(raw, sources=sources, rings=rings, assignment=assignment)
    names = [one for one in refusals if one.rule == NAME]
    if len(names) < len(refusals) or (names and not fleet.hosts):
        raise InvalidInputError(problems=[problem(one, locate(one.host)) for one in refusals])
    if not fleet.hosts:
        raise EmptyInventoryError("has no hosts", where=", ".join(sources))
    left_out = (
        RefusedHost(name=one.host, reason=one.message, where=locate(one.host)) for one in names
    )
    return msgspec.structs.replace(fleet, left_out=tuple(left_out))


def problem(refusal: Refusal, place: str = "") -> Problem:
    """A refusal as a sentence that names the host, with `file:line` where that is known."""
    message = f"host {refusal.host}: {refusal.message}"
    if refusal.rule == NAME:
        message = f"host name {refusal.host!r} {refusal.message}"
    return Problem(path=place, message=message, code=refusal.rule)


def survey(
    raw: Raw, *, sources: tuple[str, ...], rings: tuple[str, ...], assignment: Assignment
) -> tuple[Fleet, tuple[Refusal, ...]]:
    """The fleet as far as it can be taken, and what cannot.

    A host with a wrong name is left out; one whose ring is contradictory is kept without a ring.
    """
    refusals = []
    hosts = []
    above = _groups_of(raw)
    for name, variables in sorted(raw.hosts.items()):
        wrong = refused(name)
        if wrong:
            refusals.append(Refusal(name, NAME, wrong))
            continue
        groups = tuple(sorted(above.get(name, ())))
        try:
            place = ring_rules.assign(name, groups, variables, rings, assignment)
        except ring_rules.RingConflictError as error:
            refusals.append(Refusal(name, error.rule, str(error)))
            place = ring_rules.RingChoice(None, str(error))
        if wrong := exclude.problem(variables):
            refusals.append(Refusal(name, "bad-exclude", wrong))
        hosts.append(
            Host(
                name=name,
                ring=place.ring,
                ring_reason=place.reason,
                groups=groups,
                variables=variables,
            )
        )
    groups_taken = _groups(raw, {host.name for host in hosts})
    return _fleet(tuple(hosts), groups_taken, sources, rings), tuple(refusals)


def refused(name: str) -> str:
    """Why a host name cannot be taken, or nothing."""
    if len(name) > 253:
        return "is longer than 253 characters"
    if name.startswith("-"):
        return "begins with a dash, which programs would take for an option"
    if ".." in name:
        return "has two dots in a row"
    if not grammar.fits("host", name):
        return "has characters other than letters, digits and . _ - : [ ] % + @"
    return ""


def _groups_of(raw: Raw) -> dict[str, set[str]]:
    """Host -> all its groups, also those above."""
    parents: dict[str, set[str]] = {}
    for name, (_, children) in raw.groups.items():
        for child in children:
            parents.setdefault(child, set()).add(name)
    found: dict[str, set[str]] = {}
    for name, (hosts, _) in raw.groups.items():
        if not hosts:
            continue
        lineage = _lineage(name, parents)
        for host in hosts:
            found.setdefault(host, set()).update(lineage)
    return found


def _lineage(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        group = waiting.pop()
        if group not in seen:
            seen.add(group)
            waiting.extend(parents.get(group, ()))
    return seen


def _groups(raw: Raw, taken: Collection[str]) -> tuple[Group, ...]:
    return tuple(
        Group(
            name=name,
            hosts=tuple(sorted(host for host in hosts if host in taken)),
            children=tuple(sorted(children)),
        )
        for name, (hosts, children) in sorted(raw.groups.items())
    )


def _fleet(
    hosts: tuple[Host, ...],
    groups: tuple[Group, ...],
    sources: tuple[str, ...],
    rings: tuple[str, ...],
) -> Fleet:
    return Fleet(
        hosts=hosts,
        groups=groups,
        sources=sources,
        rings=rings,
        digest=canonical.digest(
            [
                [[h.name, h.ring, list(h.groups), _digestible(marked(h.variables))] for h in hosts],
                [[g.name, list(g.hosts), list(g.children)] for g in groups],
                list(rings),
            ]
        ),
    )


# Where the checkout lies is no part of what the inventory says.
_LOCAL = ("inventory_dir", "inventory_file")


def _digestible(value: Any, *, top: bool = True) -> Any:
    """Canonical JSON knows neither floats nor keys that are no text; YAML has both."""
    if isinstance(value, dict):
        return {
            str(key): _digestible(item, top=False)
            for key, item in value.items()
            if not (top and key in _LOCAL)
        }
    if isinstance(value, list | tuple):
        return [_digestible(item, top=False) for item in value]
    return f"float {value!r}" if isinstance(value, float) else value
