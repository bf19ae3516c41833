"""Transactions that only a dnf host has: all kinds of change in one transaction and their undo, and
a kernel that is installed beside the others."""

import subprocess
import sys
from pathlib import Path

import pytest
from hostside import Drive, failed

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
WITH_REMOVALS = "policy:\n  allow_removals: true\n"


@pytest.fixture(scope="module")
def rpm_lab(rpm_lab: Lab) -> Lab:
    """The host with dnf, whose plans may remove packages."""
    settings = rpm_lab.workspace / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:\n", WITH_REMOVALS))
    return rpm_lab


def state_of(lab: Lab) -> str:
    """Return all packages, which of them a user asked for, the enabled streams, and the kernels
    that could boot."""
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


# It asks for nothing while dnf only tests the transaction.
PLUGIN = """
import dnf, os
class More(dnf.Plugin):
    name = "more"
    def transaction(self):
        os.system("rpm -e --nodeps patchlab-legacy")
"""


@pytest.mark.managers
def test_what_changes_beyond_the_plan_is_named_and_no_success(rpm_lab: Lab) -> None:
    """A simulation cannot show what a plugin does after it."""
    rpm_lab.publish("main")
    drive = Drive(rpm_lab.workspace, "patchlab-web", limit=HOST)
    drive.prepared(HOST)
    folder = rpm_lab.check(HOST, "dirname $(find /usr/lib -path '*dnf-plugins/versionlock.py')")
    plugin = f"{folder.strip()}/more.py"
    rpm_lab.check(HOST, f"cat >{plugin} <<'END'\n{PLUGIN}END")
    try:
        reason = failed(drive.until_done(Stage.APPLY, HOST))
        assert "more changed than the plan says: patchlab-legacy 1.0-1 went" in reason
        rpm_lab.check(HOST, f"rm {plugin}")
        reason = failed(drive.until_done(Stage.UNDO, HOST))
        assert "the planned packages are back, but not what else changed" in reason
        assert "patchlab-web-1.0-1" in rpm_lab.check(HOST, "rpm -q patchlab-web")
    finally:
        rpm_lab.check(
            HOST, f"rm -f {plugin}; rpm -q patchlab-legacy || dnf -y install patchlab-legacy"
        )
