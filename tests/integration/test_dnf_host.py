"""Discovery of a host with dnf: reboot, updaters, repositories, holds, streams."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

HOST = "staging-1"
PROGRAM = Path(sys.executable).with_name("patchctl")

# A dead repository that may be missing; a timer that no package brought, which installs updates at
# night; what dnf.conf keeps as it is; an update that the site wants a reboot for.
SET_UP = r"""
set -e
cat >/etc/yum.repos.d/dead.repo <<'END'
[dead]
name=dead
baseurl=http://me:secret@127.0.0.1:9/x
enabled=1
skip_if_unavailable=1
END
sed -i 's/apply_updates = no/apply_updates = yes/' /etc/dnf/automatic.conf
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' \
  >/etc/systemd/system/dnf-automatic.timer
printf '[Service]\nExecStart=/bin/true\n' >/etc/systemd/system/dnf-automatic.service
systemctl daemon-reload
systemctl enable -q dnf-automatic.timer
printf 'exclude=patchlab-w*\n' >>/etc/dnf/dnf.conf
dnf -q -y --refresh upgrade patchlab-boot
"""


def run(workspace: Path, *arguments: str) -> str:
    done = subprocess.run(
        [PROGRAM, "-C", workspace, *arguments],
        capture_output=True, text=True, check=False, cwd=workspace, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def facts(rpm_lab: Lab) -> Any:
    """The facts of one host with dnf that has all these things."""
    rpm_lab.publish("reboot-wanted")
    rpm_lab.check(HOST, SET_UP)
    run(rpm_lab.workspace, "discover", "--refresh")
    answer = json.loads(run(rpm_lab.workspace, "discover", "show", HOST, "-o", "json"))
    return answer["facts"]


def test_a_package_that_the_site_lists_wants_a_reboot(facts: dict[str, Any]) -> None:
    assert facts["reboot_required"] is True
    assert facts["reboot_packages"] == ["patchlab-boot"]


def test_a_timer_that_installs_competes(facts: dict[str, Any]) -> None:
    (updater,) = facts["competing_updaters"]
    assert (updater["name"], updater["state"]) == ("dnf-automatic", "enabled")


def test_a_repository_that_dnf_goes_on_without_is_named(facts: dict[str, Any]) -> None:
    lists = {repository["repository"]: repository for repository in facts["lists"]}
    assert lists["patchlab"].get("fault", "") == ""
    assert lists["patchlab"]["fetched"] > 0
    assert "127.0.0.1:9" in lists["dead"]["fault"]
    assert lists["dead"]["optional"] is True
    assert "secret" not in json.dumps(facts)


def test_what_is_excluded_is_pending_and_held(facts: dict[str, Any]) -> None:
    web = next(package for package in facts["packages"] if package["name"] == "patchlab-web")
    assert web["held"] is True
    assert "patchlab-web" in [update["name"] for update in facts["pending"]]


def test_enabled_module_streams_are_told(facts: dict[str, Any]) -> None:
    assert facts["streams"] == ["patchlab:1"]
