"""Build the fleet from the raw inventory and the settings."""

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
    """An inventory as Ansible gives it: host -> merged variables; group -> (direct hosts, child
    groups)."""

    @property
    def hosts(self) -> Mapping[str, dict[str, Any]]: ...
    @property
    def groups(self) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]: ...


class Refusal(NamedTuple):
    """A host that is refused as the inventory has it. `rule` is `host-name`, `unknown-ring`,
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
    """Return the fleet without the hosts whose names are refused.

    `locate` gives `file:line` of a host in the sources. Raises InvalidInputError with a line for
    every refusal where a ring or `patch_exclude` is wrong or no host is left, EmptyInventoryError
    where the inventory has no hosts.
    """
    fleet, refusals = survey(raw, sources=sources, rings=rings, assignment=assignment)
    bad_names = [refusal for refusal in refusals if refusal.rule == NAME]
    if len(bad_names) < len(refusals) or (bad_names and not fleet.hosts):
        raise InvalidInputError(
            problems=[problem(refusal, locate(refusal.host)) for refusal in refusals]
        )
    if not fleet.hosts:
        raise EmptyInventoryError("has no hosts", where=", ".join(sources))
    left_out = (
        RefusedHost(name=refusal.host, reason=refusal.message, where=locate(refusal.host))
        for refusal in bad_names
    )
    return msgspec.structs.replace(fleet, left_out=tuple(left_out))


def problem(refusal: Refusal, where: str = "") -> Problem:
    """Return a refusal as a problem that names the host; `where` is `file:line` if known."""
    message = f"host {refusal.host}: {refusal.message}"
    if refusal.rule == NAME:
        message = f"host name {refusal.host!r} {refusal.message}"
    return Problem(path=where, message=message, code=refusal.rule)


def survey(
    raw: Raw, *, sources: tuple[str, ...], rings: tuple[str, ...], assignment: Assignment
) -> tuple[Fleet, tuple[Refusal, ...]]:
    """Return the fleet and the refusals of hosts.

    A host with a wrong name is left out; a host with contradictory rings is kept without a ring.
    """
    refusals = []
    hosts = []
    above = _groups_of(raw)
    for name, variables in sorted(raw.hosts.items()):
        reason = refused(name)
        if reason:
            refusals.append(Refusal(name, NAME, reason))
            continue
        groups = tuple(sorted(above.get(name, ())))
        try:
            choice = ring_rules.assign(name, groups, variables, rings, assignment)
        except ring_rules.RingConflictError as error:
            refusals.append(Refusal(name, error.rule, str(error)))
            choice = ring_rules.RingChoice(None, str(error))
        if reason := exclude.problem(variables):
            refusals.append(Refusal(name, "bad-exclude", reason))
        hosts.append(
            Host(
                name=name,
                ring=choice.ring,
                ring_reason=choice.reason,
                groups=groups,
                variables=variables,
            )
        )
    groups_taken = _groups(raw, {host.name for host in hosts})
    return _fleet(tuple(hosts), groups_taken, sources, rings), tuple(refusals)


def refused(name: str) -> str:
    """Return why a host name is refused, or "" where it is not."""
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
    """Return host -> all its groups, also the ancestors of these."""
    parents: dict[str, set[str]] = {}
    for name, (_, children) in raw.groups.items():
        for child in children:
            parents.setdefault(child, set()).add(name)
    groups_by_host: dict[str, set[str]] = {}
    for name, (hosts, _) in raw.groups.items():
        if not hosts:
            continue
        lineage = _lineage(name, parents)
        for host in hosts:
            groups_by_host.setdefault(host, set()).update(lineage)
    return groups_by_host


def _lineage(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        group = waiting.pop()
        if group not in seen:
            seen.add(group)
            waiting.extend(parents.get(group, ()))
    return seen


def _groups(raw: Raw, accepted: Collection[str]) -> tuple[Group, ...]:
    return tuple(
        Group(
            name=name,
            hosts=tuple(sorted(host for host in hosts if host in accepted)),
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


# The folder of the checkout is not part of the inventory's content.
_LOCAL = ("inventory_dir", "inventory_file")


def _digestible(value: Any, *, top: bool = True) -> Any:
    """Make a YAML value fit for canonical JSON, which has neither floats nor keys that are no
    text."""
    if isinstance(value, dict):
        return {
            str(key): _digestible(item, top=False)
            for key, item in value.items()
            if not (top and key in _LOCAL)
        }
    if isinstance(value, list | tuple):
        return [_digestible(item, top=False) for item in value]
    return f"float {value!r}" if isinstance(value, float) else value
