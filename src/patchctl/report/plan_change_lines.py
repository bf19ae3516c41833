"""What a plan changes, as a person reads it: by package, by cohort, by host. Pure: models to lines.

What came from hosts is in these lines as it is: the caller cleans them before a terminal.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..models.plan import Action, Cohort, PlanBody, Transition, Undo, Urgent
from ..models.words import count, more, size, some
from . import columns
from .state_words import decision_word
from .view import Table
from .wrapping import wrapped

# How much is shown of a long list before "and N more".
_COHORTS = 6
_CHANGES = 25
_NAMES = 12

_HEADER = ("PACKAGE", "HOSTS", "CVES", "FROM", "TO")
_RANK = (Action.REMOVE, Action.DOWNGRADE, Action.UPGRADE, Action.NEW)

_Key = tuple[str, Action, str, str]  # source package, action, from, to


@dataclass
class _Sum:
    source: str
    action: Action
    hosts: int = 0
    cves: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    is_unsafe: bool = False


# --- by package ---------------------------------------------------------------------------------


def packages(body: PlanBody, *, full: bool) -> list[str]:
    """A row for each change of a source package: on how many hosts, from and to which version, how
    many CVEs it removes. Where these are too many, a row for each package. Then the CVEs that do
    not wait."""
    sums = _sums(body, by_version=True)
    if len(sums) > _CHANGES and not full:
        sums = _sums(body, by_version=False)
    on_hosts: Counter[str] = Counter()
    for total in sums:
        on_hosts[total.source] += total.hosts
    ranked = sorted(
        sums,
        key=lambda total: (
            *(_RANK.index(total.action), -on_hosts[total.source], total.source),
            *(-total.hosts, min(total.before), min(total.after)),
        ),
    )
    shown = ranked if full else ranked[:_CHANGES]
    lines = columns.layout(_HEADER, list(map(_row, shown)))
    if len(shown) < len(ranked):
        lines.append(f"{more(len(ranked) - len(shown), 'package')}; see --full")
    return [*lines, *_all_pressing(body, sums, full=full)]


def _sums(body: PlanBody, *, by_version: bool) -> list[_Sum]:
    hosts = Counter(host.cohort for host in body.hosts)
    sums: dict[tuple[object, ...], _Sum] = {}
    for cohort in body.cohorts:
        seen: set[tuple[object, ...]] = set()
        for transition in cohort.transitions:
            whole = _key(transition)
            key = whole if by_version else whole[:2]
            total = sums.get(key)
            if total is None:
                total = sums[key] = _Sum(*whole[:2])
            if key not in seen:  # its binaries change on the same hosts
                seen.add(key)
                total.hosts += hosts[cohort.id]
            total.before.add(transition.from_)
            total.after.add(transition.to)
            total.cves.update(transition.cves)
            total.is_unsafe |= transition.undo is Undo.UNSAFE
    return list(sums.values())


def _key(transition: Transition) -> _Key:
    return (
        transition.source or transition.package,
        transition.action,
        transition.from_,
        transition.to,
    )


def _row(total: _Sum) -> tuple[str, ...]:
    to = _versions(total.after)
    words = {
        Action.NEW: f"{to} (new)",
        Action.DOWNGRADE: f"{to} (back)",
        Action.REMOVE: "REMOVED",
    }
    mark = "  !" if total.is_unsafe else ""
    return (
        total.source,
        str(total.hosts),
        str(len(total.cves) or "-"),
        _versions(total.before),
        f"{words.get(total.action, to)}{mark}",
    )


def _versions(versions: Collection[str]) -> str:
    return min(versions) or "-" if len(versions) == 1 else count(len(versions), "version")


def _all_pressing(body: PlanBody, sums: Iterable[_Sum], *, full: bool) -> list[str]:
    urgent = {row.cve: row for row in body.urgent}
    by_words: dict[str, dict[str, set[str]]] = {"known exploited": {}, decision_word("act"): {}}
    for total in sums:
        for words, pressing in _pressing(total.cves, urgent):
            by_words[words].setdefault(total.source, set()).update(pressing)
    lines: list[str] = []
    for words, sources in by_words.items():
        named = [
            f"{some(sorted(cves), _NAMES, full=full)} in {source}"
            for source, cves in sorted(sources.items())
        ]
        if named:
            lines += wrapped(f"{words}: {some(named, _NAMES, full=full)}", "")
    return lines


def _pressing(cves: Iterable[str], urgent: Mapping[str, Urgent]) -> Iterator[tuple[str, list[str]]]:
    """The CVEs of a change that do not wait, each once under the stronger word."""
    pressing = [urgent[cve] for cve in cves if cve in urgent]
    if exploited := [row.cve for row in pressing if row.kev]:
        yield "known exploited", exploited
    if act := [row.cve for row in pressing if not row.kev]:
        yield decision_word("act"), act


# --- by cohort ----------------------------------------------------------------------------------


def cohorts(body: PlanBody, *, full: bool) -> list[str]:
    """Hosts with the same changes, the largest cohorts first; `full` names the changes of each."""
    ring_of: dict[str, Counter[str]] = {}
    for host in body.hosts:
        ring_of.setdefault(host.cohort, Counter())[host.ring] += 1
    urgent = {row.cve: row for row in body.urgent}
    ranked = sorted(body.cohorts, key=lambda cohort: (-ring_of[cohort.id].total(), cohort.id))
    shown = ranked if full else ranked[:_COHORTS]
    lines: list[str] = []
    for cohort in shown:
        if lines and full:
            lines.append("")
        lines += _hosts_of(cohort, ring_of[cohort.id])
        if full:
            lines += _changes_of(cohort, urgent)
    if len(shown) < len(ranked):
        lines.append(f"and {count(len(ranked) - len(shown), 'smaller cohort')}; see --full")
    return lines


def _hosts_of(cohort: Cohort, rings: Counter[str]) -> list[str]:
    where = ", ".join(f"{ring} {number}" for ring, number in rings.items())
    return wrapped(
        f"{count(rings.total(), 'host')} ({where}):"
        f" {count(len(cohort.transitions), 'package')}, {size(cohort.download_bytes)},"
        f" cohort {cohort.id}",
        "",
    )


def _changes_of(cohort: Cohort, urgent: Mapping[str, Urgent]) -> Iterator[str]:
    groups = _grouped(cohort.transitions)
    width = max(len(source) for source, _ in groups)
    for source, rows in groups:
        cves = rows[0].cves
        removed = f"  {count(len(cves), 'CVE')}" if cves else ""
        yield f"  {source.ljust(width)}  {_change(rows[0])}{removed}{_mark(rows)}"
        names = [row.package for row in rows]
        if names != [source]:
            yield from wrapped(", ".join(names), " " * (width + 6))
        for words, pressing in _pressing(cves, urgent):
            yield from wrapped(f"{words}: {', '.join(sorted(pressing))}", " " * (width + 6))


def _grouped(transitions: Sequence[Transition]) -> list[tuple[str, list[Transition]]]:
    """By source package and versions: what matters most to a person first."""
    groups: dict[_Key, list[Transition]] = {}
    for transition in transitions:
        groups.setdefault(_key(transition), []).append(transition)
    ranked = sorted(groups.items(), key=lambda item: (_RANK.index(item[0][1]), item[0]))
    return [(key[0], rows) for key, rows in ranked]


def _change(transition: Transition) -> str:
    return change(transition.action, transition.from_, transition.to)


def change(action: Action, before: str, after: str) -> str:
    """`1.0 -> 1.1`, or what else happens in words."""
    match action:
        case Action.NEW:
            return f"new, {after}"
        case Action.REMOVE:
            return f"REMOVED, was {before}"
        case Action.DOWNGRADE:
            return f"{before} -> {after} (back)"
        case _:
            return f"{before} -> {after}"


def _mark(rows: Sequence[Transition]) -> str:
    return "  !" if any(row.undo is Undo.UNSAFE for row in rows) else ""


# --- by host ------------------------------------------------------------------------------------


def by_host(body: PlanBody) -> Table:
    """Which host is patched in which wave of its ring, in the order of the rollout."""
    rings = [ring.name for ring in body.rings]
    changes = {cohort.id: str(len(cohort.transitions)) for cohort in body.cohorts}
    return Table(
        ("HOST", "RING", "WAVE", "PACKAGES", "REBOOT", "COHORT"),
        (
            (
                host.name,
                host.ring,
                str(host.wave),
                changes[host.cohort],
                "expected" if host.expected_reboot else "-",
                host.cohort,
            )
            for host in sorted(
                body.hosts, key=lambda host: (rings.index(host.ring), host.wave, host.name)
            )
        ),
    )
