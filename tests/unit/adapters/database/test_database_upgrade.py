"""A state of an older patchctl is copied and then upgraded in one step, or not changed at all.

The project does not have a chain of migrations yet, so the tests add their own: 8001 makes a table
and fills it from an old one, 8002 does what the test says.
"""

import ctypes
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchctl.adapters.database import Database, schema, upgrade
from patchctl.errors import AdapterError, ConflictError, PatchctlError

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "8001"
down_revision = "{before}"


def upgrade():
    op.create_table("extra", sa.Column("key", sa.Text), sa.Column("size", sa.Text))
    op.execute("INSERT INTO extra SELECT key, length(value) FROM meta")
"""
SECOND = """
from alembic import op

revision = "8002"
down_revision = "8001"


def upgrade():
    {body}
"""
Newer = Callable[[str], None]


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Newer:
    """Make this a patchctl of schema 8002, whose last migration does what is given."""
    folder = tmp_path / "migrations"
    shutil.copytree(upgrade._MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = schema.VERSION

    def become(body: str) -> None:
        (folder / "versions" / "v8001.py").write_text(FIRST.format(before=before))
        (folder / "versions" / "v8002.py").write_text(SECOND.format(body=body))
        monkeypatch.setattr(upgrade, "_MIGRATIONS", folder)
        monkeypatch.setattr(schema, "VERSION", "8002")

    return become


def old_state(file: Path, size: int = 3) -> Path:
    with Database(file).open() as database:
        database.meta.set("k", "v" * size)
    return file


def content(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each table."""
    with sqlite3.connect(file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


def backup(file: Path, version: str) -> Path:
    return file.with_name(f"{file.name}.schema-{version}.backup")


def test_an_older_state_goes_through_every_step_and_a_copy_stays_beside(
    tmp_path: Path, newer: Newer
) -> None:
    file, version = old_state(tmp_path / "state" / "state.db"), schema.VERSION
    before = content(file)
    newer("op.execute(\"UPDATE extra SET size = size || ' bytes'\")")
    with Database(file).open() as database:
        assert database.meta.get("k") == "vvv"
    after = content(file)
    assert after["extra"] == [("k", "3 bytes")]
    assert after["alembic_version"] == [("8002",)]
    copy = backup(file, version)
    assert content(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copied = copy.read_bytes()
    Database(file).open().close()  # a second time there is nothing to do
    assert copy.read_bytes() == copied


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("op.execute('SELECT * FROM nowhere')", "no such table: nowhere"),
        ("raise RuntimeError('no idea how\\\\nat all')", "no idea how"),
        ("raise KeyError", "KeyError"),
    ],
)
def test_a_step_that_fails_takes_the_steps_before_it_back(
    tmp_path: Path, newer: Newer, body: str, reason: str
) -> None:
    file, version = old_state(tmp_path / "state.db"), schema.VERSION
    before = content(file)
    newer(body)
    with pytest.raises(AdapterError) as error:
        Database(file).open()
    (line,) = error.value.lines()
    assert line.startswith(f"{file}: the state cannot be brought from schema {version} to 8002: ")
    assert reason in line
    assert f"it is as it was and a copy of it lies in {backup(file, version)}" in line
    assert error.value.exit_code == 2
    assert content(file) == before == content(backup(file, version))


def test_the_older_patchctl_still_reads_what_was_left_and_fixed_steps_go_on(
    tmp_path: Path, newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, version = old_state(tmp_path / "state.db"), schema.VERSION
    newer("raise RuntimeError")
    with pytest.raises(AdapterError):
        Database(file).open()
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSION", version)
        with Database(file).open() as database:
            database.meta.set("k", "later")
    newer("pass")
    Database(file).open().close()
    assert content(file)["extra"] == [("k", "5")]
    assert content(backup(file, version))["meta"] == [("k", "later")]  # the newest copy counts


def test_a_state_of_an_unknown_version_in_between(tmp_path: Path, newer: Newer) -> None:
    file = old_state(tmp_path / "state.db")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '7999'")
    newer("pass")
    with pytest.raises(AdapterError, match=r"from schema 7999 to 8002: .*7999"):
        Database(file).open()


def test_after_the_migration_an_older_patchctl_leaves_it_alone(
    tmp_path: Path, newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, version = old_state(tmp_path / "state.db"), schema.VERSION
    newer("pass")
    Database(file).open().close()
    before = content(file)
    monkeypatch.setattr(schema, "VERSION", version)
    with pytest.raises(ConflictError, match="8002"):
        Database(file).open()
    assert content(file) == before


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.mount(b"none", bytes(folder), b"tmpfs", 0, b"size=2m") != 0:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("no right to mount")
        pytest.skip("no right to mount")
    try:
        yield folder
    finally:
        libc.umount2(bytes(folder), 2)


def test_without_room_for_the_copy_nothing_is_begun(small: Path, newer: Newer) -> None:
    file, version = old_state(small / "state.db", size=300_000), schema.VERSION
    before = content(file)
    (small / "filler").write_bytes(b"\0" * (os.statvfs(small).f_bavail * 4096 - 300_000))
    newer("pass")
    with pytest.raises(PatchctlError, match="the disk is full") as error:
        Database(file).open()
    assert error.value.exit_code == 2
    assert content(file) == before
    assert not list(small.glob("*backup*"))  # half a copy is none
    (small / "filler").unlink()
    Database(file).open().close()
    assert content(file)["extra"] == [("k", "300000")]
    assert content(backup(file, version)) == before


def test_without_room_for_the_change_it_is_taken_back(small: Path, newer: Newer) -> None:
    file, version = old_state(small / "state.db", size=100_000), schema.VERSION
    before = content(file)
    grow = "UPDATE extra SET size = (SELECT value || value || value || value FROM meta)"
    (small / "filler").write_bytes(b"\0" * (os.statvfs(small).f_bavail * 4096 - 450_000))
    newer(f'op.execute("{grow}")')
    with pytest.raises(AdapterError, match=r"disk is full|it is as it was"):
        Database(file).open()
    assert content(backup(file, version)) == before
    (small / "filler").unlink()
    assert content(file) == before
    Database(file).open().close()
    assert content(file)["extra"] == [("k", "v" * 400_000)]
