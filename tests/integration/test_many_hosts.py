"""One worker asks fifty hosts at work, and a process is killed. Needs a lab of its own."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import copy_of
from managed import upgrades
from test_asked_together import PACKAGE, family_of, playbooks_of
from test_rollout import command, make_plan, patchctl, states

from patchctl.lab import fleet
from patchctl.lab.handle import Lab, each

pytestmark = [pytest.mark.lab, pytest.mark.proof, pytest.mark.timeout(1800)]

# So many have an open question when the kill comes; less where the machine cannot hold them.
COUNT = int(os.environ.get("PATCHCTL_PROOF_HOSTS", "50"))
# One ring and wave has all but two. A few more than are needed: at any moment some of the questions
# have just ended and are asked again.
WAVE = COUNT + 4
# Longer than it takes them to begin: the first is still at work when the last one is. A number that
# no other sleep on the machine has tells how many are.
SLEEP_S = 151


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    name = f"patchctl-many-{os.getpid()}"
    root = tmp_path_factory.mktemp("many") / "workspace"
    try:
        lab = fleet.up(name, WAVE + 2, "debian", root, print, os.environ)
        _into_one_ring(root / "inventory/hosts.yml")
        yield lab
    finally:
        fleet.down(name, print, os.environ)


@pytest.mark.parametrize("who", ["controller", "ansible-playbook", "worker"])
def test_a_kill_loses_and_doubles_nothing_on_any_of_them(
    many: Lab, tmp_path: Path, who: str
) -> None:
    hosts = [host.name for host in many.hosts()]
    many.publish("slow")
    each(hosts, lambda host: many.check(host, f"echo {_sleep_s(host)} >/etc/patchlab/slow"))
    workspace = copy_of(many, tmp_path / "workspace")
    settings = workspace / "patchctl.yml"
    settings.write_text(
        settings.read_text().replace('max_concurrent: "50%"', 'max_concurrent: "100%"')
    )
    plan = make_plan(workspace, PACKAGE)
    process = subprocess.Popen(
        command(workspace, "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run = _until_all_are_asked(workspace, process)
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
    assert changes == {1: WAVE + 2}
    assert patchctl(workspace, "audit", "verify")["ok"]
    many.reset_repository()
    many.reset()


def _into_one_ring(inventory: Path) -> None:
    """Leave one host each in staging and canary, and move all others to production."""
    hosts = yaml.safe_load(inventory.read_text())
    rings = hosts["all"]["children"]
    for ring in ("staging", "canary"):
        for name in list(rings[ring]["hosts"])[1:]:
            rings["production"]["hosts"][name] = rings[ring]["hosts"].pop(name)
    inventory.write_text(yaml.safe_dump(hosts))


def _sleep_s(host: str) -> int:
    return 1 if host in ("staging-1", "canary-1") else SLEEP_S


def _until_all_are_asked(workspace: Path, process: "subprocess.Popen[Any]") -> str:
    """Wait until each host of the wave is at work and enough requests are open; return the run's
    id."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        assert process.poll() is None, "the rollout ended before all were at work"
        if _at_work() == WAVE and len(_questions(process)) >= COUNT:
            status = patchctl(workspace, "rollout", "status")
            assert Counter(states(status).values()) == {"succeeded": 2, "apply": WAVE}
            if _at_work() == WAVE and len(_questions(process)) >= COUNT:
                return str(status["run"])
        time.sleep(0.5)
    raise AssertionError(f"{_at_work()} at work, {len(_questions(process))} asked")


def _at_work() -> int:
    """Return the hosts whose package's script sleeps: processes of containers are visible here."""
    return sum(_command(path) == f"sleep {SLEEP_S}" for path in Path("/proc").glob("[0-9]*"))


def _questions(process: "subprocess.Popen[Any]") -> list[int]:
    """Return the ssh processes of the workers: one for each open request to a host."""
    workers = [pid for playbook in playbooks_of(process.pid) for pid in family_of(playbook)]
    asked = [pid for worker in workers for pid in family_of(worker)]
    return [pid for pid in asked if _command(Path(f"/proc/{pid}")).startswith("ssh ")]


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace").strip()
    except OSError:
        return ""  # it ended


def _kill(process: "subprocess.Popen[Any]", who: str) -> None:
    playbooks = playbooks_of(process.pid)
    workers = [pid for playbook in playbooks for pid in family_of(playbook)]
    assert workers
    killed = {"controller": [process.pid], "ansible-playbook": playbooks, "worker": workers}[who]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if who == "controller":
        process.wait()
