"""The history as it is stored: sets of hosts once, all of a change or nothing, migrated empty."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from patchctl.adapters.database import Database, host_sets, schema
from patchctl.errors import IntegrityError
from patchctl.models.assessment import FindingState
from patchctl.models.history import (
    Changes,
    Ending,
    Figures,
    HistoryHost,
    Known,
    Spell,
    Standing,
    Subject,
)
from patchctl.models.priority import Decision

DAY = "2026-06-01"
STANDING = Standing(state=FindingState.FIXABLE, decision=Decision.ACT, excluded=True)
SUBJECT = Subject(number=1, cve="CVE-2026-1", package="openssl", severity="important", kev=True)
SPELL = Spell(
    subject=1,
    hosts=0b1011,
    standing=STANDING,
    first_seen=5,
    since=7,
    fix_seen=6,
    due="2026-07-01",
    run="r-1",
    run_at=8,
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "state.db").open()


def store(database: Database, changes: Changes) -> Known:
    """Store the changes; what is known afterwards."""
    database.history.record(DAY, lambda _: changes)
    return known(database)


def known(database: Database) -> Known:
    seen: list[Known] = []

    def look(stored: Known) -> Changes:
        seen.append(stored)
        return Changes()

    assert not database.history.record(DAY, look)
    return seen[0]


@given(st.sets(st.integers(0, 20_000)))
def test_a_set_of_hosts_comes_back(numbers: set[int]) -> None:
    hosts = sum(1 << number for number in numbers)
    assert host_sets.unpack(host_sets.pack(hosts)) == hosts


def test_a_damaged_set_is_told() -> None:
    with pytest.raises(IntegrityError, match="history of findings is damaged"):
        host_sets.unpack(b"no")


def test_everything_comes_back_as_it_was(database: Database) -> None:
    host = HistoryHost(number=3, name="h3", ring="canary", looked=4, there=True, silent=True)
    figures = {"canary": Figures(hosts=1, decisions={"act": 3})}
    changes = Changes(
        hosts=(host,), subjects=(SUBJECT,), added=(SPELL,), day=DAY, figures=figures, journal=9
    )
    after = store(database, changes)
    assert list(after.hosts) == [host]
    assert after.subjects == {("CVE-2026-1", "openssl"): SUBJECT}
    (stored,) = after.spells
    assert stored == replace(SPELL, number=stored.number)
    assert (after.figures, after.generation, after.journal) == (figures, 1, 9)
    assert database.history.days() == [(DAY, "canary", figures["canary"])]


def test_what_is_known_is_changed_and_stays_one(database: Database) -> None:
    store(database, Changes(hosts=(HistoryHost(number=3, name="h3"),), subjects=(SUBJECT,)))
    less = Subject(number=1, cve="CVE-2026-1", package="openssl", severity="low")
    there = HistoryHost(number=3, name="h3", there=True)
    new = HistoryHost(number=4, name="h4")
    after = store(database, Changes(hosts=(there, new), subjects=(less,)))
    assert list(after.hosts) == [there, new]
    assert list(after.subjects.values()) == [less]


def test_equal_sets_are_stored_once_and_those_of_nobody_are_removed(database: Database) -> None:
    store(database, Changes(subjects=(SUBJECT,), added=(SPELL, SPELL)))
    assert _count(database, "host_set") == 1
    numbers = tuple(spell.number for spell in known(database).spells)
    store(database, Changes(dropped=numbers[:1]))
    assert _count(database, "host_set") == 1
    store(database, Changes(dropped=numbers[1:]))
    assert _count(database, "host_set") == 0


def test_closed_findings_are_told_when_they_are_asked_for(database: Database) -> None:
    closed = [
        replace(SPELL, until=9, ending=ending)
        for ending in (Ending.RUN, Ending.CHANGED, Ending.HOST_GONE)
    ]
    after = store(database, Changes(subjects=(SUBJECT,), added=tuple(closed)))
    assert not after.spells
    asked: list[Ending | None] = []

    def look(stored: Known) -> Changes:
        asked.extend(spell.ending for spell in stored.ended([1]))
        assert not stored.ended([2])
        return Changes()

    database.history.record(DAY, look)
    assert set(asked) == {Ending.RUN, Ending.HOST_GONE}
    assert len(database.history.spells(cve="CVE-2026-1")) == 3
    assert len(database.history.spells(cve="CVE-2026-2")) == 0


def _count(database: Database, table: str) -> int:
    with database.transactions.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_an_error_in_the_middle_leaves_what_was(database: Database) -> None:
    before = store(database, Changes(subjects=(SUBJECT,)))
    broken = Changes(hosts=(HistoryHost(number=1, name="h1"),), added=(replace(SPELL, subject=99),))
    with pytest.raises(Exception, match="FOREIGN KEY"):
        store(database, broken)
    after = known(database)
    assert (list(after.hosts), after.generation) == (list(before.hosts), before.generation)


def test_hosts_get_numbers_that_stay(database: Database) -> None:
    assert database.history.number(["b", "a"]) == {"a": 0, "b": 1}
    assert database.history.number(["c", "a"]) == {"a": 0, "b": 1, "c": 2}


def test_a_state_of_schema_0002_gets_the_tables_and_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "old.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSION", "0002")
        with Database(file).open() as database:
            database.meta.set("k", "v")
    assert "spell" not in _tables(file)
    with Database(file).open() as database:
        assert database.meta.get("k") == "v"
        assert store(database, Changes(subjects=(SUBJECT,), added=(SPELL,))).spells
    copy = file.with_name("old.db.schema-0002.backup")
    assert "spell" not in _tables(copy)
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT value FROM meta").fetchall() == [("v",)]


def _tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
