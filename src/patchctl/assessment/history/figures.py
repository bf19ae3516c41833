"""Count the figures of a day, ring by ring, from the spells that last and the hosts."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ...models.assessment import FindingState
from ...models.history import Figures, HistoryHost, HostSet, Spell, Subject
from ...models.priority import Decision
from .sightings import bits


@dataclass
class _Sets:
    """Hosts with one CVE, by what is said of it there: a CVE in two packages counts once."""

    decisions: dict[Decision, HostSet] = field(default_factory=lambda: defaultdict(int))
    fixable: HostSet = 0
    overdue: HostSet = 0
    excluded: HostSet = 0
    waived: HostSet = 0
    kev: bool = False

    @property
    def open(self) -> HostSet:
        """Hosts on which it is not waived."""
        hosts = 0
        for own in self.decisions.values():
            hosts |= own
        return hosts


def figures_of(
    hosts: Collection[HistoryHost],
    subjects: Iterable[Subject],
    spells: Iterable[Spell],
    day: str,
) -> dict[str, Figures]:
    """The figures by ring. `day` is an ISO date: what was due before it is overdue."""
    by_cve = _by_cve(subjects, spells, day)
    late = 0
    for sets in by_cve:
        late |= sets.overdue
    rings: dict[str, list[HistoryHost]] = defaultdict(list)
    for host in hosts:
        if host.there:
            rings[host.ring].append(host)
    return {ring: _figures(own, by_cve, late) for ring, own in sorted(rings.items())}


def _by_cve(subjects: Iterable[Subject], spells: Iterable[Spell], day: str) -> Collection[_Sets]:
    known = {subject.number: subject for subject in subjects}
    by_cve: dict[str, _Sets] = defaultdict(_Sets)
    for spell in spells:
        subject = known[spell.subject]
        sets = by_cve[subject.cve]
        sets.kev |= subject.kev
        if spell.standing.state is FindingState.WAIVED:
            sets.waived |= spell.hosts
            continue
        sets.decisions[spell.standing.decision] |= spell.hosts
        if spell.standing.has_fix:
            sets.fixable |= spell.hosts
        if spell.standing.excluded:
            sets.excluded |= spell.hosts
        if spell.due and spell.due < day:
            sets.overdue |= spell.hosts
    return by_cve.values()


def _figures(hosts: Collection[HistoryHost], by_cve: Iterable[_Sets], late: HostSet) -> Figures:
    ring = bits(host.number for host in hosts)
    looked = bits(host.number for host in hosts if host.looked)
    counts: dict[str, int] = defaultdict(int)
    decisions: dict[str, int] = dict.fromkeys((decision.value for decision in Decision), 0)
    for sets in by_cve:
        present = (sets.open & ring).bit_count()
        counts["findings"] += present
        counts["kev"] += present * sets.kev
        for decision, own in sets.decisions.items():
            decisions[decision.value] += (own & ring).bit_count()
        for name in ("fixable", "overdue", "excluded", "waived"):
            counts[name] += (getattr(sets, name) & ring).bit_count()
    return Figures(
        hosts=len(hosts),
        unknown=sum(not host.looked for host in hosts),
        silent=sum(host.silent for host in hosts),
        on_time=(looked & ~late).bit_count(),
        decisions=decisions,
        **counts,
    )
