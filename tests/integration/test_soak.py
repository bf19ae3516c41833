"""A soak that an operator ends early, and a ring in which nothing is left to patch, on hosts."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from managed import over
from test_rollout import command, make_plan, patchctl, states

from patchctl.lab.handle import Lab

RINGS = """\
rings:
  - {name: staging, soak: 1h}
  - {name: canary, soak: 0s}
  - {name: production, promote: manual}
"""

pytestmark = pytest.mark.lab


@over("debian")
def test_a_promoted_run_goes_on_and_held_back_hosts_ask_nobody(
    fresh_lab: Lab, workspace: Path
) -> None:
    rest = (workspace / "patchctl.yml").read_text().partition("\npolicy:")[2]
    (workspace / "patchctl.yml").write_text(f"{RINGS}\npolicy:{rest}")
    plan = make_plan(workspace, "patchlab-web", limit="staging-1,production-1")
    carried = subprocess.Popen(
        command(workspace, "-q", "rollout", plan, "--yes"),
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_for(workspace, "soaking")
        status = patchctl(workspace, "rollout", "status")
        run, soaks_until = status["run"], status["soak_until"]
        assert [each["kind"] for each in status["blockers"]] == ["soak", "approval"]
        assert status["blockers"][0]["until_at"] == soaks_until
        promote = ("rollout", "promote", "--yes", "--reason", "exploited")
        assert patchctl(workspace, *promote)["controller"]
        wait_for(workspace, "waiting")
        refused = subprocess.run(
            command(workspace, *promote), capture_output=True, text=True, check=False
        )
        assert refused.returncode == 2
        assert refused.stderr == f"patchctl: nothing soaks in run {run}: it is waiting\n"
        patchctl(workspace, "rollout", "approve")
        assert carried.wait(240) == 0
    finally:
        carried.kill()
    status = patchctl(workspace, "rollout", "status")
    assert (status["state"], status["result"], status["soak_until"]) == ("done", "succeeded", None)
    assert status["created"] <= status["started"] < status["ended"] < soaks_until

    again = subprocess.run(
        command(workspace, "rollout", plan, "--yes"), capture_output=True, text=True, check=False
    )
    assert (again.returncode, run in again.stderr) == (2, True)

    fresh_lab.publish("fixed-web")
    plan = make_plan(workspace, "patchlab-web", limit="production-1")
    skipped = patchctl(workspace, "rollout", plan, "--yes", code=1)
    assert (skipped["state"], skipped["result"]) == ("done", "skipped")
    assert states(skipped) == {"production-1": "skipped"}
    rows = patchctl(workspace, "rollout", "list")["runs"]
    assert [(row["result"], row["succeeded"], row["skipped"]) for row in rows] == [
        ("skipped", 0, 1),
        ("succeeded", 2, 0),
    ]


def wait_for(workspace: Path, state: str) -> None:
    """Wait until the newest run is in this state."""
    last, deadline = None, time.monotonic() + 240
    while time.monotonic() < deadline:
        done = subprocess.run(
            command(workspace, "-q", "rollout", "status", "-o", "json"),
            capture_output=True,
            text=True,
            check=False,
        )
        last = json.loads(done.stdout)["state"] if done.returncode == 0 else None
        if last == state:
            return
        time.sleep(0.5)
    raise AssertionError(f"the run is {last}, not {state}")
