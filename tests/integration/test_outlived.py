"""A fix is installed while a service still runs the old library, on a real host."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

HOST, CVE = "canary-1", "CVE-2099-10009"
RECORD = {
    "schema_version": "1.7.0",
    "id": "LAB-2099-1",
    "modified": "2026-01-01T00:00:00Z",
    "related": [CVE],
    "affected": [
        {
            "package": {"ecosystem": "Debian:12", "name": "patchlab-libs"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-2"}]}],
        }
    ],
}
UPGRADE = "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get -y -qq install patchlab-lib"


def answer(workspace: Path, *arguments: str) -> dict[str, Any]:
    program = Path(sys.executable).with_name("patchctl")
    done = subprocess.run(
        [program, "-q", "-C", workspace, *arguments, "-o", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return parsed


def library(workspace: Path) -> list[dict[str, Any]]:
    """Discover the host again and return the assessment of the library."""
    answer(workspace, "discover", "--limit", HOST)
    assessment = answer(workspace, "assess", "--limit", HOST)
    packages = [package for finding in assessment["findings"] for package in finding["packages"]]
    return [
        {"state": "fixable", **package}
        for package in packages
        if "patchlab-lib" in package["binaries"]
    ]


def test_old_code_is_found_until_its_service_is_restarted(fresh_lab: Lab, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    ignored = shutil.ignore_patterns(".patchctl", "plans")
    shutil.copytree(fresh_lab.workspace, root, ignore=ignored)
    (tmp_path / "LAB-2099-1.json").write_text(json.dumps(RECORD))
    answer(root, "feeds", "import", str(tmp_path / "LAB-2099-1.json"))
    fresh_lab.publish("lib")
    fresh_lab.check(HOST, "apt-get update -qq")
    # A discovery before the service begins again, and then a log that has forgotten the update.
    assert [(package["state"], package["installed"]) for package in library(root)] == [
        ("fixable", "1.0-1")
    ]
    fresh_lab.check(HOST, "sleep 1; systemctl restart patchlab-daemon.service")
    fresh_lab.check(HOST, UPGRADE)

    (old,) = library(root)
    assert (old["state"], old["installed"], old["remedy"]) == ("not_effective", "1.0-2", "restart")
    assert old["note"] == (
        "1.0-2 is installed but patchlab-daemon.service still runs 1.0-1: restart it"
    )
    actions = {
        (action["kind"], action["package"]): action["hosts"]
        for action in answer(root, "assess", "--limit", HOST)["actions"]
    }
    assert actions["restart", "patchlab-libs"] == [HOST]

    fresh_lab.check(HOST, ": >/var/log/dpkg.log")
    assert [package["note"] for package in library(root)] == [old["note"]]

    fresh_lab.check(HOST, "systemctl restart patchlab-daemon.service")
    assert library(root) == []
