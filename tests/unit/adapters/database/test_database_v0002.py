"""Migrate a state of schema 0001, where each host's list was JSON of its own, to records."""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from adapters.database.test_database_stores import DOWN, facts, ok, plan, snapshot
from msgspec.structs import replace

from patchctl.adapters.database import Database, schema
from patchctl.adapters.database.blobs import split
from patchctl.errors import IntegrityError
from patchctl.models.facts import HostFacts, Package, PendingUpdate, Repository
from patchctl.models.journal import RunMoved
from patchctl.models.rollout import RunState

PACKAGES = tuple(
    Package(name=f"p{n}", version=f"1.{n}-1", arch="amd64", source="src", held=n == 3)
    for n in range(1200)
)
PENDING = tuple(
    PendingUpdate(
        name=f"p{n}", arch="amd64", installed="1", candidate="2", advisories=("A-1", "A-2")
    )
    for n in range(3)
)
FLEET = [
    replace(
        facts(boot=f"b{number}"),
        packages=PACKAGES[number : number + 900 : 1 + number % 2],
        pending=PENDING[number % 3 :],
        repositories=(Repository(uri="http://mirror/ä\n", label="Debian"),),
    )
    for number in range(12)
]
# What a clean host may lack, and what lists may have twice.
FLEET += [replace(facts(boot="bare"), packages=()), replace(facts(), packages=PACKAGES[:1] * 3)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state that a patchctl of schema 0001 wrote: two snapshots of the fleet, a plan, a run."""
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSION", "0001")
        with Database(path).open() as database:
            database.meta.set("k", "v")
            database.plans.save(plan())
            database.runs.create("r-1", plan().digest, 1, 100, "ann")
            database.journal("r-1", 0).append("r-1", [RunMoved(to=RunState.RUNNING)])
            for number in (1, 2):
                # Hosts without facts need no table that 0001 has not.
                database.snapshots.save(snapshot(f"s-{number}", DOWN, taken=100 * number))
    (path.with_name("state.db.schema-0000.backup")).unlink()
    with sqlite3.connect(path) as connection:
        store(connection, FLEET)
    return path


def store(connection: sqlite3.Connection, fleet: Sequence[HostFacts]) -> None:
    for position, host_facts in enumerate(fleet, 1):
        parts = split(host_facts)
        for digest, data in (
            (parts.software, parts.software_json),
            (parts.system, parts.system_json),
        ):
            connection.execute(
                "INSERT OR IGNORE INTO blob VALUES (?, ?)", (digest, zlib.compress(data))
            )
        row = (parts.digest, parts.software, parts.system)
        connection.execute("INSERT INTO facts VALUES (?, ?, ?)", row)
        for number in (1, 2):
            connection.execute(
                "INSERT INTO snapshot_host VALUES (?, ?, ?, 'ok', '', ?, 1)",
                (number, position, f"h{position}", parts.digest),
            )


def rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


def used(file: Path) -> int:
    """Bytes of all lists and records. Pages would count those of tables that came later too."""
    with sqlite3.connect(file) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return sum(
            connection.execute(f"SELECT coalesce(sum(length(data)), 0) FROM {name}").fetchone()[0]
            for name in names & {"blob", "record"}
        )


def test_every_fact_is_there_under_its_digest(file: Path) -> None:
    with Database(file).open() as database:
        for host_facts in FLEET:
            assert database.snapshots.facts(split(host_facts).digest) == host_facts
        for name in ("s-1", "s-2"):
            loaded = database.snapshots.load(name)
            assert loaded is not None
            assert [host.facts for host in loaded.hosts] == [None, *FLEET]
        known = {host.name: host.facts for host in database.snapshots.latest_of_every_host()}
        assert [known[f"h{position}"] for position in range(1, len(FLEET) + 1)] == FLEET


def test_nothing_else_changes_and_the_old_state_lies_beside(file: Path) -> None:
    before = rows(file)
    Database(file).open().close()
    after = rows(file)
    assert rows(file.with_name("state.db.schema-0001.backup")) == before
    # Later schemas have more tables, which are empty.
    changed = {name for name, content in after.items() if before.get(name, []) != content}
    assert changed == {"alembic_version", "blob", "counter", "record"}
    own = {split(host_facts).system for host_facts in FLEET}
    assert [row for row in after["blob"] if row[0] in own] == [
        row for row in before["blob"] if row[0] in own
    ]
    assert set(after["counter"]) > set(before["counter"])


def test_the_state_takes_less_room(file: Path) -> None:
    before = used(file)
    Database(file).open().close()
    assert used(file) < before


def test_later_discoveries_use_the_same_records(file: Path) -> None:
    with Database(file).open() as database:
        before = rows(file)["record"]
        again = [ok(f"h{position}", host_facts) for position, host_facts in enumerate(FLEET, 1)]
        database.snapshots.save(snapshot("s-3", *again))
        other = replace(FLEET[0], packages=PACKAGES[5:700])
        database.snapshots.save(snapshot("s-4", ok("h1", other)))
        assert rows(file)["record"] == before
        new = replace(FLEET[0], packages=(*PACKAGES[:5], replace(PACKAGES[0], version="9-9")))
        database.snapshots.save(snapshot("s-5", ok("h1", new)))
        assert len(rows(file)["record"]) == len(before) + 1
        for name, host_facts in (("s-4", other), ("s-5", new)):
            loaded = database.snapshots.load(name)
            assert loaded is not None
            assert loaded.hosts[0].facts == host_facts


@pytest.mark.parametrize("damage", [b"", b"\x00", zlib.compress(b"[[],[]"), zlib.compress(b"[[]]")])
def test_what_was_damaged_stays_so_and_stops_nothing(file: Path, damage: bytes) -> None:
    digest = split(FLEET[4]).software
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE blob SET data = ? WHERE digest = ?", (damage, digest))
    with Database(file).open() as database:
        with pytest.raises(IntegrityError, match=f"{digest}.*damaged"):
            database.snapshots.facts(split(FLEET[4]).digest)
        assert database.snapshots.facts(split(FLEET[5]).digest) == FLEET[5]


def test_a_state_without_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "empty.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSION", "0001")
        Database(path).open().close()
    with Database(path).open() as database:
        database.snapshots.save(snapshot("s-1", ok("a", facts())))
        assert database.snapshots.load() is not None
