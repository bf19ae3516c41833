"""Somebody else uses a host's package manager, at each stage where patchctl may meet that."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faults
import pytest
from conftest import WatchedLab, copy_of
from hostside import Drive, well
from managed import upgrades
from test_rollout import command, make_plan, patchctl, states, versions

from patchctl.lab.handle import Lab
from patchctl.models.rollout import OutcomeStatus, Stage

pytestmark = pytest.mark.lab

HOST, OTHER = "staging-1", "staging-2"
KEPT = "/var/lib/patchctl"
HELD = "holds /var/lib/dpkg/lock-frontend"


@pytest.fixture
def root(fresh_lab: WatchedLab, tmp_path: Path) -> Path:
    """A workspace; only these two hosts are made again after the test."""
    fresh_lab.touched.update((HOST, OTHER))
    return copy_of(fresh_lab, tmp_path / "workspace")


def wait_for_locks(root: Path, given: str) -> None:
    """Set how long the workspace's policy waits for locks."""
    file = root / "patchctl.yml"
    file.write_text(file.read_text().replace("\npolicy:\n", f"\npolicy:\n  lock_wait: {given}\n"))


@pytest.mark.proof
def test_each_stage_says_who_is_at_work_and_changes_nothing(fresh_lab: Lab, root: Path) -> None:
    drive = Drive(root, "patchlab-web", limit=HOST)
    old = versions(fresh_lab, "patchlab-web", [HOST])
    steps = {
        Stage.PREFLIGHT: f"test ! -e {KEPT}/claim && test ! -e {KEPT}/t-1",
        Stage.PREPARE: f"test ! -e {KEPT}/t-1/prepared",
        Stage.APPLY: f"test ! -e {KEPT}/t-1/apply",
        Stage.UNDO: f"test ! -e {KEPT}/t-1/undo/started",
    }
    for stage, untouched in steps.items():
        faults.hold_package_lock(fresh_lab, HOST)
        held = drive.once(stage, HOST)
        faults.free_package_lock(fresh_lab, HOST)
        assert held.status is OutcomeStatus.LOCKED, held
        assert held.reason.startswith("python3 (pid ") and held.reason.endswith(HELD)
        assert held.evidence["holds"] is (stage is not Stage.PREFLIGHT)
        fresh_lab.check(HOST, untouched)
        well(drive.until_done(stage, HOST))
    assert versions(fresh_lab, "patchlab-web", [HOST]) == old


def test_a_locked_host_is_deferred_and_resume_asks_it_again(fresh_lab: Lab, root: Path) -> None:
    wait_for_locks(root, "3s")
    plan = make_plan(root, "patchlab-web", limit=HOST)
    faults.hold_package_lock(fresh_lab, HOST)
    status = patchctl(root, "rollout", plan, "--yes", code=1)
    assert states(status) == {HOST: "deferred"}
    (line,) = status["hosts"]
    assert (line["stage"], line["holds"]) == ("preflight", False)
    assert HELD in line["reason"]
    counts = status["rings"][0]["hosts"]
    assert (counts["deferred"], counts["failed"]) == (1, 0)
    faults.free_package_lock(fresh_lab, HOST)
    status = patchctl(root, "rollout", "resume", status["run"])
    assert states(status) == {HOST: "succeeded"}


@pytest.fixture
def waiting(fresh_lab: Lab, root: Path) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """A rollout that waits for a lock on its only host, and its status."""
    wait_for_locks(root, "1h")
    plan = make_plan(root, "patchlab-web", limit=HOST)
    faults.hold_package_lock(fresh_lab, HOST)
    process = subprocess.Popen(
        command(root, "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    yield process, _status_of_wait(root, process)
    process.kill()
    process.wait()


def _status_of_wait(root: Path, process: "subprocess.Popen[str]") -> Any:
    while process.poll() is None:
        done = subprocess.run(
            command(root, "rollout", "status", "-o", "json"), capture_output=True, check=False
        )
        if HELD.encode() in done.stdout:
            return patchctl(root, "rollout", "status")
        time.sleep(0.2)
    raise AssertionError("the rollout ended and did not wait")


@pytest.mark.proof
def test_a_controller_killed_while_it_waits_is_resumed(
    fresh_lab: Lab, root: Path, waiting: tuple["subprocess.Popen[str]", Any]
) -> None:
    process, status = waiting
    assert states(status)[HOST] == "preflight"
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert f"{HOST}: waits: python3" in said
    faults.free_package_lock(fresh_lab, HOST)
    status = patchctl(root, "rollout", "resume", status["run"])
    assert states(status) == {HOST: "succeeded"}
    assert len(upgrades(fresh_lab, HOST, "patchlab-web")) == 1


def test_what_is_known_when_the_plan_is_made_leaves_the_host_out(
    fresh_lab: Lab, root: Path
) -> None:
    faults.hold_package_lock(fresh_lab, HOST)
    harm = "/^Package: patchlab-docs$/,/^$/s/ok installed/ok half-configured/"
    fresh_lab.check(OTHER, f"sed -i '{harm}' /var/lib/dpkg/status")
    made = patchctl(root, "plan", "create", "--limit", "staging", code=1)
    reasons = {row["host"]: row for row in made["left_out"] if not row.get("package")}
    assert reasons[HOST]["reason"] == "locked" and HELD in reasons[HOST]["detail"]
    assert reasons[OTHER]["reason"] == "not-fully-installed"
    assert "patchlab-docs (iF)" in reasons[OTHER]["detail"]
