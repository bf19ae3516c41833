"""Fifty hosts asked together by one worker, and somebody is killed: a lab of its own."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import copy_of
from managed import upgrades
from test_asked_together import PACKAGE, family_of, playbooks_of
from test_rollout import command, make_plan, patchctl, states

from patchctl.lab import fleet
from patchctl.lab.handle import Lab, each

pytestmark = [pytest.mark.lab, pytest.mark.proof]

# Less where the machine cannot hold them.
COUNT = int(os.environ.get("PATCHCTL_PROOF_HOSTS", "50"))
SLEEP_S = 40


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    name = f"patchctl-many-{os.getpid()}"
    root = tmp_path_factory.mktemp("many") / "workspace"
    try:
        yield fleet.up(name, COUNT, "debian", root, print, os.environ)
    finally:
        fleet.down(name, print, os.environ)


@pytest.mark.parametrize("who", ["controller", "ansible-playbook", "worker"])
def test_a_kill_loses_and_doubles_nothing_on_any_of_them(
    many: Lab, tmp_path: Path, who: str
) -> None:
    hosts = [host.name for host in many.hosts()]
    many.publish("slow")
    each(hosts, lambda host: many.check(host, f"echo {SLEEP_S} >/etc/patchlab/slow"))
    workspace = copy_of(many, tmp_path / "workspace")
    settings = workspace / "patchctl.yml"
    settings.write_text(
        settings.read_text().replace('max_concurrent: "50%"', 'max_concurrent: "100%"')
    )
    production = [host for host in hosts if host.startswith("production")]
    plan = make_plan(workspace, PACKAGE)
    process = subprocess.Popen(
        command(workspace, "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run = _until_all_work(workspace, process, production)
        _kill(process, who)
        if who == "controller":
            status = patchctl(workspace, "rollout", "resume", run)
        else:
            assert process.wait(timeout=900) == 0
            status = patchctl(workspace, "rollout", "status", run)
    finally:
        process.kill()
        process.wait()
    assert states(status) == dict.fromkeys(hosts, "succeeded")
    changes = Counter(len(upgrades(many, host, PACKAGE)) for host in hosts)
    assert changes == {1: COUNT}
    assert patchctl(workspace, "audit", "verify")["ok"]
    many.reset_repository()
    many.reset()


def _until_all_work(workspace: Path, process: "subprocess.Popen[Any]", hosts: list[str]) -> str:
    """Until every one of these hosts is in its apply stage; the answer is the run's id."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        assert process.poll() is None, "the rollout ended before all were at work"
        done = subprocess.run(
            command(workspace, "rollout", "status", "-o", "json"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            status = patchctl(workspace, "rollout", "status")
            found = states(status)
            if {found[host] for host in hosts} == {"apply"}:
                return str(status["run"])
        time.sleep(1)
    raise AssertionError("not all hosts came to apply")


def _kill(process: "subprocess.Popen[Any]", who: str) -> None:
    playbooks = playbooks_of(process.pid)
    workers = [pid for playbook in playbooks for pid in family_of(playbook)]
    assert workers
    killed = {"controller": [process.pid], "ansible-playbook": playbooks, "worker": workers}[who]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if who == "controller":
        process.wait()
