"""The history of findings, compared with one that keeps every finding of every host by itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from patchctl.assessment.history.ledger import Judged, Ledger
from patchctl.assessment.history.sightings import bits
from patchctl.models.assessment import FindingState
from patchctl.models.history import (
    Brought,
    Changes,
    Ending,
    Figures,
    HistoryHost,
    Key,
    Known,
    Sighting,
    Spell,
    Standing,
    Subject,
)
from patchctl.models.priority import Decision

SSL, KERNEL = ("CVE-2026-1", "openssl"), ("CVE-2026-2", "linux")
KEYS = [SSL, KERNEL, ("CVE-2026-1", "nodejs")]
OPEN = Standing(state=FindingState.FIXABLE, decision=Decision.SCHEDULED)
URGENT = Standing(state=FindingState.FIXABLE, decision=Decision.ACT)
NO_FIX = Standing(state=FindingState.NO_FIX, decision=Decision.SCHEDULED)
OLD_CODE = Standing(state=FindingState.NOT_EFFECTIVE, decision=Decision.SCHEDULED)
WAIVED = Standing(state=FindingState.WAIVED, decision=Decision.SCHEDULED)
STANDINGS = [OPEN, URGENT, NO_FIX, OLD_CODE, WAIVED]
DAY = "2026-06-01"
HOUR = 3600


@dataclass
class Store:
    """What the database keeps, in memory."""

    hosts: dict[int, HistoryHost] = field(default_factory=dict)
    subjects: dict[Key, Subject] = field(default_factory=dict)
    spells: dict[int, Spell] = field(default_factory=dict)
    figures: dict[str, Figures] = field(default_factory=dict)

    def known(self) -> Known:
        return Known(
            hosts=tuple(self.hosts.values()),
            subjects=dict(self.subjects),
            figures=dict(self.figures),
            spells=[spell for spell in self.spells.values() if not spell.until],
            ended=lambda subjects: [
                spell
                for spell in self.spells.values()
                if spell.subject in subjects and spell.until and spell.ending is not Ending.CHANGED
            ],
        )

    def take(self, changes: Changes) -> Changes:
        self.hosts |= {host.number: host for host in changes.hosts}
        self.subjects |= {(subject.cve, subject.package): subject for subject in changes.subjects}
        self.figures |= changes.figures
        for number in changes.dropped:
            del self.spells[number]
        for spell in changes.added:
            number = max(self.spells, default=0) + 1
            self.spells[number] = structs.replace(spell, number=number)
        return changes

    def judge(
        self, now: int, findings: Mapping[int, Mapping[Key, Standing]], **more: Any
    ) -> Changes:
        ledger = Ledger(self.known(), now)
        ledger.know(
            HistoryHost(number=number, name=f"h{number}", looked=1, there=True)
            for number in findings
            if number not in self.hosts
        )
        ledger.judge(judged(findings, **more))
        return self.take(ledger.changes(DAY))

    def bring(self, now: int, *brought: Brought) -> Changes:
        ledger = Ledger(self.known(), now)
        ledger.bring(brought)
        return self.take(ledger.changes(DAY))

    def of(self, host: int, key: Key = SSL) -> list[Spell]:
        """The spells of a finding of a host, the oldest first, without hosts and numbers."""
        subject = self.subjects[key].number
        own = [
            spell
            for spell in self.spells.values()
            if spell.subject == subject and spell.hosts >> host & 1
        ]
        own.sort(key=lambda spell: (not spell.until, spell.since, spell.until))
        return [structs.replace(spell, hosts=0, number=0, subject=0) for spell in own]


def judged(
    findings: Mapping[int, Mapping[Key, Standing]],
    *,
    same: Iterable[int] = (),
    unjudged: Iterable[int] = (),
    unread: Iterable[int] = (),
    gone: Iterable[int] = (),
    removed: Iterable[str] = (),
    due: str = "",
) -> Judged:
    sightings: dict[Key, dict[Sighting, int]] = defaultdict(lambda: defaultdict(int))
    for host, own in findings.items():
        for key, standing in own.items():
            sightings[key][Sighting(key=key, standing=standing, due=due)] |= 1 << host
    return Judged(
        sightings=sightings,
        subjects={key: Subject(number=0, cve=key[0], package=key[1]) for key in sightings},
        fresh=bits(set(findings) - set(same)),
        same=bits(same),
        unjudged=bits(unjudged),
        unread=bits(unread),
        gone=bits(gone),
        installed=lambda package: 0 if package in removed else bits(findings),
    )


def spell(standing: Standing, first_seen: int, since: int, **more: object) -> Spell:
    made = Spell(subject=0, hosts=0, standing=standing, first_seen=first_seen, since=since)
    return structs.replace(made, **more)


class TestFindings:
    def test_begin_change_and_end_with_the_times_of_all_three(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: NO_FIX}})
        store.judge(200, {1: {SSL: OPEN}})
        store.judge(300, {1: {SSL: URGENT}})
        store.judge(400, {1: {}})
        assert store.of(1) == [
            spell(NO_FIX, 100, 100, until=200, ending=Ending.CHANGED),
            spell(OPEN, 100, 200, fix_seen=200, until=300, ending=Ending.CHANGED),
            spell(URGENT, 100, 300, fix_seen=200, until=400, ending=Ending.ELSEWHERE),
        ]

    def test_that_are_alike_on_many_hosts_are_one_row(self) -> None:
        store = Store()
        store.judge(100, {host: {SSL: OPEN} for host in range(1000)})
        assert len(store.spells) == 1
        store.judge(200, {host: {} if host < 500 else {SSL: OPEN} for host in range(1000)})
        assert len(store.spells) == 2

    def test_of_hosts_that_were_not_judged_stay(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OPEN}, 2: {SSL: OPEN}})
        store.judge(200, {2: {}})
        assert [own.until for own in store.of(1)] == [0]
        assert [own.until for own in store.of(2)] == [200]

    def test_of_hosts_that_no_feed_speaks_of_any_more_stay(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OPEN}})
        assert not store.judge(200, {1: {}}, unjudged=[1]).added
        assert not store.judge(200, {1: {}}, unjudged=[1], same=[1]).added

    def test_of_old_code_stay_where_processes_could_not_be_read(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OLD_CODE, KERNEL: OPEN}})
        store.judge(200, {1: {}}, unread=[1])
        assert [own.until for own in store.of(1)] == [0]
        assert [own.until for own in store.of(1, KERNEL)] == [200]

    def test_a_due_date_that_moves_is_no_change_of_decision(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OPEN}}, due="2026-07-01")
        store.judge(200, {1: {SSL: OPEN}}, due="2026-07-02")
        assert store.of(1) == [spell(OPEN, 100, 100, fix_seen=100, due="2026-07-02")]

    def test_come_back_as_new_ones(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OPEN}})
        store.judge(200, {1: {}})
        store.judge(300, {1: {SSL: OPEN}})
        assert [own.first_seen for own in store.of(1)] == [100, 300]

    def test_end_with_what_ended_them(self) -> None:
        store = Store()
        everything = {host: {SSL: OPEN} for host in (1, 2, 3, 4)}
        store.judge(100, everything)
        store.judge(200, {1: {}}, removed=["openssl"])
        store.judge(200, {2: {}}, same=[2])
        store.judge(200, {3: {SSL: OPEN}}, gone=[4])
        assert store.of(1)[-1].ending is Ending.REMOVED
        assert store.of(2)[-1].ending is Ending.DATA
        assert store.of(3)[-1].ending is None
        assert store.of(4)[-1].ending is Ending.HOST_GONE

    def test_go_on_where_the_feed_or_the_host_was_away_for_a_time(self) -> None:
        store = Store()
        store.judge(100, {1: {SSL: OPEN}, 2: {SSL: OPEN}})
        store.judge(200, {1: {}}, same=[1], gone=[2])
        store.judge(300, {1: {SSL: OPEN}, 2: {SSL: OPEN}}, same=[1, 2])
        for host in (1, 2):
            first, again = store.of(host)
            assert (first.until, again.first_seen, again.since) == (200, 100, 300)
            assert again.fix_seen == 100

    def test_a_clock_that_was_set_back_makes_no_negative_times(self) -> None:
        store = Store()
        store.judge(1000, {1: {SSL: OPEN}})
        store.judge(500, {1: {SSL: URGENT}})
        store.judge(400, {1: {}})
        store.judge(300, {1: {SSL: OPEN}})
        for own in store.of(1):
            assert own.first_seen <= own.since <= (own.until or own.since)
        assert [own.first_seen for own in store.of(1)] == [1000, 1000, 1000]


class TestRuns:
    BROUGHT = Brought(run="r-1", host="h1", at=5 * HOUR + 7, cves={SSL[0]: frozenset({"openssl"})})

    def test_close_what_a_later_look_has_no_more(self) -> None:
        store = Store()
        store.judge(HOUR, {1: {SSL: OPEN}, 2: {SSL: OPEN}})
        store.bring(6 * HOUR, self.BROUGHT)
        assert [own.until for own in store.of(1)] == [0]
        store.judge(9 * HOUR, {1: {}, 2: {}})
        (closed,) = store.of(1)
        assert (closed.ending, closed.run, closed.until) == (Ending.RUN, "r-1", 5 * HOUR)
        (other,) = store.of(2)
        assert (other.ending, other.run, other.until) == (Ending.ELSEWHERE, "", 9 * HOUR)

    def test_twice_the_same_changes_nothing(self) -> None:
        store = Store()
        store.judge(HOUR, {1: {SSL: OPEN}})
        assert store.bring(6 * HOUR, self.BROUGHT).added
        assert not store.bring(7 * HOUR, self.BROUGHT)

    def test_that_were_undone_close_nothing(self) -> None:
        store = Store()
        store.judge(HOUR, {1: {SSL: OPEN}})
        store.bring(6 * HOUR, self.BROUGHT)
        store.bring(7 * HOUR, Brought(run="r-1", host="h1"))
        store.judge(9 * HOUR, {1: {}})
        assert [own.ending for own in store.of(1)] == [Ending.ELSEWHERE]

    def test_keep_their_part_while_the_old_code_still_runs(self) -> None:
        store = Store()
        store.judge(HOUR, {1: {SSL: OPEN}})
        store.bring(6 * HOUR, self.BROUGHT)
        store.judge(8 * HOUR, {1: {SSL: OLD_CODE}})
        store.judge(9 * HOUR, {1: {}})
        last = store.of(1)[-1]
        # Not before the old code was seen to run.
        assert (last.ending, last.run, last.until) == (Ending.RUN, "r-1", 8 * HOUR)

    def test_touch_neither_another_package_nor_a_later_finding(self) -> None:
        store = Store()
        node = ("CVE-2026-1", "nodejs")
        store.judge(HOUR, {1: {SSL: OPEN, node: OPEN}})
        store.judge(9 * HOUR, {1: {KERNEL: OPEN}})
        cves = {SSL[0]: frozenset({"openssl"}), KERNEL[0]: frozenset({"linux"})}
        store.bring(9 * HOUR, Brought(run="r-2", host="h1", at=2 * HOUR, cves=cves))
        assert {own.run for key in (SSL, node, KERNEL) for own in store.of(1, key)} == {""}


# --- against a history that keeps every finding by itself ----------------------------------------

HOSTS = range(5)
findings_of_host = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(STANDINGS))
steps = st.lists(
    st.tuples(
        st.integers(1, 20),  # the time, which may go back
        st.dictionaries(st.sampled_from(HOSTS), findings_of_host),
        st.sets(st.sampled_from(HOSTS)),  # judged by the same look
        st.sets(st.sampled_from(HOSTS)),  # no feed speaks of them
        st.sets(st.sampled_from(HOSTS)),  # gone, unless they were judged
    ),
    max_size=8,
)
Step = tuple[int, dict[int, dict[Key, Standing]], set[int], set[int], set[int]]


def apart(walk: Iterable[Step]) -> dict[tuple[int, Key], list[Spell]]:
    """The history of every finding of every host, kept one by one."""
    lives: dict[tuple[int, Key], list[Spell]] = defaultdict(list)
    for now, findings, same, unjudged, gone in walk:
        for host in HOSTS:
            for key in KEYS:
                life, standing = lives[host, key], findings.get(host, {}).get(key)
                last = life[-1] if life and not life[-1].until else None
                if last is not None and host in gone - findings.keys():
                    life[-1] = ended(last, now, Ending.HOST_GONE)
                elif host not in findings:
                    continue
                elif last is None:
                    if standing is not None:
                        life.append(begun(standing, now, life[-1] if life else None))
                elif standing is None:
                    if host not in unjudged:
                        why = Ending.DATA if host in same else Ending.ELSEWHERE
                        life[-1] = ended(last, now, why)
                elif standing != last.standing:
                    life[-1] = ended(last, now, Ending.CHANGED)
                    since = life[-1].until
                    fix = last.fix_seen or (since if standing.has_fix else 0)
                    life.append(spell(standing, last.first_seen, since, fix_seen=fix))
    return {pair: life for pair, life in lives.items() if life}


def ended(last: Spell, now: int, ending: Ending) -> Spell:
    return structs.replace(last, until=max(now, last.since), ending=ending)


def begun(standing: Standing, now: int, last: Spell | None) -> Spell:
    since = max(now, last.until) if last else now
    fix = since if standing.has_fix else 0
    if last and last.ending in (Ending.DATA, Ending.HOST_GONE):
        return spell(standing, last.first_seen, since, fix_seen=last.fix_seen or fix)
    return spell(standing, since, since, fix_seen=fix)


def told(store: Store) -> dict[tuple[int, Key], list[Spell]]:
    return {
        (host, key): life
        for host in HOSTS
        for key in KEYS
        if key in store.subjects and (life := store.of(host, key))
    }


def by_time(lives: dict[tuple[int, Key], list[Spell]]) -> dict[tuple[int, Key], list[Spell]]:
    return {
        pair: sorted(life, key=lambda own: (not own.until, own.since, own.until))
        for pair, life in lives.items()
    }


@given(walk=steps)
def test_sets_of_hosts_say_what_hosts_would_say_one_by_one(walk: list[Step]) -> None:
    store = Store()
    for now, findings, same, unjudged, gone in walk:
        changes = (
            (same & findings.keys(), unjudged, gone - findings.keys()) if findings or gone else None
        )
        if changes:
            own_same, own_unjudged, own_gone = changes
            more = {"same": own_same, "unjudged": own_unjudged, "gone": own_gone}
            store.judge(now, findings, **more)
            # The same assessment again changes nothing.
            own_same = set(findings)
            again = store.judge(now + 1, findings, same=own_same, unjudged=own_unjudged)
            assert not again.added
            assert not again.dropped
    assert told(store) == by_time(apart(walk))


@given(walk=steps)
def test_no_host_stands_twice_and_no_time_is_negative(walk: list[Step]) -> None:
    store = Store()
    for now, findings, same, unjudged, gone in walk:
        store.judge(
            now,
            findings,
            same=same & findings.keys(),
            unjudged=unjudged,
            gone=gone - findings.keys(),
        )
    lasting: dict[int, int] = defaultdict(int)
    for own in store.spells.values():
        assert own.first_seen <= own.since
        assert not own.until or own.since <= own.until
        assert (own.until == 0) == (own.ending is None)
        if not own.until:
            assert not lasting[own.subject] & own.hosts
            lasting[own.subject] |= own.hosts
