"""What only a dnf host's transaction has: all its kinds of change at once there and back, a kernel
beside the others, and what rpm does not remember of one that was cut off."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostside import Drive, wait, well

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
WITH_REMOVALS = "policy:\n  allow_removals: true\n"


@pytest.fixture(scope="module")
def rpm_lab(rpm_lab: Lab) -> Lab:
    """Its plans may remove packages."""
    settings = rpm_lab.workspace / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:\n", WITH_REMOVALS))
    return rpm_lab


def state_of(lab: Lab) -> str:
    """Every package, who wanted it, which streams are enabled, and which kernels a boot finds."""
    return lab.check(
        HOST,
        "rpm -qa | sort; dnf -q repoquery --userinstalled --qf '%{name} %{evr}';"
        "cat /etc/dnf/modules.d/*; ls /boot /boot/loader/entries",
    )


def test_every_kind_of_change_comes_in_one_transaction_and_goes_back_in_one(
    rpm_lab: Lab,
) -> None:
    """A new dependency, one that replaces another, a modular package, a kernel and a service that
    does not answer afterwards."""
    before = state_of(rpm_lab)
    rpm_lab.publish("new-dep", "shared-dep", "module", "kernel", "bad-web")
    root = rpm_lab.workspace
    planned = patchctl(root, "plan", "create", "--all")
    assert planned.returncode == 0, planned.stderr
    ended = patchctl(root, "rollout", str(next((root / "plans").glob("*.lock"))), "--yes")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    commands = rpm_lab.check(HOST, "cat /var/lib/patchctl/*/apply/log")
    assert "Installing       : patchlab-kernel-1.0-2" in commands
    assert "replacing  patchlab-codec.noarch 1.0-1" in commands
    result = rpm_lab.check(HOST, "cat /var/lib/patchctl/*/undo/result")
    assert "file by file" not in result
    assert state_of(rpm_lab) == before
    assert patchctl(root, "rollout", "abort", "--reason", "seen").returncode == 0


def patchctl(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )


def until_installed(lab: Lab, package: str) -> None:
    """Until rpm has the package in its database: its script runs next."""
    for _ in range(300):
        if lab.exec(HOST, f"rpm -q {package}").rc == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"{package} never came")


def test_dnf_killed_between_new_and_old_versions_is_repaired_by_the_next_call(
    rpm_lab: Lab,
) -> None:
    rpm_lab.publish("slow")
    drive = Drive(rpm_lab.workspace, "patchlab-slow", limit=HOST)
    drive.prepared(HOST)
    executor = drive.executor()
    executor.start(drive.shard(Stage.APPLY, HOST))
    until_installed(rpm_lab, "patchlab-slow-1.0-2")
    rpm_lab.check(HOST, "systemctl kill --signal=KILL 'patchctl-t-1-apply-*'")
    wait(executor)
    assert slow(rpm_lab) == ["patchlab-slow-1.0-1.noarch", "patchlab-slow-1.0-2.noarch"]
    well(drive.until_done(Stage.APPLY, HOST))
    assert slow(rpm_lab) == ["patchlab-slow-1.0-2.noarch"]
    well(drive.until_done(Stage.UNDO, HOST))
    assert slow(rpm_lab) == ["patchlab-slow-1.0-1.noarch"]


def slow(lab: Lab) -> list[str]:
    return sorted(lab.check(HOST, "rpm -q patchlab-slow").split())
