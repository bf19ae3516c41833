"""Whole rollouts on real hosts, through the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import copy_of
from hostside import Drive, wait, well
from managed import broken, cut_off, is_rpm, names, over, upgrades, version

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOSTS = ("staging-1", "staging-2", "canary-1", "production-1", "production-2", "production-3")


def command(workspace: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "patchctl", "-C", str(workspace), *arguments]


def patchctl(workspace: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command that prints JSON, and check its exit code."""
    done = subprocess.run(
        command(workspace, *arguments, "-o", "json"),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=420,
        check=False,
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None


def make_plan(workspace: Path, *packages: str, limit: str = "all") -> str:
    """Make a plan of these packages and return its path.

    A whole rollout takes half a minute, so `limit` leaves out later rings where they prove nothing.
    """
    asked = [word for name in packages for word in ("--package", name)]
    made = patchctl(workspace, "plan", "create", "--limit", limit, *asked)
    return str(made["path"])


def versions(lab: Lab, package: str, hosts: Sequence[str] = ()) -> dict[str, str]:
    """Return the version of a package on these hosts, or on all hosts."""
    return {host: version(lab, host, package) for host in hosts or names(lab)}


def states(status: Any) -> dict[str, str]:
    return {host["name"]: host["state"] for host in status["hosts"]}


@over("mixed", further=("debian", "rpm"))
def test_a_good_update_reaches_every_ring_and_can_be_undone(
    fresh_lab: Lab, workspace: Path
) -> None:
    before = versions(fresh_lab, "patchlab-web")
    plan = make_plan(workspace, "patchlab-web")
    done = patchctl(workspace, "rollout", plan, "--yes")
    assert done["state"] == "done"
    assert set(states(done).values()) == {"succeeded"}
    after = versions(fresh_lab, "patchlab-web")
    assert set(before.values()) == {"1.0-1"}
    assert set(after.values()) == {"1.0-2"}

    undone = patchctl(workspace, "rollback", done["run"], "--yes")
    assert undone["state"] == "rolled_back"
    assert versions(fresh_lab, "patchlab-web") == before

    audit = patchctl(workspace, "audit", "verify")
    assert audit["ok"] and audit["records"] > 50
    assert [run["id"] for run in patchctl(workspace, "rollout", "list")["runs"]] == [done["run"]]


@over("debian")
def test_a_service_that_stops_answering_is_stopped_in_staging_and_undone_there(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("bad-web")
    before = versions(fresh_lab, "patchlab-web")
    plan = make_plan(workspace, "patchlab-web")
    status = patchctl(workspace, "rollout", plan, "--yes", code=3)
    assert status["state"] == "halted"
    assert states(status) == {
        "staging-1": "rolled_back",
        "staging-2": "rolled_back",
        **dict.fromkeys(HOSTS[2:], "pending"),
    }
    assert versions(fresh_lab, "patchlab-web") == before
    for host in HOSTS[2:]:
        assert upgrades(fresh_lab, host, "patchlab-web") == []
    for host in HOSTS[:2]:
        assert "patchlab-web" in fresh_lab.check(
            host,
            "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(q(127.0.0.1:8080));"
            'print $s "GET / HTTP/1.0\\r\\n\\r\\n"; print <$s>\'',
        )
    refused = subprocess.run(
        command(workspace, "rollout", "resume"), capture_output=True, text=True, check=False
    )
    assert refused.returncode == 3
    assert "--accept-failures" in refused.stderr


@over("debian")
def test_a_post_install_script_that_fails_is_undone(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("bad-postinst")
    before = versions(fresh_lab, "patchlab-hook")
    plan = make_plan(workspace, "patchlab-hook")
    status = patchctl(workspace, "rollout", plan, "--yes", code=3)
    assert states(status)["staging-1"] == "rolled_back"
    assert versions(fresh_lab, "patchlab-hook") == before
    assert broken(fresh_lab, "staging-1") == ""


def wait_for_apply(workspace: Path, process: "subprocess.Popen[Any]") -> str:
    """Wait until a host is in its apply stage; return the run's id."""
    for _ in range(600):
        assert process.poll() is None, "the rollout ended before it applied anything"
        done = subprocess.run(
            command(workspace, "rollout", "status", "-o", "json"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            status = json.loads(done.stdout)
            if "apply" in states(status).values():
                return str(status["run"])
        time.sleep(0.1)
    raise AssertionError("no host came to apply")


@over("mixed", further=("debian", "rpm"))
def test_a_controller_killed_in_apply_is_resumed_and_every_package_changes_once(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("slow")
    before = versions(fresh_lab, "patchlab-web")
    # Two rings: the one in which the controller is killed and one after it.
    hosts = HOSTS[:3]
    plan = make_plan(workspace, "patchlab-web", "patchlab-slow", limit="staging,canary")
    process = subprocess.Popen(
        command(workspace, "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    run = wait_for_apply(workspace, process)
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = patchctl(workspace, "rollout", "status", run)
    assert left["state"] == "running" and left["controller"] == ""

    status = patchctl(workspace, "rollout", "resume", run)
    assert status["state"] == "done"
    assert states(status) == dict.fromkeys(hosts, "succeeded")
    for host in hosts:
        assert len(upgrades(fresh_lab, host, "patchlab-web")) == 1, host
        assert len(upgrades(fresh_lab, host, "patchlab-slow")) == 1, host
    assert versions(fresh_lab, "patchlab-web") != before
    assert patchctl(workspace, "audit", "verify")["ok"]
    assert not controllers_of(run)


@over("mixed", further=("debian", "rpm"))
def test_a_package_manager_killed_in_the_middle_is_repaired_and_can_be_undone(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    """Neither finishes by itself: dpkg has not configured the package, rpm has both versions."""
    fresh_lab.publish("slow")
    hosts = one_of_each_kind(fresh_lab)
    drive = Drive(copy_of(fresh_lab, tmp_path / "workspace"), SLOW, limit=",".join(hosts))
    for host in hosts:
        fresh_lab.check(host, "mkdir -p /etc/patchlab && echo 300 >/etc/patchlab/slow")
        drive.prepared(host)
        executor = drive.executor()
        executor.start(drive.shard(Stage.APPLY, host))
        until_cut_off(fresh_lab, host)
        fresh_lab.check(
            host,
            "echo 0 >/etc/patchlab/slow; systemctl kill --signal=KILL 'patchctl-t-1-apply-*'",
        )
        wait(executor)
    assert all(cut_off(fresh_lab, host, SLOW) for host in hosts)
    for host in hosts:
        repaired = well(drive.until_done(Stage.APPLY, host))
        assert "interrupted" in repaired.evidence["repaired"]
        assert version(fresh_lab, host, SLOW) == "1.0-2"
        assert broken(fresh_lab, host) == ""
        well(drive.until_done(Stage.UNDO, host))
        assert version(fresh_lab, host, SLOW) == "1.0-1"
        assert broken(fresh_lab, host) == ""


SLOW = "patchlab-slow"


def one_of_each_kind(lab: Lab) -> tuple[str, ...]:
    """Return the first host of each package manager."""
    return tuple({is_rpm(lab, host): host for host in reversed(names(lab))}.values())


def until_cut_off(lab: Lab, host: str) -> None:
    """Wait until the host is in the middle of the update of patchlab-slow."""
    for _ in range(600):
        if cut_off(lab, host, SLOW):
            return
        time.sleep(0.1)
    raise AssertionError(f"the update of {SLOW} on {host} never began")


def controllers_of(run: str) -> list[str]:
    """Return the processes on this machine that still work for the run."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if run in line and str(os.getpid()) not in path.parts:
            lines.append(line)
    return lines


@over("debian")
def test_ctrl_c_leaves_a_run_that_goes_on(fresh_lab: Lab, workspace: Path) -> None:
    plan = make_plan(workspace, "patchlab-web", limit="staging")
    process = subprocess.Popen(
        command(workspace, "rollout", plan, "--yes"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    run = wait_for_apply(workspace, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"patchctl rollout resume {run}" in err.decode()
    assert patchctl(workspace, "rollout", "resume", run)["state"] == "done"


def test_two_runs_cannot_hold_one_host(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("bad-web")
    plan = make_plan(workspace, "patchlab-web")
    halted = patchctl(workspace, "rollout", plan, "--yes", code=3)
    second = subprocess.run(
        command(workspace, "rollout", plan, "--yes"), capture_output=True, text=True, check=False
    )
    assert second.returncode == 2
    assert halted["run"] in second.stderr


def test_an_edited_plan_is_refused(fresh_lab: Lab, workspace: Path) -> None:
    path = Path(make_plan(workspace, "patchlab-web"))
    path.write_text(path.read_text().replace("patchlab-web", "patchlab-wob", 1))
    done = subprocess.run(
        command(workspace, "rollout", str(path), "--yes"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert len(done.stderr.strip().splitlines()) == 1
