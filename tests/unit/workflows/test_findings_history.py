"""The history that assessments and runs leave in the state, with real assessments and runs."""

import sqlite3
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from assessment_world import advisory, by_source
from msgspec import structs
from plan_world import TAKEN, facts, fleet, host, host_result, package, update
from workflows.plan.test_plan_findings import parts
from workflows.rollout.test_verify import CVE, Site, failing

from patchctl.adapters.database import host_sets
from patchctl.adapters.database.history import History
from patchctl.errors import AdapterError
from patchctl.models.history import Ending, Spell
from patchctl.models.rollout import Stage
from patchctl.models.snapshot import Snapshot
from patchctl.models.state import KnownHost
from patchctl.models.words import day
from patchctl.workflows.assessment.assess import AssessmentRun, assess
from patchctl.workflows.history import FindingsRecorder

VULNERABLE, FIXED = "1.0-1", "1.0-2"


class Past(Site):
    """A site whose discoveries are kept, and whose assessments write the history."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "state.db"
        self.inventory = fleet(host("s1"), host("s2"), host("p1", "production"))
        self.world.add(advisory("DSA-1", CVE, by_source("Debian:12", "curl", FIXED)))
        self.have(VULNERABLE)

    def look(self, *names: str, silent: Collection[str] = (), taken: int = 0) -> None:
        """Discover the hosts, all where none is named, and keep the snapshot."""
        self.looks.append(names)
        self.clock.sleep(60)
        chosen = names or tuple(self.facts)
        hosts = [host_result(name, None if name in silent else self.facts[name]) for name in chosen]
        number = len(self.looks)
        self.database.snapshots.save(
            Snapshot(
                id=f"s-{number}",
                taken=taken or self.clock.now_ms() // 1000,
                elapsed_ms=1,
                hosts=tuple(structs.replace(result, facts_digest="") for result in hosts),
            )
        )

    def begin(
        self, *limit: str, whole: bool = True, seen: Collection[KnownHost] | None = None
    ) -> AssessmentRun:
        """An assessment that is not walked yet."""
        known = list(self.database.snapshots.latest_of_every_host()) if seen is None else seen
        # `parts` gives what stays alike; the hosts are those of this site.
        base = parts(self.world, Snapshot(id="", taken=TAKEN, elapsed_ms=1, hosts=()))
        own = replace(
            base,
            fleet=self.inventory,
            seen=lambda: known,
            reasons=self.database.snapshots.undiscovered,
        )
        running = assess(own, limit or None, (), day(self.clock.now_ms() // 1000))
        running.recorder = FindingsRecorder(self.database, whole=whole and not limit)
        return running

    def assess(self, *limit: str, whole: bool = True) -> AssessmentRun:
        running = self.begin(*limit, whole=whole)
        running.done()
        assert running.unrecorded is None
        return running

    def of(self, name: str) -> list[Spell]:
        return [spell for _, spell in self.database.history.spells(host=name)]

    def closed(self, name: str) -> list[Ending | None]:
        return [spell.ending for spell in self.of(name)]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        with sqlite3.connect(self.file) as connection:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            names = [name for (name,) in connection.execute(query)]
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


OPEN = [None]


class TestAssessments:
    def test_record_when_a_finding_was_first_seen_and_on_which_hosts(self, past: Past) -> None:
        past.look()
        seen_at = past.clock.now_ms() // 1000
        past.assess()
        past.clock.sleep(86_400)
        past.look()
        past.assess()
        for name in past.facts:
            (spell,) = past.of(name)
            assert (spell.first_seen, spell.fix_seen, spell.until) == (seen_at, 0, 0)
        ((subject, _),) = past.database.history.spells(cve=CVE)
        assert (subject.cve, subject.package) == (CVE, "curl")

    def test_record_when_a_fix_could_first_be_had(self, past: Past) -> None:
        past.look()
        past.assess()
        mirrored = facts([package("curl")], [update("curl", FIXED)])
        past.facts["s1"] = mirrored
        past.look()
        past.assess()
        past.clock.sleep(60)
        past.assess()
        had_at = past.clock.now_ms() // 1000 - 60
        first, second = past.of("s1")
        assert (first.ending, second.first_seen) == (Ending.CHANGED, first.first_seen)
        assert (second.fix_seen, second.since) == (had_at, had_at)

    def test_twice_the_same_change_nothing(self, past: Past) -> None:
        past.look()
        past.assess()
        before = past.rows()
        past.clock.sleep(60)
        past.assess()
        past.assess("s1")
        assert past.rows() == before

    def test_of_some_hosts_change_nothing_of_the_others(self, past: Past) -> None:
        past.look()
        past.assess()
        past.have(FIXED)
        past.look()
        past.assess("s1")
        assert (past.closed("s1"), past.closed("s2")) == ([Ending.ELSEWHERE], OPEN)

    def test_close_nothing_on_a_host_that_did_not_answer(self, past: Past) -> None:
        past.look()
        past.assess()
        past.have(FIXED)
        past.look(silent=["s2"])
        past.assess()
        assert (past.closed("s1"), past.closed("s2")) == ([Ending.ELSEWHERE], OPEN)
        ((_, _, production), (_, _, staging)) = past.database.history.days()
        assert (staging.hosts, staging.silent, staging.findings) == (2, 1, 1)
        assert (production.hosts, production.silent, production.findings) == (1, 0, 0)

    def test_count_hosts_that_were_never_discovered_beside_the_others(self, past: Past) -> None:
        past.look("s1", "p1")
        past.assess()
        figures = {ring: own for _, ring, own in past.database.history.days()}["staging"]
        assert (figures.hosts, figures.unknown, figures.findings) == (2, 1, 1)

    def test_by_an_older_look_change_nothing(self, past: Past) -> None:
        past.have(FIXED)
        past.look()
        older = list(past.database.snapshots.latest_of_every_host())
        past.have(VULNERABLE)
        past.look()
        past.assess()
        before = past.rows()
        past.begin(seen=older).done()
        assert past.rows() == before

    def test_believe_a_later_look_whatever_the_clock_says(self, past: Past) -> None:
        past.look()
        past.assess()
        past.have(FIXED)
        past.look(taken=TAKEN - 86_400)
        past.assess()
        assert past.closed("s1") == [Ending.ELSEWHERE]

    def test_close_nothing_where_no_feed_speaks_of_the_hosts_any_more(self, past: Past) -> None:
        past.look()
        past.assess()
        past.world.held.clear()
        past.look()
        past.assess()
        assert past.closed("s1") == OPEN

    def test_tell_that_the_feed_changed_its_mind(self, past: Past) -> None:
        past.look()
        past.assess()
        past.world.held.clear()
        past.world.add(advisory("DSA-2", "CVE-2026-9", by_source("Debian:12", "vim", FIXED)))
        past.clock.sleep(60)
        past.assess()
        assert past.closed("s1") == [Ending.DATA, None]

    def test_by_older_feeds_close_nothing_that_others_found_meanwhile(self, past: Past) -> None:
        past.look()
        past.assess()
        held = list(past.world.held)
        past.world.held.clear()
        past.world.add(advisory("DSA-2", "CVE-2026-9", by_source("Debian:12", "vim", FIXED)))
        slow = past.begin()
        walk = slow.hosts()
        next(walk)
        past.world.held[:] = held
        past.world.add(advisory("DSA-3", "CVE-2026-10", by_source("Debian:12", "curl", FIXED)))
        past.assess()
        list(walk)
        assert slow.unrecorded is None
        assert past.closed("s1") == [None, None, None]

    def test_tell_that_a_host_left_the_inventory(self, past: Past) -> None:
        past.look()
        past.assess()
        past.inventory = fleet(host("s1"))
        past.assess(whole=False)  # as with -i, which may name a part
        assert past.closed("s2") == OPEN
        past.assess()
        assert (past.closed("s1"), past.closed("s2")) == (OPEN, [Ending.HOST_GONE])
        assert [ring for _, ring, own in past.database.history.days() if own.hosts] == ["staging"]

    def test_tell_that_the_package_went(self, past: Past) -> None:
        past.look()
        past.assess()
        past.facts["s1"] = facts([package("vim")])
        past.look()
        past.assess()
        assert past.closed("s1") == [Ending.REMOVED]


class TestTrouble:
    def test_what_cannot_be_written_is_told_and_the_findings_are_given(
        self, past: Past, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> bool:
            raise AdapterError("the disk is full")

        past.look()
        monkeypatch.setattr(History, "record", full)
        running = past.begin()
        assert sum(len(findings) for _, findings in running.hosts()) == 3
        assert sum(running.done().by_state.values()) == 3
        assert str(running.unrecorded) == "the disk is full"

    def test_a_death_in_the_middle_leaves_nothing_half(
        self, past: Past, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        past.look()
        past.assess()
        before = past.rows()
        past.have(FIXED)
        past.look()

        class DeathError(BaseException):
            pass

        def die(*_: object) -> None:
            raise DeathError

        with monkeypatch.context() as deadly:
            deadly.setattr(host_sets, "sweep", die)
            with pytest.raises(DeathError):
                past.begin().done()
        after = past.rows()
        for name in ("spell", "host_set", "history_host", "history_subject", "day_figures"):
            assert after[name] == before[name]
        past.assess()
        assert past.closed("s1") == [Ending.ELSEWHERE]


class TestRuns:
    def test_close_what_they_brought_when_a_look_confirms_it(self, past: Past) -> None:
        past.look()
        past.assess()
        run = past.roll_out("curl", FIXED)
        done = past.clock.now_ms() // 1000
        assert {spell.run for spell in past.of("s1")} == {run}
        assert past.closed("s1") == OPEN
        past.have(FIXED)
        past.clock.sleep(86_400)
        past.look()
        past.assess()
        (spell,) = past.of("s1")
        assert (spell.ending, spell.run) == (Ending.RUN, run)
        assert spell.first_seen <= spell.until <= done

    def test_a_host_that_failed_is_not_told_as_closed_by_the_run(self, past: Past) -> None:
        past.look()
        past.assess()
        past.script = failing("s1", Stage.APPLY)
        past.roll_out("curl", FIXED)
        assert {spell.run for spell in past.of("s1")} == {""}

    def test_that_were_undone_close_nothing(self, past: Past) -> None:
        past.look()
        past.assess()
        run = past.roll_out("curl", FIXED)
        past.rollouts.roll_back(run)
        assert {spell.run for name in past.facts for spell in past.of(name)} == {""}

    def test_whose_end_could_not_be_written_are_taken_by_the_next_assessment(
        self, past: Past, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> bool:
            raise AdapterError("the disk is full")

        past.look()
        past.assess()
        with monkeypatch.context() as failing_disk:
            failing_disk.setattr(History, "record", full)
            run = past.roll_out("curl", FIXED)
        assert {spell.run for spell in past.of("s1")} == {""}
        past.assess()
        assert {spell.run for spell in past.of("s1")} == {run}

    def test_write_the_figures_of_their_day(self, past: Past) -> None:
        past.look()
        past.assess()
        past.clock.sleep(2 * 86_400)
        past.roll_out("curl", FIXED)
        days = {on for on, _, _ in past.database.history.days()}
        assert day(past.clock.now_ms() // 1000) in days
        assert len(days) == 2
