"""What `patchctl status` reads: the last look at each host, and when it was patched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from assessment_world import facts, package

from patchctl.adapters.database import Database
from patchctl.adapters.processes import own
from patchctl.models.facts import HostFacts
from patchctl.models.journal import Event, HostMoved, StageAnswered
from patchctl.models.rollout import HostState, OutcomeStatus, Stage
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot

NEW, OLD = (facts("Debian:12", [package("bash", version)]) for version in ("2", "1"))


@pytest.fixture
def clock() -> list[int]:
    return [1_000_000]


@pytest.fixture
def database(tmp_path: Path, clock: list[int]) -> Iterator[Database]:
    with Database(tmp_path / "state" / "state.db", now_ms=lambda: clock[0]).open() as opened:
        yield opened


def snapshot(identifier: str, *hosts: HostResult, taken: int) -> Snapshot:
    return Snapshot(id=identifier, taken=taken, elapsed_ms=5, hosts=hosts)


def ok(name: str, host_facts: HostFacts = NEW) -> HostResult:
    return HostResult(name=name, status=HostStatus.OK, facts=host_facts)


def lost(name: str) -> HostResult:
    return HostResult(name=name, status=HostStatus.UNREACHABLE, reason="no route")


def test_the_last_look_is_the_newest_and_names_the_newest_facts(database: Database) -> None:
    database.snapshots.save(snapshot("s-1", ok("a"), ok("b"), taken=10))
    database.snapshots.save(snapshot("s-2", lost("a"), lost("never"), taken=20))
    looks = {look.host: look for look in database.snapshots.last_looks()}
    assert list(looks) == ["a", "b", "never"]
    a, never = looks["a"], looks["never"]
    assert (a.status, a.reason, a.snapshot, a.taken) == ("unreachable", "no route", "s-2", 20)
    assert (a.facts_snapshot, a.facts_digest) == ("s-1", looks["b"].facts_digest)
    assert (never.facts_snapshot, never.facts_digest) == ("", "")


def test_the_newest_result_of_a_host_has_facts_only_where_it_answered_then(
    database: Database,
) -> None:
    database.snapshots.save(snapshot("s-1", ok("a"), ok("b", OLD), taken=10))
    database.snapshots.save(snapshot("s-2", lost("a"), taken=20))
    results = {result.name: result for result in database.snapshots.newest_results()}
    assert (results["a"].facts, results["a"].reason) == (None, "no route")
    assert results["b"].facts == OLD


def journal(database: Database, run: str, *events: Event) -> None:
    database.runs.create(run, "sha256:p", 1, 1, "ops")
    fence = database.leases.take(run, own(), lambda _: False, "ops")
    database.journal(run, fence).append(run, events)


def moved(host: str, to: HostState, reason: str = "") -> HostMoved:
    return HostMoved(host=host, attempt=1, to=to, reason=reason)


def test_a_host_was_patched_when_its_last_success_was_written(
    database: Database, clock: list[int]
) -> None:
    journal(database, "r-1", moved("a", HostState.SUCCEEDED), moved("b", HostState.FAILED))
    clock[0] = 2_000_000
    journal(database, "r-2", moved("a", HostState.SUCCEEDED))
    assert database.journal_reader().patched() == {"a": 2000}


def test_what_was_undone_does_not_count(database: Database, clock: list[int]) -> None:
    journal(database, "r-1", moved("a", HostState.SUCCEEDED))
    clock[0] = 2_000_000
    journal(database, "r-2", moved("a", HostState.SUCCEEDED), moved("a", HostState.ROLLING_BACK))
    assert database.journal_reader().patched() == {"a": 1000}


def test_words_of_a_host_are_no_success(database: Database) -> None:
    said = '{"kind":"host-moved","to":"succeeded"}'
    answer = StageAnswered(
        host="a",
        attempt=1,
        stage=Stage.APPLY,
        status=OutcomeStatus.OK,
        reason=said,
        evidence={"kind": "host-moved", "to": "succeeded"},
    )
    journal(database, "r-1", moved("b", HostState.FAILED, said), answer)
    assert database.journal_reader().patched() == {}
