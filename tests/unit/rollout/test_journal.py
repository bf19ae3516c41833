"""The journal keeps every entry, in one order, for the controller that holds the run."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchctl.adapters.clock import SystemClock
from patchctl.adapters.database import Database
from patchctl.adapters.processes import own
from patchctl.errors import IntegrityError
from patchctl.models.journal import Event, HostMoved, RunMoved, StageAnswered
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.rollout import interfaces


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state.db", now_ms=lambda: 1_700_000_000_123).open() as opened:
        for run in ("r-1", "r-2"):
            opened.runs.create(run, "sha256:p", 3, 100, "ann")
        yield opened


def take(database: Database, run: str = "r-1") -> int:
    return database.leases.take(run, own(), lambda _: False, "ann")


def moved(host: str, to: HostState = HostState.APPLY) -> Event:
    return HostMoved(host=host, attempt=1, to=to, stage=Stage.APPLY)


def test_the_stores_are_what_the_engine_asks_for(database: Database) -> None:
    journal: interfaces.Journal = database.journal("r-1", take(database))
    mailbox: interfaces.Mailbox = database.mailbox
    clock: interfaces.Clock = SystemClock()
    assert list(journal.read("r-1")) == []
    assert mailbox.pending("r-1") == []
    assert clock.now_ms() > 1_700_000_000_000


def test_entries_have_the_moment_and_readers_get_them_too(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    entries = journal.append("r-1", [moved("a"), moved("b"), moved("c")])
    assert {entry.at for entry in entries} == {1_700_000_000_123}
    assert list(database.journal_reader().read("r-1", after=2)) == list(entries[2:])


def test_a_reader_gets_the_entries_of_all_runs(database: Database) -> None:
    first = database.journal("r-1", take(database, "r-1"))
    second = database.journal("r-2", take(database, "r-2"))
    first.append("r-1", [moved("a")])
    second.append("r-2", [moved("b"), moved("c")])
    first.append("r-1", [moved("d")])
    reader = database.journal_reader()
    assert [entry.seq for entry in reader.stored()] == [1, 2, 3, 4]
    assert [entry.seq for entry in reader.stored(after=3)] == [4]


def test_the_run_has_the_state_of_its_last_move(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    journal.append("r-1", [RunMoved(to=RunState.RUNNING), moved("a")])
    assert database.runs.get("r-1").state is RunState.RUNNING
    journal.append("r-1", [RunMoved(to=RunState.SOAKING), RunMoved(to=RunState.DONE)])
    assert database.runs.get("r-1").state is RunState.DONE
    assert database.runs.get("r-2").state is RunState.PLANNED


def test_an_event_that_cannot_be_written_takes_the_others_with_it(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    floats = StageAnswered(
        host="a",
        attempt=1,
        stage=Stage.VERIFY,
        status=OutcomeStatus.OK,
        evidence={"load": 0.5},
    )
    with pytest.raises(TypeError, match="no floats"):
        journal.append("r-1", [moved("a"), floats])
    assert list(journal.read("r-1")) == []
    assert [entry.seq for entry in journal.append("r-1", [moved("b")])] == [1]


def test_nothing_to_append_takes_no_number(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    assert list(journal.append("r-1", [])) == []
    assert list(database.journal_reader().stored()) == []


def test_a_journal_belongs_to_one_run(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    with pytest.raises(ValueError, match="for run r-1"):
        journal.append("r-2", [moved("a")])


def test_more_entries_than_a_page(database: Database) -> None:
    journal = database.journal("r-1", take(database))
    journal.append("r-1", [moved(f"h{n}") for n in range(12_345)])
    assert [entry.seq for entry in journal.read("r-1")] == list(range(1, 12_346))


def test_an_entry_changed_by_hand_is_an_integrity_error(database: Database, tmp_path: Path) -> None:
    journal = database.journal("r-1", take(database))
    journal.append("r-1", [moved("a")])
    with sqlite3.connect(tmp_path / "state.db") as other:
        other.execute("UPDATE journal SET event = '{}'")
    with pytest.raises(IntegrityError, match="entry 1 of run r-1"):
        list(journal.read("r-1"))
