"""`patchctl audit`: its text for people, its JSON for scripts, and its exit codes."""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.audit.writer import AuditWriter
from patchctl.cli.app import main
from patchctl.errors import IntegrityError, UsageError
from patchctl.models.journal import (
    HostMoved,
    RunCreated,
    RunMoved,
    ShardStarted,
)
from patchctl.models.rollout import (
    HostState,
    ProcessIdentity,
    RunState,
    Stage,
)
from patchctl.workflows import audit

PROCESS = ProcessIdentity(pid=77, pgid=77, start=1, boot_id="b")
PLAN = "sha256:0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", 1_700_000_000_000 - 90 * 60_000),
        ("2d", 1_700_000_000_000 - 2 * 86_400_000),
        ("2023-11-14", 1_699_920_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
    ],
)
def test_since(text: str, expected: int) -> None:
    assert audit.since(text, 1_700_000_000_000) == expected


@pytest.mark.parametrize("text", ["yesterday", "-2h", "h", "2y", "2023-13-01", "٣d"])
def test_since_that_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a valid time"):
        audit.since(text, 0)


class Clock:
    """A clock that moves by an hour at each call."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000 - 3_600_000

    def __call__(self) -> int:
        self.now += 3_600_000
        return self.now


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("PATCHCTL_STATE", raising=False)
    (tmp_path / "patchctl.yml").touch()
    with Database(tmp_path / ".patchctl" / "state.db", now_ms=Clock()).open() as database:
        for run, hosts in (("r-20231114-aaaa", ["web\x1b[2J"]), ("r-20231114-bbbb", ["db", "lb"])):
            database.runs.create(run, PLAN, 1, 1, "ann")
            fence = database.leases.take(run, PROCESS, lambda _: False, "ann")
            journal = database.journal(run, fence)
            journal.append(run, [RunCreated(plan=PLAN, by="ann", comment="tuesday")])
            journal.append(run, [ShardStarted(shard="s", stage=Stage.APPLY, hosts=tuple(hosts))])
            journal.append(
                run,
                [
                    HostMoved(host=h, attempt=1, to=HostState.UNKNOWN, reason="gone\nr-1 all is ok")
                    for h in hosts
                ],
            )
        AuditWriter(AuditFiles(tmp_path / ".patchctl" / "audit"), database).catch_up()
        yield tmp_path


@pytest.fixture
def closed(workspace: Path) -> Path:
    """The same workspace with all data in the database's file, as when no command runs."""
    with contextlib.closing(sqlite3.connect(workspace / ".patchctl" / "state.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return workspace


def run(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str) -> tuple[int, str, str]:
    code = main(["-C", str(workspace), "audit", *words])
    return code, *capsys.readouterr()


def shown(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str) -> list[Any]:
    code, out, _ = run(capsys, workspace, "show", "-o", "json", *words)
    assert code == 0
    return [record["seq"] for record in json.loads(out)]


def test_show_has_one_clean_line_an_event(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, workspace, "show", "--run", "aaaa", "--all")
    assert code == 0
    assert out.splitlines() == [
        "2023-11-14T22:13:20.000Z  r-20231114-aaaa  -"
        "  ann creates the run of plan sha256:0123456789ab: tuesday",
        "2023-11-14T23:13:20.000Z  r-20231114-aaaa  -  apply goes out to 1 host",
        "2023-11-15T00:13:20.000Z  r-20231114-aaaa  web\\x1b[2J  unknown: gone\\x0ar-1 all is ok",
    ]


def test_show_picks_by_run_host_and_time(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, workspace) == [1, 2, 3, 4, 5, 6, 7]
    assert shown(capsys, workspace, "--run", "r-20231114-b") == [4, 5, 6, 7]
    assert shown(capsys, workspace, "--host", "lb") == [5, 7]
    assert shown(capsys, workspace, "--since", "2023-11-15T01:00") == [4, 5, 6, 7]
    assert shown(capsys, workspace, "--run", "r-20231114-b", "--since", "2033-01-01") == []


def test_verify_says_ok(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, workspace, "verify", "-o", "json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["ok"], answer["records"], answer["error"]) == (True, 7, "")
    assert answer["head"].startswith("sha256:")
    code, out, err = run(capsys, workspace, "verify")
    assert (code, out, err) == (0, f"ok: 7 records, head {answer['head']}\n", "")


def test_verify_names_the_first_bad_line_and_exits_6(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace / ".patchctl" / "audit" / "000000000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"unknown", b"success", 1))
    code, out, err = run(capsys, workspace, "verify", "-o", "json")
    answer = json.loads(out)
    assert code == 6
    assert (answer["ok"], answer["records"]) == (False, 2)
    assert f"{file}:3: " in answer["error"]
    assert answer["error"] in err
    code, _, err = run(capsys, workspace, "show")
    assert (code, err.count("\n")) == (6, 1)
    assert f"{file}:3: " in err


def test_rebuild_needs_a_yes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / ".patchctl" / "audit" / "000000000001.jsonl").unlink()
    assert run(capsys, workspace, "verify")[0] == 6
    code, _, err = run(capsys, workspace, "rebuild")
    assert (code, "--yes" in err) == (2, True)
    code, _, err = run(capsys, workspace, "rebuild", "--yes")
    assert (code, "7 records" in err) == (0, True)
    assert run(capsys, workspace, "verify")[0] == 0


def test_without_any_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "patchctl.yml").touch()
    code, out, err = run(capsys, tmp_path, "verify", "-o", "json")
    assert code == json.loads(out)["error"]["exit_code"] == 2
    assert "no state yet" in err
    code, out, err = run(capsys, tmp_path, "rebuild", "--yes")
    assert (code, out) == (2, "")
    assert "no state yet" in err
    assert run(capsys, tmp_path, "show") == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["patchctl.yml"]


# What is left of a state whose log has seven records -> what is done to it.
BROKEN: dict[str, Callable[[Path], object]] = {
    "no database": lambda state: _remove(state),
    "an empty file": lambda state: _write(state, b""),
    "garbage": lambda state: _write(state, b"not a database at all, " * 100),
    "a torn file": lambda state: _write(state, (state / "state.db").read_bytes()[:3000]),
    "an emptied database": lambda state: _sql(state, *_every("DROP TABLE {}", state)),
    "an emptied journal": lambda state: _sql(state, "DELETE FROM journal"),
    "an emptied journal and head": lambda state: _sql(
        state, "DELETE FROM journal", "DELETE FROM audit_head"
    ),
    "every row deleted": lambda state: _sql(state, *_every("DELETE FROM {}", state)),
    "another program's": lambda state: _foreign(state),
}


def _remove(state: Path) -> None:
    for path in state.glob("state.db*"):
        path.unlink()


def _write(state: Path, content: bytes) -> None:
    _remove(state)
    (state / "state.db").write_bytes(content)


def _every(statement: str, state: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(state / "state.db")) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [statement.format(f'"{name}"') for (name,) in names if not name.startswith("sqlite_")]


def _sql(state: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(state / "state.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _foreign(state: Path) -> None:
    _write(state, b"")
    _sql(state, "CREATE TABLE customers (id INTEGER)")


@pytest.mark.parametrize("what", BROKEN)
def test_a_log_without_its_journal_is_not_well(
    what: str, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = (closed / ".patchctl/audit/000000000001.jsonl").read_bytes()
    BROKEN[what](closed / ".patchctl")
    code, out, err = run(capsys, closed, "verify", "-o", "json")
    answer = json.loads(out)
    assert (code, answer["ok"]) == (6, False)
    assert answer["error"] in err and err.count("\n") == 1
    assert {"records", "head", "error"} <= set(answer)
    code, out, err = run(capsys, closed, "verify")
    assert (code, out, err.count("\n")) == (6, "", 1)
    code, _, err = run(capsys, closed, "rebuild", "--yes")
    assert (code, err.count("\n")) == (6, 1), err
    assert (closed / ".patchctl/audit/000000000001.jsonl").read_bytes() == log


@pytest.mark.parametrize("what", ["no database", "an empty file", "garbage"])
def test_how_far_its_chain_goes_is_said(
    what: str, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = json.loads(run(capsys, closed, "verify", "-o", "json")[1])["head"]
    BROKEN[what](closed / ".patchctl")
    answer = json.loads(run(capsys, closed, "verify", "-o", "json")[1])
    assert (answer["records"], answer["head"]) == (7, head)
    assert "restore the database that the log was written from" in answer["error"]
    file = closed / ".patchctl/audit/000000000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"unknown", b"success", 1))
    answer = json.loads(run(capsys, closed, "verify", "-o", "json")[1])
    assert answer["records"] == 2


def test_a_log_that_was_removed_is_not_well(
    closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(closed / ".patchctl/audit")
    code, out, _ = run(capsys, closed, "verify", "-o", "json")
    assert (code, json.loads(out)["error"]) == (
        6, "the log ends with record 0, 7 were written",
    )  # fmt: skip
    code, out, err = run(capsys, closed, "show")
    assert (code, out) == (6, "")
    assert "the audit log is gone, 7 records were written" in err
    _sql(closed / ".patchctl", "DELETE FROM audit_head")
    code, out, _ = run(capsys, closed, "verify", "-o", "json")
    assert code == 6
    assert "there is no audit log, and the journal has 7 events" in json.loads(out)["error"]
    assert run(capsys, closed, "rebuild", "--yes")[0] == 0
    assert run(capsys, closed, "verify")[0] == 0


def test_a_log_that_is_not_written_yet_is_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that was killed in its first moment, or that has just begun."""
    (tmp_path / "patchctl.yml").touch()
    with Database(tmp_path / ".patchctl" / "state.db").open() as database:
        database.runs.create("r-1", PLAN, 1, 1, "ann")
        fence = database.leases.take("r-1", PROCESS, lambda _: False, "ann")
        database.journal("r-1", fence).append("r-1", [RunCreated(plan=PLAN, by="ann")])
    code, out, _ = run(capsys, tmp_path, "verify", "-o", "json")
    assert (code, json.loads(out)["behind"]) == (0, 1)


class TestALink:
    """Whoever can make a link in the folder would decide which file is read or written."""

    def whole(self, state: Path) -> Path:
        """The whole folder is a link."""
        elsewhere = state.parent / "elsewhere"
        (state / "audit").rename(elsewhere)
        elsewhere.chmod(0o755)
        (state / "audit").symlink_to(elsewhere)
        return elsewhere / "000000000001.jsonl"

    def file(self, state: Path) -> Path:
        """One file is a link."""
        elsewhere = state.parent / "elsewhere.jsonl"
        (state / "audit/000000000001.jsonl").rename(elsewhere)
        (state / "audit/000000000001.jsonl").symlink_to(elsewhere)
        return elsewhere

    @pytest.mark.parametrize("how", ["whole", "file"])
    def test_is_refused_by_every_verb_and_nothing_is_written_through_it(
        self, how: str, closed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        state = closed / ".patchctl"
        real = getattr(self, how)(state)
        before = (real.read_bytes(), real.parent.stat().st_mode)
        code, out, err = run(capsys, closed, "verify", "-o", "json")
        answer = json.loads(out)
        assert (code, answer["ok"]) == (6, False)
        assert "a symbolic link stands where the audit log must be; move it away" in answer["error"]
        for arguments in (("show",), ("show", "-o", "json"), ("rebuild", "--yes")):
            code, out, err = run(capsys, closed, *arguments)
            assert (code, err.count("\n")) == (6, 1)
            assert "a symbolic link stands where the audit log must be" in err
        with Database(state / "state.db").open() as database:
            database.journal("r-20231114-bbbb", 1).append(
                "r-20231114-bbbb", [RunMoved(to=RunState.ABORTED)]
            )
            with pytest.raises(IntegrityError, match="a symbolic link"):
                AuditWriter(AuditFiles(state / "audit"), database).catch_up()
        assert (real.read_bytes(), real.parent.stat().st_mode) == before
        assert [path.name for path in real.parent.glob("before-*")] == []

    def test_without_a_database_it_is_no_other(
        self, closed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.whole(closed / ".patchctl")
        BROKEN["no database"](closed / ".patchctl")
        code, out, _ = run(capsys, closed, "verify", "-o", "json")
        assert (code, json.loads(out)["ok"]) == (6, False)

    def test_that_leads_nowhere_is_no_empty_log(
        self, closed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.rmtree(closed / ".patchctl/audit")
        (closed / ".patchctl/audit").symlink_to(closed / "nowhere")
        assert run(capsys, closed, "verify")[0] == 6
        assert run(capsys, closed, "show")[0] == 6
        assert run(capsys, closed, "rebuild", "--yes")[0] == 6
        assert not (closed / "nowhere").exists()

    def test_that_is_moved_away_can_be_followed_by_a_new_log(
        self, closed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.whole(closed / ".patchctl")
        (closed / ".patchctl/audit").unlink()
        assert run(capsys, closed, "rebuild", "--yes")[0] == 0
        assert run(capsys, closed, "verify")[0] == 0

    @pytest.mark.parametrize("kind", ["fifo", "folder"])
    @pytest.mark.parametrize("name", ["audit", "audit/000000000001.jsonl", "audit/zz.jsonl"])
    def test_what_is_neither_file_nor_folder_of_the_log_hangs_nobody(
        self, kind: str, name: str, closed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = closed / ".patchctl" / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(path)
        elif name == "audit":
            path.write_text("")
        else:
            path.mkdir()
        for arguments in (("verify",), ("show",), ("rebuild", "--yes")):
            code, _, err = run(capsys, closed, *arguments)
            assert (code, err.count("\n")) == (6, 1), err
            assert "something else than a" in err
