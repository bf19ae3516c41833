"""Bring the history of findings up to date: what an assessment says, and what runs have done.

Whatever is not known changes nothing: a host that was not judged, judged by facts older than those
before, or of which no feed speaks any more, closes nothing. No time goes backwards within a
finding, whatever the clock does.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import structs

from ...models.assessment import FindingState
from ...models.history import (
    RESUMED,
    Brought,
    Changes,
    Ending,
    Figures,
    HistoryHost,
    HostSet,
    Key,
    Known,
    Sighting,
    Spell,
    Subject,
)
from .figures import figures_of
from .sightings import bits

# Hosts of a wave are done within minutes of each other; a row for each minute would say no more.
_HOUR_S = 3600
_NO_SIGHTINGS: Mapping[Sighting, HostSet] = {}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one assessment says.

    `sightings` are the findings; `subjects` tell of each what the feeds say, with the number 0.
    `fresh` are hosts that were judged by a look which the history does not have yet, `same` by the
    look that it has; of others nothing counts. Of the hosts `unjudged` no feed speaks now, so that
    a missing finding means nothing; of those in `unread` nothing is known about processes that run
    old code. `gone` left the inventory. `installed` gives the hosts that have the source package.
    """

    sightings: Mapping[Key, Mapping[Sighting, HostSet]]
    subjects: Mapping[Key, Subject]
    fresh: HostSet
    same: HostSet
    unjudged: HostSet = 0
    unread: HostSet = 0
    gone: HostSet = 0
    installed: Callable[[str], HostSet]


