"""Keep the history of findings: what each assessment says, and what runs have done."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter

from ..assessment.findings.assess import Assessor
from ..assessment.history.ledger import Judged, Ledger
from ..assessment.history.sightings import Sightings, bits
from ..errors import PatchctlError
from ..models.assessment import Finding
from ..models.history import Brought, Changes, HistoryHost, HostSet, Key, Known, Subject
from ..models.plan import Cohort
from ..models.rollout import HostState
from ..models.words import day
from ..rollout.view import RunView
from .assessment.assess import Scope
from .interfaces import State
from .rollout.reading import view_run

_PROCESSES = "stale"  # of `HostFacts.unread`
_source = attrgetter("source")


def record_runs(database: State) -> None:
    """Take into the history what runs have done since, with the figures of today."""
    now, (runs, last) = database.now_s(), database.history.runs_since()
    brought = list(brought_by(database, runs))

    def decide(known: Known) -> Changes:
        ledger = Ledger(known, now)
        ledger.bring(brought)
        return ledger.changes(day(now), journal=last)

    database.history.record(day(now), decide)


def brought_by(database: State, runs: Sequence[str]) -> Iterator[Brought]:
    """Yield what the runs have done on each of their hosts."""
    for run in runs:
        try:
            view = view_run(database, run)
        except PatchctlError:
            continue  # its plan is gone, and with it what it was to fix
        yield from _brought(view)


def _brought(view: RunView) -> Iterator[Brought]:
    cves = {cohort.id: _cves(cohort) for cohort in view.cohorts.values()}
    for host in view.hosts.values():
        done = host.state is HostState.SUCCEEDED
        yield Brought(
            run=view.run,
            host=host.name,
            at=host.since // 1000 if done else 0,
            cves=cves[host.cohort] if done else {},
        )


def _cves(cohort: Cohort) -> Mapping[str, frozenset[str]]:
    """CVE -> the packages that are changed for it, by source and binary name."""
    packages: dict[str, set[str]] = defaultdict(set)
    for transition in cohort.transitions:
        for cve in transition.cves:
            packages[cve] |= {transition.package, transition.source}
    return {cve: frozenset(names) for cve, names in packages.items()}


class FindingsRecorder:
    """Records one assessment. `whole`: all hosts of the inventory are assessed, so that those it
    does not have any more are gone."""

    def __init__(self, database: State, *, whole: bool) -> None:
        self._database = database
        self._whole = whole
        self._scope = Scope()
        self._generation = 0
        self._numbers: Mapping[str, int] = {}
        self._sightings = Sightings({})

    def begin(self, scope: Scope) -> None:
        """Number the hosts."""
        self._scope = scope
        self._generation = self._database.history.generation()
        self._numbers = self._database.history.number(scope.names)
        self._sightings = Sightings(self._numbers)

    def add(self, host: str, findings: Sequence[Finding]) -> None:
        """Take the findings of a host."""
        self._sightings.add(host, findings)

    def store(self, assessor: Assessor) -> None:
        """Store what is new."""
        now, history = self._database.now_s(), self._database.history
        runs, last = history.runs_since()
        brought = list(brought_by(self._database, runs))
        news = _News(self._scope, self._numbers, history.looks(), self._sightings, assessor)

        def decide(known: Known) -> Changes:
            hosts, judged = news.of(
                known, whole=self._whole, alone=known.generation == self._generation
            )
            ledger = Ledger(known, now)
            ledger.know(hosts)
            ledger.bring(brought)
            ledger.judge(judged)
            return ledger.changes(day(now), journal=last)

        history.record(day(now), decide)


class _News:
    """What an assessment says, beside what the history has. `looks` are snapshot -> its number."""

    def __init__(
        self,
        scope: Scope,
        numbers: Mapping[str, int],
        looks: Mapping[str, int],
        sightings: Sightings,
        assessor: Assessor,
    ) -> None:
        self._scope = scope
        self._numbers = numbers
        self._assessor = assessor
        self._looks = {name: looks.get(host.snapshot, 0) for name, host in scope.seen.items()}
        self._sightings = sightings.hosts()
        self._subjects = dict(_subjects(sightings, assessor))
        matched = assessor.matched
        self._inputs = {host.name: host for host in assessor.hosts}
        covered = {
            digest: not matched.indexes.keys().isdisjoint(software.ecosystems)
            for digest, software in matched.software.items()
        }
        self._covered = {name for name, host in self._inputs.items() if covered[host.software]}

    def of(self, known: Known, *, whole: bool, alone: bool) -> tuple[list[HistoryHost], Judged]:
        """The hosts as they are now, and the judgement. `alone`: nobody changed the history since
        this assessment began, so that no newer feeds than its own have been judged."""
        before = {host.number: host for host in known.hosts}
        fresh: list[int] = []
        same: list[int] = []
        unjudged: list[int] = []
        unread: list[int] = []
        hosts: list[HistoryHost] = []
        for name in self._scope.names:
            number = self._numbers[name]
            stored = before.get(number) or HistoryHost(number=number, name=name)
            look, looked = self._looks.get(name, 0), stored.looked
            if look and look >= looked:
                (fresh if look > looked else same).append(number)
                if name not in self._covered or (look == looked and not alone):
                    unjudged.append(number)
                if _PROCESSES in self._inputs[name].facts.unread:
                    unread.append(number)
                if name in self._covered:
                    looked = look
            hosts.append(
                HistoryHost(
                    number=number,
                    name=name,
                    ring=self._scope.rings.get(name, ""),
                    looked=looked,
                    there=True,
                    silent=name in self._scope.reasons,
                )
            )
        names = set(self._scope.names)
        gone = [host for host in before.values() if whole and host.there and host.name not in names]
        hosts += [
            HistoryHost(number=host.number, name=host.name, ring=host.ring, looked=host.looked)
            for host in gone
        ]
        judged = Judged(
            sightings=self._sightings,
            subjects=self._subjects,
            fresh=bits(fresh),
            same=bits(same),
            unjudged=bits(unjudged),
            unread=bits(unread),
            gone=bits(host.number for host in gone),
            installed=lambda package: self._installed.get(package, 0),
        )
        return hosts, judged

    @cached_property
    def _installed(self) -> Mapping[str, HostSet]:
        """Source package -> the hosts that have it."""
        size = max(self._numbers.values(), default=0) // 8 + 1
        columns: dict[str, bytearray] = defaultdict(lambda: bytearray(size))
        for name, host in self._inputs.items():
            index, bit = self._numbers[name] >> 3, 1 << (self._numbers[name] & 7)
            for source in set(
                map(_source, self._assessor.matched.software[host.software].packages)
            ):
                columns[source][index] |= bit
        return {source: int.from_bytes(column, "little") for source, column in columns.items()}


def _subjects(sightings: Sightings, assessor: Assessor) -> Iterator[tuple[Key, Subject]]:
    for key, (severity, kev) in sightings.threats().items():
        published, fix_published = assessor.published.get(key, ("", ""))
        yield (
            key,
            Subject(
                number=0,
                cve=key[0],
                package=key[1],
                severity=severity,
                kev=kev,
                published=published,
                fix_published=fix_published,
            ),
        )
