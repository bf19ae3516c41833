"""One worker asks many hosts. A fault of one host or of the worker does not disturb the other
hosts, and no work is lost or done twice."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import faults
import pytest
from hostside import Drive
from managed import upgrades
from test_rollout import HOSTS, command, make_plan, patchctl, states, wait_for_apply

from patchctl.executors.ansible import AnsibleExecutor
from patchctl.lab.handle import Lab
from patchctl.models.rollout import HostOutcome, OutcomeStatus, ShardEnded, Stage

pytestmark = pytest.mark.lab

PAUSED, DYING, FLOODING, CUT, LYING, GOOD = HOSTS
PACKAGE = "patchlab-slow"
# In the place of the gzip through which every answer goes.
ANSWERS = {
    CUT: "/usr/bin/gzip \"$@\" | head -c 60; pkill -9 -f '^sshd: ops'",
    LYING: "echo this is no gzip",
}
FLOOD = "head -c 100000000 /dev/zero"


def outcomes(
    executor: AnsibleExecutor, until: Sequence[str], within_s: float = 120
) -> dict[str, HostOutcome]:
    """Return the outcomes until these hosts have answered."""
    known: dict[str, HostOutcome] = {}
    deadline = time.monotonic() + within_s
    while set(until) - set(known):
        assert time.monotonic() < deadline, f"no answer: {set(until) - set(known)}"
        for came in executor.poll(0.2):
            if isinstance(came, HostOutcome):
                known[came.host] = came
    return known


def work_through(executor: AnsibleExecutor, drive: Drive, stage: Stage) -> None:
    """Run a stage on all hosts, which must succeed."""
    waiting: Sequence[str] = HOSTS
    while waiting:
        executor.start(drive.shard(stage, *waiting))
        answered = outcomes(executor, waiting)
        waiting = [host for host in waiting if answered[host].status is OutcomeStatus.RUNNING]
        well = {OutcomeStatus.OK, OutcomeStatus.RUNNING}
        assert {it.status for it in answered.values()} <= well, answered


def test_a_bad_host_among_others_delays_and_changes_nothing_for_them(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("slow")
    for host in HOSTS:
        fresh_lab.check(host, "echo 4 >/etc/patchlab/slow")
    drive = Drive(workspace, PACKAGE)
    executor = drive.executor()
    work_through(executor, drive, Stage.PREFLIGHT)
    work_through(executor, drive, Stage.PREPARE)
    for host, answer in ANSWERS.items():
        script = f"#!/bin/sh\n{answer}\n".encode()
        fresh_lab.check(
            host, "cat >/usr/local/bin/gzip; chmod 755 /usr/local/bin/gzip", stdin=script
        )
    fresh_lab.check(FLOODING, f"echo '{FLOOD}' >~ops/.bashrc; chown ops: ~ops/.bashrc")

    executor.start(drive.shard(Stage.APPLY, *HOSTS))
    started = (
        f"until [ -s /var/lib/patchctl/{drive.transaction}/apply/started ]; do sleep 0.1; done"
    )
    for host in (PAUSED, DYING):
        fresh_lab.check(host, started)
    faults.pause(fresh_lab, PAUSED)
    try:
        faults.stop_sshd(fresh_lab, DYING)
        known = outcomes(executor, [DYING, FLOODING, CUT, LYING, GOOD])
    finally:
        faults.unpause(fresh_lab, PAUSED)
    assert known[GOOD].status is OutcomeStatus.OK
    assert known[DYING].status is OutcomeStatus.UNREACHABLE
    assert (known[FLOODING].status, known[FLOODING].reason) == (
        OutcomeStatus.LOST,
        "the host sent more than 64 MiB",
    )
    assert known[CUT].status in (OutcomeStatus.LOST, OutcomeStatus.UNREACHABLE)
    assert known[LYING].status is OutcomeStatus.LOST
    assert PAUSED not in known
    assert outcomes(executor, [PAUSED])[PAUSED].status is OutcomeStatus.OK
    while not any(isinstance(came, ShardEnded) for came in executor.poll(1.0)):
        pass

    faults.start_sshd(fresh_lab, DYING)
    for host in ANSWERS:
        fresh_lab.check(host, "rm /usr/local/bin/gzip")
    fresh_lab.check(FLOODING, "rm ~ops/.bashrc")
    # Whoever asks again gets what was recorded, and the hosts' own records have it once.
    work_through(executor, drive, Stage.APPLY)
    for host in HOSTS:
        assert len(upgrades(fresh_lab, host, PACKAGE)) == 1, host


def family_of(pid: int) -> list[int]:
    return [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]


def playbooks_of(controller: int) -> list[int]:
    """Return the pids of ansible-playbook that the controller has started."""
    return [
        pid
        for pid in family_of(controller)
        if b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.mark.proof
@pytest.mark.parametrize("who", ["controller", "ansible-playbook", "worker"])
def test_any_killed_process_loses_no_host_and_repeats_no_work(
    fresh_lab: Lab, workspace: Path, who: str
) -> None:
    fresh_lab.publish("slow")
    rings = ("staging", "canary")
    hosts = [host for host in HOSTS if host.startswith(rings)]
    plan = make_plan(workspace, "patchlab-web", PACKAGE, limit=",".join(rings))
    process = subprocess.Popen(
        command(workspace, "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    run = wait_for_apply(workspace, process)
    if who == "controller":
        process.send_signal(signal.SIGKILL)
        process.wait()
        status = patchctl(workspace, "rollout", "resume", run)
    else:
        playbooks = playbooks_of(process.pid)
        workers = [pid for playbook in playbooks for pid in family_of(playbook)]
        killed = playbooks if who == "ansible-playbook" else workers
        assert killed
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=300) == 0
        status = patchctl(workspace, "rollout", "status", run)
    assert status["state"] == "done"
    assert states(status) == dict.fromkeys(hosts, "succeeded")
    for host in hosts:
        for package in ("patchlab-web", PACKAGE):
            assert len(upgrades(fresh_lab, host, package)) == 1, host
    assert patchctl(workspace, "audit", "verify")["ok"]
