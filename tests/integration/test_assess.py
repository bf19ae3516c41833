"""Vulnerability data from hosts: dnf's advisories, and changelogs of Debian packages."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab import fleet
from patchctl.lab.handle import Lab
from patchctl.plan import lockfile

pytestmark = pytest.mark.lab

FEED = "updateinfo-rocky-linux-9-x86-64-patchlab"
CVE = "CVE-2099-10001"
KERNEL_CVE = "CVE-2099-10012"
OSV_CVE = "CVE-2099-20001"
OSV = {
    "id": "RLSA-2099:1",
    "modified": "2026-06-01T00:00:00Z",
    "published": "2026-06-01T00:00:00Z",
    "upstream": [OSV_CVE],
    "affected": [
        {
            "package": {"ecosystem": "Rocky Linux:9", "name": "patchlab-web"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0:1.0-2"}]}
            ],
        }
    ],
}


def run(workspace: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("patchctl")
    done = subprocess.run(
        [program, "-C", workspace, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def answer(workspace: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(run(workspace, *arguments, "-o", "json", code=code).stdout)
    return parsed


def states(workspace: Path) -> dict[tuple[str, str], set[str]]:
    """Return (CVE, package) -> states on all hosts."""
    known: dict[tuple[str, str], set[str]] = {}
    for finding in answer(workspace, "assess", "--findings")["findings"]:
        known.setdefault((finding["cve"], finding["package"]), set()).add(finding["state"])
    return known


@pytest.fixture(scope="module")
def rpm_lab(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts that report Rocky Linux, because advisories must be of a known system."""
    name = f"{lab.name}-feeds"
    root = tmp_path_factory.mktemp("feeds") / "workspace"
    try:
        made = fleet.up(name, 2, "rpm", root, print, os.environ)
        for host in ("staging-1", "production-1"):
            made.check(host, "sed -i 's/^ID=.*/ID=rocky/' /etc/os-release")
        run(root, "discover")
        yield made
    finally:
        fleet.down(name, print, os.environ)


class TestDnf:
    def test_advisories_of_its_repositories_tell_what_is_fixable(self, rpm_lab: Lab) -> None:
        (feed,) = answer(rpm_lab.workspace, "feeds", "update", "--from-hosts")["feeds"]
        assert (feed["name"], feed["outcome"], feed["bad"]) == (FEED, "updated", 0)
        assert feed["ecosystems"] == {"Rocky Linux:9": 2}
        assert states(rpm_lab.workspace) == {(CVE, "patchlab-web"): {"fixable"}}

    def test_where_a_host_fails_another_one_is_asked(self, rpm_lab: Lab) -> None:
        first = "production-1"
        rpm_lab.check(first, "mv /usr/bin/dnf /usr/bin/dnf.away")
        try:
            done = run(rpm_lab.workspace, "feeds", "update", "--from-hosts")
            assert f"asking {first} for" in done.stderr
            assert f"{FEED}: from staging-1: repository patchlab" in done.stderr
            (held,) = answer(rpm_lab.workspace, "feeds", "status")["feeds"]
            alone = ("feeds", "update", "--from-hosts", "--limit", first)
            (failed,) = answer(rpm_lab.workspace, *alone, code=2)["feeds"]
            assert failed["reason"] == f"{first}: there is no dnf"
        finally:
            rpm_lab.check(first, "mv /usr/bin/dnf.away /usr/bin/dnf")
        (now,) = answer(rpm_lab.workspace, "feeds", "status")["feeds"]
        assert now["digest"] == held["digest"]

    def test_a_repository_that_dnf_goes_on_without_is_told(self, rpm_lab: Lab) -> None:
        only = ("feeds", "update", "--from-hosts", "--limit", "staging-1")
        repo = "/etc/yum.repos.d/patchlab.repo"
        rpm_lab.check("staging-1", f"sed -i.away s,/srv/patchlab,/srv/gone, {repo}")
        try:
            rpm_lab.check("staging-1", f"echo skip_if_unavailable=1 >>{repo}")
            (failed,) = answer(rpm_lab.workspace, *only, code=2)["feeds"]
            assert failed["name"] == FEED
            assert failed["reason"].endswith("patchlab: dnf could not bring it up to date")
        finally:
            rpm_lab.check("staging-1", f"mv {repo}.away {repo}")

    def test_findings_select_and_a_plan_names_what_it_removes(
        self, rpm_lab: Lab, tmp_path: Path
    ) -> None:
        """By two feeds: the advisories of the hosts' repositories, and a file of OSV's."""
        root = rpm_lab.workspace
        imported = tmp_path / "RLSA-2099-1.json"
        imported.write_text(json.dumps(OSV))
        rpm_lab.publish("kernel")
        try:
            run(root, "feeds", "update", "--from-hosts")
            run(root, "feeds", "import", str(imported))
            everything = answer(root, "plan", "create", "--all")
        finally:
            rpm_lab.withdraw("kernel")
        assert removes(everything) == {
            "patchlab-docs": (),
            # It comes beside the old one, which has no place in the plan.
            "patchlab-kernel": (KERNEL_CVE,),
            "patchlab-web": (CVE, OSV_CVE),
        }

        def select(*findings: str) -> dict[str, Any]:
            return answer(root, "plan", "create", "--snapshot", "latest", *findings)

        assert removes(select("--cve", KERNEL_CVE)) == {"patchlab-kernel": (KERNEL_CVE,)}
        assert removes(select("--cve", OSV_CVE, "--decision", "scheduled")) == {
            "patchlab-web": (CVE, OSV_CVE)
        }
        # That of OSV is due two months after its date, the lab's own were due in 2025.
        assert removes(select("--due-before", "2025-03-01")).keys() == {
            "patchlab-kernel",
            "patchlab-web",
        }
        nothing = select("--cve", OSV_CVE, "--due-before", "2025-03-01")
        assert nothing["path"] is None
        assert {row["reason"] for row in nothing["left_out"]} == {"no-such-finding", "not-selected"}


