"""Completion of names, in the real shells where they are installed."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from cli.test_command_line import HEAVY, imported, python
from rollout_world import plan as plan_of
from rollout_world import ring

from patchctl.adapters import known_names
from patchctl.adapters.database import Database
from patchctl.adapters.known_names import KnownNames

BIN = Path(sys.executable).parent
HOSTS = ["web1.example", "web2.example", "db1.example"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with rings, and with hosts in the cache. Its inventory is a program, which must
    not run."""
    (tmp_path / "patchctl.yml").write_text("rings: [{name: test-lab}, {name: prod}]\n")
    trap = tmp_path / "inventory" / "fleet"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    (tmp_path / ".patchctl").mkdir(mode=0o700)
    known_names.remember(tmp_path / ".patchctl", HOSTS, ["db", "ring_prod"])
    return tmp_path


def completed(workspace: Path, line: str) -> list[str]:
    """Return what bash offers for the last word of a line in the workspace."""
    words = f"patchctl -C {workspace} {line}"
    return python(
        "-m", "patchctl", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")),
        _PATCHCTL_COMPLETE="complete_bash",
    ).split()  # fmt: skip


class TestNames:
    @pytest.mark.parametrize(
        ("line", "offered"),
        [
            ("inventory show we", ["web1.example", "web2.example"]),
            ("discover show d", ["db1.example"]),
            ("discover list --host d", ["db1.example"]),
            ("host show web1", ["web1.example"]),
            ("host clean web1.example d", ["db1.example", "db"]),
            ("rollback --host db1", ["db1.example"]),
            ("audit show --host db1", ["db1.example"]),
            ("discover --limit ring_", ["ring_test_lab", "ring_prod"]),
            (
                "inventory --limit web1.example,!d",
                ["web1.example,!db1.example", "web1.example,!db"],
            ),
            ("plan create --limit web2", ["web2.example"]),
            ("rollout approve --ring ", ["test-lab", "prod"]),
            ("inventory show nothing-like-it", []),
        ],
    )
    def test_hosts_and_rings(self, workspace: Path, line: str, offered: list[str]) -> None:
        assert completed(workspace, line) == offered
        assert not (workspace / "sprung").exists()

    def test_runs_snapshots_and_plans_of_a_real_database(self, workspace: Path) -> None:
        plan = plan_of([ring("staging")], {"staging": [["web1.example"]]})
        with Database(workspace / ".patchctl/state.db").open() as database:
            database.plans.save(plan)
            for number in (1, 2):
                database.runs.create(f"r-2026112{number}-114501-ab12", plan.digest, 2, number, "me")
        short = plan.digest.removeprefix("sha256:")[:12]
        assert completed(workspace, "rollout status r-") == [
            "r-20261122-114501-ab12",
            "r-20261121-114501-ab12",
        ]
        assert completed(workspace, f"rollout {short[:4]}") == [short]
        assert completed(workspace, f"plan show {short[:4]}") == [short]
        assert completed(workspace, "plan create --snapshot l") == ["latest"]

    def test_nothing_heavy_is_imported(self, workspace: Path) -> None:
        line = f"patchctl -C {workspace} rollout resume r"
        modules = imported(COMP_WORDS=line, COMP_CWORD="5", _PATCHCTL_COMPLETE="complete_bash")
        assert "patchctl.adapters.known_names" in modules
        assert not modules & HEAVY
        assert "pydantic" not in modules  # typer reads options with it: half of a completion

    @pytest.mark.parametrize(("said", "trusted"), [("0", False), ("false", False), ("1", True)])
    def test_a_flag_of_the_environment_means_what_it_says(
        self, workspace: Path, said: str, *, trusted: bool
    ) -> None:
        (workspace / "patchctl.yml").chmod(0o666)
        words = f"patchctl -C {workspace} inventory show we"
        offered = python(
            "-m", "patchctl", COMP_WORDS=words, COMP_CWORD="5", _PATCHCTL_COMPLETE="complete_bash",
            PATCHCTL_TRUST_WORKSPACE=said,
        ).split()  # fmt: skip
        assert offered == (["web1.example", "web2.example"] if trusted else [])

    def test_a_workspace_that_others_can_write_is_not_read(self, workspace: Path) -> None:
        (workspace / "patchctl.yml").chmod(0o666)
        assert completed(workspace, "rollout approve --ring ") == []
        line = "--trust-workspace rollout approve --ring "
        assert completed(workspace, line) == ["test-lab", "prod"]

    @pytest.mark.parametrize(
        "spoil",
        ["rings: [", "rings: []", "state: /proc/self/mem", "nonsense: 1"],
    )
    def test_a_broken_workspace_says_nothing(self, workspace: Path, spoil: str) -> None:
        (workspace / "patchctl.yml").write_text(spoil)
        words = f"patchctl -C {workspace} rollout approve --ring "
        done = subprocess.run(
            [sys.executable, "-m", "patchctl"], capture_output=True, text=True, check=True,
            env={**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")),
                 "_PATCHCTL_COMPLETE": "complete_bash"},
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout.split() in ([], ["staging", "canary", "production"])


class TestKnownNames:
    @pytest.mark.parametrize(
        "text",
        ["", "[", "[]", "{}", '{"hosts": 5}', '{"hosts": [5, null]}', "[" * 100_000, "\xff"],
    )
    def test_a_damaged_file_has_no_names(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "names.json").write_text(text, encoding="latin-1")
        assert KnownNames(tmp_path, ()).hosts() == []

    def test_what_is_no_name_is_not_given_to_a_shell(self, tmp_path: Path) -> None:
        bad = ["$(touch x)", "a;b", "a b", "'", "`x`", "-o", "a\nb", "\x1b[2J", ""]
        (tmp_path / "names.json").write_text(json.dumps({"hosts": [*bad, "good"]}))
        with sqlite3.connect(tmp_path / "state.db") as database:
            database.execute("CREATE TABLE run (number INTEGER, id TEXT)")
            database.executemany("INSERT INTO run VALUES (1, ?)", [(name,) for name in bad])
        known = KnownNames(tmp_path, ())
        assert known.hosts() == ["good"]
        assert known.runs() == []

    @pytest.mark.parametrize("content", [b"", b"no database", None])
    def test_a_database_that_cannot_be_read_has_none(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        path = tmp_path / "state.db"
        if content is None:
            os.mkfifo(path)  # opening it would hang
        else:
            path.write_bytes(content)
        known = KnownNames(tmp_path, ())
        assert (known.runs(), known.plans(), known.snapshots()) == ([], [], [])
        assert list(tmp_path.iterdir()) == [path]

    def test_looking_at_an_inventory_makes_no_state_folder(self, tmp_path: Path) -> None:
        known_names.remember(tmp_path / "state", HOSTS, [])
        assert list(tmp_path.iterdir()) == []

    def test_names_are_private_and_written_only_when_they_change(self, tmp_path: Path) -> None:
        known_names.remember(tmp_path, HOSTS, ["db"])
        path = tmp_path / "names.json"
        first = path.stat()
        known_names.remember(tmp_path, reversed(HOSTS), ["db"])
        assert path.stat().st_ino == first.st_ino
        assert first.st_mode & 0o777 == 0o600
        known_names.remember(tmp_path, ["other"], [])
        assert KnownNames(tmp_path, ()).patterns() == ["other"]

    def test_a_state_folder_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "names.json").mkdir()
        known_names.remember(tmp_path, HOSTS, [])
        assert KnownNames(tmp_path, ()).hosts() == []


LINES = [
    ("inventory show db", "inventory show db1.example"),
    ("rollout approve --ring te", "rollout approve --ring test-lab"),
    ("discover --limit web1.example,db1", "discover --limit web1.example,db1.example"),
]


def script(shell: str, folder: Path) -> Path:
    """A file with the output of `patchctl --show-completion`."""
    path = folder / f"complete.{shell}"
    path.write_text(python("-m", "patchctl", _PATCHCTL_COMPLETE=f"source_{shell}"))
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm", "PS1": "> "}


def installed(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture(params=[pytest.param(name, marks=installed(name)) for name in ("bash", "zsh")])
def terminal(request: pytest.FixtureRequest, workspace: Path) -> Iterator[pexpect.spawn]:
    """An interactive shell in the workspace, with completion loaded."""
    shell = request.param
    load = f"source {script(shell, workspace)}"
    arguments = ["--norc", "--noprofile", "-i"]
    if shell == "zsh":
        arguments, load = ["-f", "-i"], f"autoload -Uz compinit; compinit -u -D; {load}"
    child = pexpect.spawn(
        shell, arguments, cwd=str(workspace), env=environment(),
        encoding="utf-8", timeout=20, dimensions=(40, 200),
    )  # fmt: skip
    child.sendline(f"{load}; echo rea''dy")
    child.expect("ready\r\n")
    yield child
    child.close(force=True)


@pytest.mark.parametrize(("typed", "becomes"), LINES)
def test_the_tab_key_completes(terminal: pexpect.spawn, typed: str, becomes: str) -> None:
    terminal.send(f"patchctl {typed}\t")
    terminal.expect_exact(f"patchctl {becomes}")


@installed("fish")
@pytest.mark.parametrize(("typed", "becomes"), LINES)
def test_fish_completes(workspace: Path, typed: str, becomes: str) -> None:
    done = subprocess.run(
        ["fish", "--no-config", "-c",
         f"source {script('fish', workspace)}; complete -C 'patchctl {typed}'"],
        cwd=workspace, env=environment(), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.split() == [becomes.rpartition(" ")[2]]
