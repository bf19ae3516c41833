"""The operator's probes on real hosts: a host whose probe fails is not changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostside import Drive, checks, failed, make_plan, well
from managed import over

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
REFUSED = "probe web: failed before the update, so the host was not changed: http: "
VERSION = "grep ^version= /usr/lib/patchlab/web"


@over("debian")
def test_a_host_that_is_not_well_is_refused_before_it_is_changed(
    fresh_lab: Lab, workspace: Path
) -> None:
    drive = Drive(workspace, "patchlab-web")
    before = fresh_lab.check(HOST, VERSION)
    fresh_lab.check(HOST, "systemctl stop patchlab-web.socket")
    well(drive.once(Stage.PREFLIGHT, HOST))
    assert failed(drive.once(Stage.PREPARE, HOST)).startswith(REFUSED)
    assert fresh_lab.check(HOST, VERSION) == before
    assert "state ended" in fresh_lab.check(HOST, "cat /var/lib/patchctl/claim")
    assert "not prepared" in failed(drive.once(Stage.APPLY, HOST))
    fresh_lab.check(HOST, "systemctl start patchlab-web.socket")
    drive.transaction = "t-2"
    prepared = drive.prepared(HOST)
    assert checks(prepared)["probe web"]["ok"]
    # Asked again it says the same, and goes on to the update.
    assert "probe web" not in checks(drive.prepared(HOST))
    well(drive.until_done(Stage.APPLY, HOST))
    well(drive.until_done(Stage.VERIFY, HOST))


@over("debian")
def test_a_rollout_leaves_such_a_host_alone_and_halts(fresh_lab: Lab, workspace: Path) -> None:
    plan = make_plan(workspace, "patchlab-web")
    fresh_lab.check(HOST, "systemctl stop patchlab-web.socket")
    before = fresh_lab.check(HOST, VERSION)
    done = subprocess.run(
        [
            sys.executable, "-m", "patchctl", "-C", str(workspace), "-q",
            "rollout", plan, "--yes", "-o", "json",
        ],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    status = json.loads(done.stdout.splitlines()[-1])
    (host,) = (host for host in status["hosts"] if host["name"] == HOST)
    assert (host["state"], host["stage"]) == ("failed", "prepare")
    assert host["reason"].startswith(REFUSED)
    assert fresh_lab.check(HOST, VERSION) == before