class Ledger:
    """The history while it is changed; `changes` tells what is to be stored. `now` is the time."""

    def __init__(self, known: Known, now: int) -> None:
        self._known = known
        self._now = now
        self._subjects = dict(known.subjects)
        self._next = max((subject.number for subject in self._subjects.values()), default=0) + 1
        self._hosts = {host.number: host for host in known.hosts}
        self._stored: dict[int, list[Spell]] = defaultdict(list)
        # Subject -> lasting spells without hosts and number -> their hosts.
        self._lasting: dict[int, dict[Spell, HostSet]] = defaultdict(dict)
        for spell in known.spells:
            self._stored[spell.subject].append(spell)
            self._add(self._lasting[spell.subject], spell, spell.hosts)
        self._closed: dict[Spell, HostSet] = {}

    @staticmethod
    def _add(spells: dict[Spell, HostSet], spell: Spell, hosts: HostSet) -> None:
        if hosts:
            blank = structs.replace(spell, hosts=0, number=0)
            spells[blank] = spells.get(blank, 0) | hosts

    # --- what an assessment says ------------------------------------------------------------------

    def know(self, hosts: Iterable[HistoryHost]) -> None:
        """Take what is known of hosts now."""
        self._hosts.update((host.number, host) for host in hosts)

    def judge(self, judged: Judged) -> None:
        """Take the findings of an assessment: begin, change and close spells."""
        births: dict[int, dict[Sighting, HostSet]] = {}
        for key, subject in judged.subjects.items():
            self._learn(key, subject)
        for key, subject in self._subjects.items():
            sightings = judged.sightings.get(key, _NO_SIGHTINGS)
            if sightings or subject.number in self._stored:
                begun = self._judge(subject, sightings, judged)
                if begun:
                    births[subject.number] = begun
        # A finding of a subject that is new cannot have been closed before.
        old = births.keys() & {subject.number for subject in self._known.subjects.values()}
        closed: dict[int, list[Spell]] = defaultdict(list)
        for spell in self._known.ended(sorted(old)) if old else ():
            closed[spell.subject].append(spell)
        for number, begun in births.items():
            self._begin(number, begun, closed[number])

    def _learn(self, key: Key, subject: Subject) -> None:
        before = self._subjects.get(key)
        if before is None:
            self._subjects[key] = structs.replace(subject, number=self._next)
            self._next += 1
        else:
            self._subjects[key] = structs.replace(
                subject,
                number=before.number,
                published=subject.published or before.published,
                fix_published=subject.fix_published or before.fix_published,
            )

    def _judge(
        self, subject: Subject, sightings: Mapping[Sighting, HostSet], judged: Judged
    ) -> dict[Sighting, HostSet]:
        """Change the subject's spells; return what is seen where none lasts."""
        counted = judged.fresh | judged.same
        present = {sighting: hosts & counted for sighting, hosts in sightings.items()}
        after: dict[Spell, HostSet] = {}
        for spell, hosts in self._lasting.pop(subject.number, {}).items():
            gone = hosts & judged.gone
            self._close(spell, gone, Ending.HOST_GONE)
            rest = hosts & ~gone
            for sighting, seen_on in present.items():
                part = rest & seen_on
                if part:
                    present[sighting] = seen_on & ~part
                    rest &= ~part
                    self._add(after, self._next_spell(spell, sighting, part), part)
            closing = self._closable(spell, rest, judged)
            if closing:
                self._close_absent(subject, spell, closing, judged)
            self._add(after, spell, rest & ~closing)
        if after:
            self._lasting[subject.number] = after
        return {sighting: hosts for sighting, hosts in present.items() if hosts}

    def _next_spell(self, spell: Spell, sighting: Sighting, hosts: HostSet) -> Spell:
        if sighting.standing == spell.standing:
            return structs.replace(spell, due=sighting.due)
        self._close(spell, hosts, Ending.CHANGED)
        since = max(self._now, spell.since)
        return structs.replace(
            spell,
            standing=sighting.standing,
            due=sighting.due,
            since=since,
            fix_seen=spell.fix_seen or (since if sighting.standing.has_fix else 0),
        )

    @staticmethod
    def _closable(spell: Spell, hosts: HostSet, judged: Judged) -> HostSet:
        """Of these hosts those on which the finding is known to be no more."""
        hosts &= (judged.fresh | judged.same) & ~judged.unjudged
        if spell.standing.state is FindingState.NOT_EFFECTIVE:
            hosts &= ~judged.unread
        return hosts

    def _close_absent(self, subject: Subject, spell: Spell, hosts: HostSet, judged: Judged) -> None:
        self._close(spell, hosts & judged.same & ~judged.fresh, Ending.DATA)
        looked = hosts & judged.fresh
        if not looked:
            return
        if spell.run:
            self._close(spell, looked, Ending.RUN, spell.run_at)
            return
        has_package = judged.installed(subject.package)
        self._close(spell, looked & has_package, Ending.ELSEWHERE)
        self._close(spell, looked & ~has_package, Ending.REMOVED)

    def _close(self, spell: Spell, hosts: HostSet, ending: Ending, at: int = 0) -> None:
        if hosts:
            until = max(at or self._now, spell.since)
            self._add(self._closed, structs.replace(spell, until=until, ending=ending), hosts)

    def _begin(
        self, subject: int, begun: Mapping[Sighting, HostSet], closed: Collection[Spell]
    ) -> None:
        lasting = self._lasting[subject]
        newest_first = sorted(closed, key=lambda spell: (spell.until, spell.number), reverse=True)
        for sighting, hosts in begun.items():
            rest = hosts
            for earlier in newest_first:
                part = rest & earlier.hosts
                rest &= ~part
                new = _new(subject, sighting, max(self._now, earlier.until))
                if earlier.ending in RESUMED:
                    new = structs.replace(
                        new,
                        first_seen=earlier.first_seen,
                        fix_seen=earlier.fix_seen or new.fix_seen,
                        run=earlier.run,
                        run_at=earlier.run_at,
                    )
                self._add(lasting, new, part)
            self._add(lasting, _new(subject, sighting, self._now), rest)

    # --- what runs have done ----------------------------------------------------------------------

    def bring(self, brought: Iterable[Brought]) -> None:
        """Take what runs did on hosts: their findings are closed by the run when a look no longer
        has them. A run that was undone, or did not succeed, has brought nothing."""
        numbers = {host.name: host.number for host in self._hosts.values()}
        by_cve: dict[str, list[Subject]] = defaultdict(list)
        for subject in self._subjects.values():
            by_cve[subject.cve].append(subject)
        failed: dict[str, list[int]] = defaultdict(list)
        done: dict[tuple[str, int, int], tuple[Brought, list[int]]] = {}
        for part in brought:
            if part.host not in numbers:
                continue
            if not part.at:
                failed[part.run].append(numbers[part.host])
            else:
                group = (part.run, part.at // _HOUR_S, id(part.cves))
                done.setdefault(group, (part, []))[1].append(numbers[part.host])
        for run, numbered in failed.items():
            self._take_back(run, bits(numbered))
        for part, numbered in done.values():
            hosts = bits(numbered)
            for cve, packages in part.cves.items():
                for subject in by_cve.get(cve, ()):
                    if subject.package in packages or len(by_cve[cve]) == 1:
                        self._mark(subject.number, hosts, part)

    def _mark(self, subject: int, hosts: HostSet, brought: Brought) -> None:
        at = brought.at // _HOUR_S * _HOUR_S
        lasting = self._lasting.get(subject, {})
        for spell, own in list(lasting.items()):
            part = own & hosts
            later = spell.run_at > at and spell.run != brought.run
            if part and not later and spell.first_seen <= brought.at + _HOUR_S:
                self._move(lasting, spell, part, run=brought.run, run_at=at)

    def _take_back(self, run: str, hosts: HostSet) -> None:
        for lasting in self._lasting.values():
            for spell, own in list(lasting.items()):
                if spell.run == run and own & hosts:
                    self._move(lasting, spell, own & hosts, run="", run_at=0)

    def _move(
        self, lasting: dict[Spell, HostSet], spell: Spell, hosts: HostSet, *, run: str, run_at: int
    ) -> None:
        rest = lasting.pop(spell) & ~hosts
        self._add(lasting, spell, rest)
        self._add(lasting, structs.replace(spell, run=run, run_at=run_at), hosts)

    # --- what came of it --------------------------------------------------------------------------

    def changes(self, day: str, *, journal: int = 0) -> Changes:
        """What is to be stored, with the figures of the day (ISO date)."""
        dropped: list[int] = []
        added: list[Spell] = []
        for subject in self._stored.keys() | self._lasting.keys():
            after = dict(self._lasting.get(subject, {}))
            for spell in self._stored.get(subject, ()):
                blank = structs.replace(spell, hosts=0, number=0)
                if after.get(blank) == spell.hosts:
                    del after[blank]
                else:
                    dropped.append(spell.number)
            added += _with_hosts(after)
        added += _with_hosts(self._closed)
        # A ring that had hosts earlier on this day and has none now.
        figures = dict.fromkeys(self._known.figures, Figures())
        figures |= figures_of(self._hosts.values(), self._subjects.values(), self.lasting(), day)
        stored = {host.number: host for host in self._known.hosts}
        return Changes(
            hosts=tuple(host for number, host in self._hosts.items() if stored.get(number) != host),
            subjects=tuple(
                subject
                for key, subject in self._subjects.items()
                if self._known.subjects.get(key) != subject
            ),
            dropped=tuple(sorted(dropped)),
            added=tuple(added),
            day=day,
            figures={
                ring: own for ring, own in figures.items() if self._known.figures.get(ring) != own
            },
            journal=journal if journal > self._known.journal else 0,
        )

    def lasting(self) -> Iterator[Spell]:
        """The spells that last now."""
        for spells in self._lasting.values():
            yield from _with_hosts(spells)


def _new(subject: int, sighting: Sighting, now: int) -> Spell:
    return Spell(
        subject=subject,
        hosts=0,
        standing=sighting.standing,
        first_seen=now,
        since=now,
        fix_seen=now if sighting.standing.has_fix else 0,
        due=sighting.due,
    )


def _with_hosts(spells: Mapping[Spell, HostSet]) -> Iterator[Spell]:
    return (structs.replace(spell, hosts=hosts) for spell, hosts in spells.items())
