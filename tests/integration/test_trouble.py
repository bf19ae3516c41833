"""Trouble around a rollout: a full disk, changed files, somebody else on the same hosts."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed import over, upgrades
from test_rollout import HOSTS, command, make_plan, patchctl, states, versions, wait_for_apply

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab


def refused(workspace: Path, *arguments: str, code: int) -> str:
    """Return the error line of a command that is refused."""
    done = subprocess.run(
        command(workspace, "-q", *arguments, "-o", "json"),
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def begin(workspace: Path, plan: str) -> "subprocess.Popen[str]":
    """Begin a rollout in the background."""
    return subprocess.Popen(
        command(workspace, "-q", "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> tuple[int, Any, list[str]]:
    """Return exit code, status and output."""
    out, err = process.communicate(timeout=420)
    return process.returncode, json.loads(out.splitlines()[-1]), err.splitlines()


class Disk:
    """A small file system that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk of 16 MiB with the state on it."""
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    options = ["-t", "tmpfs", "-o", "size=16m,mode=700", "none", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(done.stderr)
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    monkeypatch.setenv("PATCHCTL_STATE", str(folder / "state"))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class TestFullDisk:
    def test_before_a_plan_is_made_nothing_is_left(
        self, fresh_lab: Lab, workspace: Path, small: Disk
    ) -> None:
        small.fill()
        for verb in (("discover",), ("plan", "create", "--package", "patchlab-web")):
            assert str(small.folder) in refused(workspace, *verb, code=2)
        assert not list((workspace / "plans").glob("*"))
        small.free()
        plan = make_plan(workspace, "patchlab-web")

        small.fill()
        assert str(small.folder) in refused(workspace, "rollout", plan, "--yes", code=2)
        assert all(upgrades(fresh_lab, host, "patchlab-web") == [] for host in HOSTS)
        small.free()
        assert patchctl(workspace, "rollout", "list")["runs"] == []

    @over("debian")
    @pytest.mark.proof
    def test_in_the_middle_of_a_run_it_is_cut_short_and_goes_on_later(
        self, fresh_lab: Lab, workspace: Path, small: Disk
    ) -> None:
        plan = make_plan(workspace, "patchlab-web")
        process = begin(workspace, plan)
        run = wait_for_apply(workspace, process)
        small.fill()
        code, status, said = ended(process)
        assert code == 130
        assert f"patchctl rollout resume {run}" in said[-1] and str(small.folder) in said[-1]
        assert not set(states(status).values()) & {"failed", "rolling_back", "rolled_back"}

        # Room that the write-ahead log gave back decides whether it is taken over (130) or not (2).
        again = subprocess.run(
            command(workspace, "-q", "rollout", "resume", run), capture_output=True, text=True
        )
        assert again.returncode in (2, 130), again.stderr
        assert str(small.folder) in again.stderr.splitlines()[-1]
        assert patchctl(workspace, "rollout", "status", run)["state"] == "running"
        small.free()
        assert patchctl(workspace, "rollout", "resume", run)["state"] == "done"
        for host in HOSTS:
            assert len(upgrades(fresh_lab, host, "patchlab-web")) == 1, host
        assert patchctl(workspace, "audit", "verify")["ok"]


class TestChangedFiles:
    @over("debian")
    def test_a_changed_file_of_the_store_stops_a_run_before_it_begins(
        self, fresh_lab: Lab, workspace: Path
    ) -> None:
        plan = make_plan(workspace, "patchlab-web")
        (stored,) = (workspace / ".patchctl" / "store" / "sha256").glob("*/*")
        content = bytearray(stored.read_bytes())
        content[-1] ^= 1
        stored.write_bytes(content)
        before = fresh_lab.check("staging-1", "ls -A /var/lib/patchctl 2>/dev/null || true")
        said = refused(workspace, "rollout", plan, "--yes", code=6)
        assert str(stored) in said and "patchlab-web" in said
        assert patchctl(workspace, "rollout", "list")["runs"] == []
        now = fresh_lab.check("staging-1", "ls -A /var/lib/patchctl 2>/dev/null || true")
        assert now == before

        # The plan fetches the file anew.
        again = make_plan(workspace, "patchlab-web", limit="staging")
        assert patchctl(workspace, "rollout", again, "--yes")["state"] == "done"

    @over("debian")
    def test_a_run_does_not_go_on_with_a_changed_file(
        self, fresh_lab: Lab, workspace: Path
    ) -> None:
        plan = make_plan(workspace, "patchlab-web", limit="staging,canary")
        process = begin(workspace, plan)
        run = wait_for_apply(workspace, process)
        process.kill()
        process.communicate()
        (stored,) = (workspace / ".patchctl" / "store" / "sha256").glob("*/*")
        content = stored.read_bytes()
        stored.write_bytes(content[:-1])
        assert "patchlab-web" in refused(workspace, "rollout", "resume", run, code=6)
        assert upgrades(fresh_lab, "canary-1", "patchlab-web") == []
        stored.write_bytes(content)
        assert patchctl(workspace, "rollout", "resume", run)["state"] == "done"

    def test_a_plan_for_hosts_of_another_inventory_names_them(
        self, fresh_lab: Lab, workspace: Path
    ) -> None:
        plan = make_plan(workspace, "patchlab-web")
        for path in (workspace / "inventory").rglob("*"):
            if path.is_file():
                path.write_text(path.read_text().replace("production-", "prod-"))
        said = refused(workspace, "rollout", plan, "--yes", code=2)
        assert "hosts production-1, production-2, production-3 of the plan are not in" in said
        assert patchctl(workspace, "rollout", "list")["runs"] == []


class TestTwoAtOnce:
    @over("debian")
    @pytest.mark.proof
    def test_a_second_run_on_the_same_hosts_is_refused_and_the_first_undisturbed(
        self, fresh_lab: Lab, workspace: Path
    ) -> None:
        fresh_lab.publish("slow")
        plan = make_plan(workspace, "patchlab-web", "patchlab-slow")
        process = begin(workspace, plan)
        run = wait_for_apply(workspace, process)
        assert f"is held by run {run}" in refused(workspace, "rollout", plan, "--yes", code=2)
        assert run in refused(workspace, "rollback", run, "--yes", code=2)
        said = refused(workspace, "host", "clean", "staging-1", "--yes", code=2)
        assert f"host staging-1 is held by run {run}" in said and "--force" in said

        code, status, _ = ended(process)
        assert code == 0 and set(states(status).values()) == {"succeeded"}
        assert [run["id"] for run in patchctl(workspace, "rollout", "list")["runs"]] == [run]
        for host in HOSTS:
            assert len(upgrades(fresh_lab, host, "patchlab-slow")) == 1, host
        patchctl(workspace, "host", "clean", "staging-1", "--yes")  # the run is over

    @over("debian")
    def test_a_second_workspace_finds_the_hosts_held(
        self, fresh_lab: Lab, workspace: Path, tmp_path: Path
    ) -> None:
        fresh_lab.publish("slow")
        second = tmp_path / "second"
        shutil.copytree(workspace, second)
        theirs = make_plan(second, "patchlab-web")
        plan = make_plan(workspace, "patchlab-web", "patchlab-slow", limit="staging")
        process = begin(workspace, plan)
        run = wait_for_apply(workspace, process)
        status = patchctl(second, "rollout", theirs, "--yes", code=3)
        assert states(status)["staging-1"] == "failed"
        held = next(host for host in status["hosts"] if host["name"] == "staging-1")
        assert run in held["reason"]
        assert set(list(states(status).values())[2:]) == {"pending"}

        code, first, _ = ended(process)
        assert code == 0 and states(first) == dict.fromkeys(HOSTS[:2], "succeeded")
        for host in HOSTS[:2]:
            assert len(upgrades(fresh_lab, host, "patchlab-web")) == 1, host


@pytest.mark.parametrize("umask", [0o000, pytest.param(0o077, marks=pytest.mark.proof)])
def test_the_whole_state_is_private(fresh_lab: Lab, workspace: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        before = versions(fresh_lab, "patchlab-web", HOSTS[:1])
        plan = make_plan(workspace, "patchlab-web", limit="staging")
        process = begin(workspace, plan)
        run = wait_for_apply(workspace, process)
        seen = modes(workspace / ".patchctl")  # with what stands there only during a run
        assert any(name.startswith(f"runs/{run}") for name in seen)
        assert {"state.db-wal", "state.db-shm"} <= set(seen)
        assert wrong(seen) == {}
        assert ended(process)[0] == 0
    finally:
        os.umask(old)
    known = modes(workspace / ".patchctl")
    assert wrong(known) == {}
    assert {name.split("/")[0] for name in known} >= {"audit", "store", "runs", "state.db"}
    assert (workspace / ".patchctl").stat().st_mode & 0o777 == 0o700
    assert versions(fresh_lab, "patchlab-web", HOSTS[:1]) != before


def modes(folder: Path) -> dict[str, tuple[bool, int]]:
    """Return path below the folder -> (is it a folder, its mode). Files that vanish meanwhile are
    left out."""
    known = {}
    for _ in range(5):
        for top, folders, names in os.walk(folder):
            for name in (*folders, *names):
                path = Path(top) / name
                try:
                    state = path.lstat()
                except FileNotFoundError:
                    continue
                mode = state.st_mode & 0o7777
                known[str(path.relative_to(folder))] = (path.is_dir(), mode)
        time.sleep(0.2)
    return known


def wrong(known: dict[str, tuple[bool, int]]) -> dict[str, str]:
    return {
        name: oct(mode)
        for name, (is_folder, mode) in known.items()
        if mode != (0o700 if is_folder else 0o600)
    }
