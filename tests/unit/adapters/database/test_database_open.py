"""Open the state: created for its owner only, checked for its version, with clear errors."""

import ctypes
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from patchctl.adapters.database import Database, schema
from patchctl.adapters.database import engine as engines
from patchctl.errors import (
    AdapterError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(path: Path) -> Path:
    Database(path).open().close()
    return path


class TestMaking:
    def test_file_and_folder_are_private_with_any_umask(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            database = Database(tmp_path / "state" / "state.db").open()
            database.meta.set("k", "v")
            files = sorted((tmp_path / "state").iterdir())
            assert {"state.db", "state.db-shm", "state.db-wal"} <= {path.name for path in files}
            assert {mode(path) for path in files} == {0o600}
            assert mode(tmp_path / "state") == 0o700
        finally:
            os.umask(old)
        database.close()

    def test_what_became_readable_is_closed_again(self, tmp_path: Path) -> None:
        file = make(tmp_path / "state" / "state.db")
        file.chmod(0o644)
        file.parent.chmod(0o755)
        make(file)
        assert (mode(file), mode(file.parent)) == (0o600, 0o700)

    @pytest.mark.parametrize("create", [True, False])
    @pytest.mark.parametrize("what", ["link", "dangling", "fifo", "folder"])
    def test_what_is_no_file_is_refused(self, tmp_path: Path, what: str, create: bool) -> None:
        file, elsewhere = tmp_path / "state.db", tmp_path / "elsewhere"
        match what:
            case "link":
                file.symlink_to(make(elsewhere / "state.db"))
            case "dangling":
                file.symlink_to(elsewhere)
            case "fifo":
                os.mkfifo(file)
            case _:
                file.mkdir()
        before = elsewhere.exists()
        with pytest.raises(IntegrityError, match=r"state\.db: the state database is (a|no) "):
            Database(file).open(create=create)
        assert elsewhere.exists() is before

    def test_looking_makes_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="no state yet"):
            Database(tmp_path / "state" / "state.db").open(create=False)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_a_crash_left_empty_is_no_state_yet(self, tmp_path: Path) -> None:
        (tmp_path / "state.db").touch()
        with pytest.raises(NotFoundError, match="no state yet"):
            Database(tmp_path / "state.db").open(create=False)
        assert (tmp_path / "state.db").stat().st_size == 0
        with Database(tmp_path / "state.db").open() as database:
            assert database.runs.list() == []

    def test_every_connection_is_durable(self, tmp_path: Path) -> None:
        with Database(tmp_path / "state.db").open() as database:
            for transaction in (database.transactions.read, database.transactions.write):
                with transaction() as connection:
                    pragmas = {
                        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                        for name in ("journal_mode", "synchronous", "foreign_keys")
                    }
                    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}

    def test_many_processes_may_be_the_first(self, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from patchctl.adapters.database import Database;"
            "print(Database(Path(sys.argv[1])).open().runs.list())"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "state.db")]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert [child.communicate() for child in children] == [("[]\n", "")] * 4


class TestVersions:
    def set_version(self, path: Path, version: str) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))

    def test_a_state_of_this_version_needs_no_alembic(self, tmp_path: Path) -> None:
        file = make(tmp_path / "state.db")
        code = (
            "import sys; from pathlib import Path; from patchctl.adapters.database import Database;"
            "Database(Path(sys.argv[1])).open(); Database(Path(sys.argv[2])).open();"
            "sys.exit('alembic' in sys.modules)"
        )
        new = str(tmp_path / "new.db")
        assert subprocess.run([sys.executable, "-c", code, str(file), new]).returncode == 0

    def test_a_newer_state_is_left_alone(self, tmp_path: Path) -> None:
        file = make(tmp_path / "state.db")
        self.set_version(file, "9000")
        before = file.read_bytes()
        with pytest.raises(ConflictError, match=rf"schema 9000.* up to {schema.VERSION}") as error:
            Database(file).open()
        assert error.value.exit_code == 2
        assert file.read_bytes() == before

    def test_the_database_of_another_program_is_left_alone(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "state.db") as connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
        with pytest.raises(InvalidInputError, match="another program"):
            Database(tmp_path / "state.db").open()

    def test_an_older_state_is_migrated_and_kept_beside(self, tmp_path: Path) -> None:
        file = tmp_path / "state.db"
        with sqlite3.connect(file) as connection:
            # What Alembic leaves before its first migration.
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        with Database(file).open() as database:
            database.meta.set("k", "v")
        backup = tmp_path / "state.db.schema-0000.backup"
        assert mode(backup) == 0o600
        assert tables(backup) == {"alembic_version"}
        make(file)

    def test_a_migration_that_fails_changes_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "state.db"
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
            connection.execute("CREATE TABLE journal (in_the_way TEXT)")
        with pytest.raises(AdapterError, match="journal"):
            Database(file).open()
        assert tables(file) == {"alembic_version", "journal"}

    def test_migrations_lead_to_the_tables_that_the_code_expects(self, tmp_path: Path) -> None:
        migrated, made = tmp_path / "migrated.db", make(tmp_path / "made.db")
        with sqlite3.connect(migrated) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        make(migrated)
        assert shape(migrated) == shape(made)
        assert tables(made) == set(schema.metadata.tables)


def tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {name for (name,) in rows}


def shape(file: Path) -> dict[str, object]:
    """Return columns, keys and indexes of each table but Alembic's own."""
    shape: dict[str, object] = {}
    with sqlite3.connect(file) as connection:
        for table in tables(file) - {"alembic_version"}:
            for pragma in ("table_info", "foreign_key_list", "index_list"):
                rows = connection.execute(f"PRAGMA {pragma}({table})").fetchall()
                # SQLAlchemy makes the indexes of a table in no fixed order, and they are numbered.
                whole = [row[1:] if pragma == "index_list" else row for row in rows]
                shape[f"{table} {pragma}"] = sorted(map(repr, whole))
            for _, index, *_ in connection.execute(f"PRAGMA index_list({table})").fetchall():
                rows = connection.execute(f"PRAGMA index_info({index})").fetchall()
                shape[f"{index} index_info"] = rows
    return shape


class TestTrouble:
    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "state.db").write_text("rings:\n  - name: staging\n" * 100)
        with pytest.raises(InvalidInputError, match="not a database"):
            Database(tmp_path / "state.db").open()
        assert (tmp_path / "state.db").read_text().startswith("rings:")

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        file = tmp_path / "state.db"
        with Database(file).open() as database:
            for number in range(300):
                database.runs.create(f"r-{number}", "sha256:p", 1, 1, "ann")
        content = bytearray(file.read_bytes())
        content[8192:] = os.urandom(len(content) - 8192)
        file.write_bytes(content)
        with pytest.raises(IntegrityError, match="damaged"), Database(file).open() as database:
            database.runs.list()

    def test_somebody_who_writes_for_too_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.2)
        file = make(tmp_path / "state.db")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with Database(file).open() as database:
            assert database.runs.list() == []
            with pytest.raises(ConflictError, match="another patchctl is writing"):
                database.meta.set("k", "v")
            other.execute("ROLLBACK")
            database.meta.set("k", "v")
        other.close()

    def test_a_database_that_may_not_grow_loses_nothing(self, tmp_path: Path) -> None:
        # max_page_count gives the error of a full disk, SQLITE_FULL, without filling one.
        with Database(tmp_path / "state.db").open() as database:
            database.meta.set("k", "v")
            with (
                pytest.raises(AdapterError, match="disk is full"),
                database.transactions.write() as connection,
            ):
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
                database.meta.set("big", "x" * 100_000)
            assert database.meta.get("k") == "v"
            assert database.meta.get("big") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
    def test_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", bytes(small), b"tmpfs", 0, b"size=512k") != 0:
            pytest.skip("no right to mount")
        try:
            with Database(small / "state.db").open() as database:
                with pytest.raises(AdapterError, match=r"disk is full.*free space"):
                    for number in range(1000):
                        database.meta.set(f"{number}", "x" * 2000)
                values = [database.meta.get(f"{n}") for n in range(number)]
                assert values == ["x" * 2000] * number
                assert database.meta.get(f"{number}") is None
        finally:
            libc.umount2(bytes(small), 2)

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "state").touch()
        with pytest.raises(AdapterError, match="state"):
            Database(tmp_path / "state" / "state.db").open()

    def test_no_address(self) -> None:
        with pytest.raises(InvalidInputError, match="database address"):
            Database("://nowhere")
