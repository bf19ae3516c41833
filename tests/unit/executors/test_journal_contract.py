"""Both journals, of the database and of other tests, obey the engine's contract."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rollout_world import RUN, MemoryJournal

from patchctl.adapters.database import Database
from patchctl.adapters.processes import own
from patchctl.errors import ConflictError
from patchctl.executors.simulated import VirtualClock
from patchctl.models.journal import (
    Event,
    HostMoved,
    JournalEntry,
    RunMoved,
    StageAnswered,
    WaveStarted,
)
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.rollout.interfaces import Journal

OTHER = "r-2"
# A controller takes a run: the answer is its journal, and those before it are stale.
Take = Callable[[str], Journal]


def in_memory() -> Take:
    entries: list[JournalEntry] = []
    clock, fences = VirtualClock(), dict.fromkeys((RUN, OTHER), 0)

    def take(run: str) -> Journal:
        fences[run] += 1
        return MemoryJournal(entries, clock, fence=fences[run], newest=lambda: fences[run], run=run)

    return take


def stored(database: Database) -> Take:
    for run in (RUN, OTHER):
        database.runs.create(run, "sha256:p", 3, 100, "ann")
    return lambda run: database.journal(
        run, database.leases.take(run, own(), lambda _: False, "ann")
    )


@pytest.fixture(params=["memory", "database"])
def take(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Take]:
    if request.param == "memory":
        yield in_memory()
        return
    with Database(tmp_path / "state.db").open() as database:
        yield stored(database)


def moved(host: str) -> Event:
    return HostMoved(host=host, attempt=1, to=HostState.APPLY, stage=Stage.APPLY)


def test_what_was_appended_is_read_in_its_order(take: Take) -> None:
    journal = take(RUN)
    events: Sequence[Event] = [
        WaveStarted(ring="canary", wave=1, hosts=2),
        moved("a"),
        StageAnswered(
            host="a",
            attempt=1,
            stage=Stage.VERIFY,
            status=OutcomeStatus.FAILED,
            reason="503 \u202e\x1b[31m",
            evidence={"versions": ["1:2.3~rc1-1"], "ok": False, "none": None},
        ),
    ]
    entries = [*journal.append(RUN, events[:1]), *journal.append(RUN, events[1:])]
    assert [entry.event for entry in entries] == list(events)
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert {entry.run for entry in entries} == {RUN}
    assert list(journal.read(RUN)) == entries
    assert list(journal.read(RUN, after=2)) == entries[2:]
    assert list(journal.read(RUN, after=3)) == []


def test_runs_share_one_counter_and_no_entry(take: Take) -> None:
    journal, other = take(RUN), take(OTHER)
    journal.append(RUN, [moved("a")])
    other.append(OTHER, [moved("b"), moved("c")])
    journal.append(RUN, [moved("d")])
    assert [entry.seq for entry in journal.read(RUN)] == [1, 4]
    assert [entry.seq for entry in other.read(OTHER)] == [2, 3]


def test_a_controller_that_lost_the_run_cannot_write_but_can_read(take: Take) -> None:
    stale = take(RUN)
    stale.append(RUN, [RunMoved(to=RunState.RUNNING), moved("a")])
    holder = take(RUN)
    for events in ([moved("b")], [RunMoved(to=RunState.HALTED)]):
        with pytest.raises(ConflictError, match="taken over"):
            stale.append(RUN, events)
    assert [entry.seq for entry in holder.append(RUN, [moved("c")])] == [3]
    with pytest.raises(ConflictError, match="taken over"):
        stale.append(RUN, [moved("d")])
    assert [entry.event for entry in stale.read(RUN, after=2)] == [moved("c")]


def test_a_controller_that_took_another_run_can_still_write(take: Take) -> None:
    journal = take(RUN)
    take(OTHER)
    assert [entry.seq for entry in journal.append(RUN, [moved("a")])] == [1]


def test_a_journal_is_for_one_run(take: Take) -> None:
    journal = take(RUN)
    take(OTHER)
    with pytest.raises(ValueError, match=f"for run {RUN}, not {OTHER}"):
        journal.append(OTHER, [moved("a")])
    assert list(journal.read(OTHER)) == []


def test_all_events_are_written_or_none(take: Take) -> None:
    journal = take(RUN)
    floats = StageAnswered(
        host="a",
        attempt=1,
        stage=Stage.VERIFY,
        status=OutcomeStatus.OK,
        evidence={"load": 0.5},
    )
    with pytest.raises(TypeError, match="no floats"):
        journal.append(RUN, [moved("a"), floats])
    assert list(journal.read(RUN)) == []
    assert [entry.seq for entry in journal.append(RUN, [moved("b")])] == [1]


def test_nothing_to_append_takes_no_number(take: Take) -> None:
    journal = take(RUN)
    assert list(journal.append(RUN, [])) == []
    assert [entry.seq for entry in journal.append(RUN, [moved("a")])] == [1]
