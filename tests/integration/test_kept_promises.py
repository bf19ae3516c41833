"""Verify on real hosts after somebody else has changed what a run installed."""

from pathlib import Path
from typing import Any

import pytest
from conftest import copy_of
from test_rollout import patchctl

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

WEB, LIB = "CVE-2099-10001", "CVE-2099-10009"
POOL = "/srv/patchlab/apt/pool"
# In no service, so that no rollout can restart it; its shell would wait for it otherwise.
OLD_PROCESS = (
    "LD_PRELOAD=/usr/lib/patchlab/libpatchlab.so.1 setsid sleep 600 >/dev/null 2>&1 </dev/null &"
)


def hosts(answer: Any) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in answer["hosts"]}


def test_verify_compares_hosts_with_the_result_of_their_run(fresh_lab: Lab, tmp_path: Path) -> None:
    fresh_lab.publish("lib")
    workspace = copy_of(fresh_lab, tmp_path / "workspace")
    patchctl(workspace, "feeds", "import", str(workspace / "lab/feed"))
    fresh_lab.check("staging-1", OLD_PROCESS)
    asked = ("--cve", WEB, "--cve", LIB, "--limit", "staging")
    plan = patchctl(workspace, "plan", "create", *asked)
    assert (plan["hosts"], plan["transitions"], plan["cves"]) == (2, 4, [WEB, LIB])
    done = patchctl(workspace, "rollout", plan["path"], "--yes")
    assert done["state"] == "done"

    # Installed is not effective: a process still has the old library.
    verification = patchctl(workspace, "verify", code=1)
    rows = hosts(verification)
    assert {name: (row["state"], row["run"]) for name, row in rows.items()} == {
        "staging-1": ("not_effective", done["run"]),
        "staging-2": ("ok", done["run"]),
    }
    assert rows["staging-1"]["open_cves"] == [LIB]
    assert "sleep still runs the old patchlab-lib" in rows["staging-1"]["reason"]
    # Only two packages were updated; other fixes are still pending.
    assert verification["fixable_left"] > 2
    assert {row["name"] for row in verification["unpromised"]} == {
        *("canary-1", "production-1", "production-2", "production-3")
    }

    # Somebody else was there.
    fresh_lab.check("staging-1", "kill $(pgrep -xf 'sleep 600')")
    fresh_lab.check("staging-1", f"dpkg -i --force-downgrade {POOL}/bookworm/patchlab-web_1.0-1*")
    fresh_lab.check("staging-2", f"dpkg --unpack {POOL}/bookworm-security/patchlab-web_1.0-2*")
    fresh_lab.check("staging-2", "dpkg --purge --force-depends patchlab-lib")
    rows = hosts(patchctl(workspace, "verify", done["run"][-4:], code=1))
    assert {row["state"] for row in rows.values()} == {"broken"}
    assert rows["staging-1"]["open_cves"] == [WEB]
    assert [
        (name, package["package"], package["promised"], package["found"], package["problem"])
        for name, row in sorted(rows.items())
        for package in row["packages"]
    ] == [
        ("staging-1", "patchlab-web", "1.0-2", "1.0-1", "older"),
        ("staging-2", "patchlab-lib", "1.0-2", "", "missing"),
        ("staging-2", "patchlab-web", "1.0-2", "1.0-2", "half-installed"),
    ]
    fresh_lab.stop("staging-2")
    only = ("verify", "--limit", "staging-2")
    (row,) = patchctl(workspace, *only, code=1)["hosts"]
    assert (row["state"], row["packages"]) == ("unreachable", [])
    assert "connection refused" in row["reason"]
    # Nobody is asked, and the last look was at another host.
    (row,) = patchctl(workspace, "verify", "--limit", "staging-1", "--snapshot", "latest", code=1)[
        "hosts"
    ]
    assert row["state"] == "unknown"