def removes(made: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return package -> the CVEs that the plan's only cohort removes with it."""
    path = Path(made["path"])
    (cohort,) = lockfile.decode(path.read_bytes(), str(path)).body.cohorts
    return {transition.package: transition.cves for transition in cohort.transitions}


def test_the_packages_of_a_plan_tell_which_cves_they_fix(lab: Lab, workspace: Path) -> None:
    """Without any other feed: by the changelogs in the content store."""
    only = ("--package", "expat", "--package", "patchlab-web")
    run(workspace, "plan", "create", "--limit", "staging-1", *only)
    (feed,) = answer(workspace, "feeds", "import", str(workspace / ".patchctl/store"))["feeds"]
    assert (feed["kind"], feed["outcome"], feed["bad"]) == ("changelog", "updated", 0)
    assert set(feed["ecosystems"]) == {"Debian:12"}
    states_now = states(workspace)
    assert {state for some in states_now.values() for state in some} == {"fixable"}
    known = json.loads(run(workspace, "discover", "show", "staging-1", "-o", "json").stdout)
    pending = {update["name"]: update["candidate"] for update in known["facts"]["pending"]}
    offered = {
        (package["binaries"][0], package["offered"])
        for finding in answer(workspace, "assess", "--findings")["findings"]
        for package in finding["packages"]
    }
    assert offered <= set(pending.items())
    assert (CVE, "patchlab-web") in states_now
    assert {package for _, package in states_now} == {"libexpat1", "patchlab-web"}


def test_the_labs_feed_speaks_of_what_is_pending_and_of_what_is_published_later(
    lab: Lab, workspace: Path
) -> None:
    feed = lab.workspace / "lab/feed"
    later = ("CVE-2099-10002", "patchlab-web")

    def states_now() -> dict[tuple[str, str], set[str]]:
        (held,) = answer(workspace, "feeds", "import", str(feed))["feeds"]
        assert (held["kind"], held["outcome"], held["bad"]) == ("changelog", "updated", 0)
        return states(workspace)

    run(workspace, "discover", "--limit", "staging-1")
    first = states_now()
    known = json.loads(run(workspace, "discover", "show", "staging-1", "-o", "json").stdout)
    pending = {update["name"] for update in known["facts"]["pending"]}
    sources = {
        package["source"] for package in known["facts"]["packages"] if package["name"] in pending
    }
    assert sources <= {path.name.removesuffix(".changelog.gz") for path in feed.iterdir()}
    assert {"openssl", "patchlab-web"} <= sources
    assert {state for some in first.values() for state in some} == {"fixable"}
    assert (CVE, "patchlab-web") in first
    assert any(not cve.startswith("CVE-2099") and name == "openssl" for cve, name in first)
    assert later not in first
    lab.publish("bad-web")
    try:
        # The host has not looked into its repository since.
        assert states_now()[later] == {"not_in_repositories"}
    finally:
        lab.withdraw("bad-web")
    assert b"1.0-3" not in gzip.decompress((feed / "patchlab-web.changelog.gz").read_bytes())
