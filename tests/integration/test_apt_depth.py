"""apt on hosts with a site's own settings, unusual repositories and packages that change."""

import json
from pathlib import Path

import pytest
from hostside import Drive, well
from test_hostside import undo_well
from test_rollout import patchctl

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
DATA = Path(__file__).parents[1] / "data/apt"
DANGEROUS = (DATA / "dangerous.conf").read_text()
LOGIN = "joe:s3cr3tw0rd"
LABEL = "Site [ünï] | x)"
# NAME|VERSION|ARCH|DEPENDS|FLAGS: architectures change, one is foreign, one lacks its SHA-256.
BEFORE = """site-all|1|all||
site-any|1|amd64||
site-foreign|1|i386||
site-lib|1|amd64||
site-app|1|amd64|site-lib|
site-late|1|amd64||
site-later|1|amd64||"""
AFTER = """site-all|2|amd64||
site-any|2|all||
site-foreign|2|i386||
site-lib|2|amd64||nosha
site-app|2|amd64|site-lib (>= 2)|
site-late|2|amd64||phased
site-later|2|amd64|site-late (>= 2)|"""


def write(lab: Lab, path: str, content: str) -> None:
    """Write a file on the host."""
    lab.check(HOST, f"cat >{path} <<'END_OF_FILE'\n{content}\nEND_OF_FILE")


def left_out(workspace: Path, *asked: str) -> dict[str, tuple[str, str]]:
    """Return package -> (reason, detail) of a plan for the host that has nothing to do."""
    made = patchctl(workspace, "plan", "create", *asked, "--limit", HOST, code=1)
    return {
        row["package"]: (row["reason"], row["detail"])
        for row in made["left_out"]
        if row["host"] == HOST
    }


def test_settings_of_the_site_hide_nothing_and_change_nothing(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("conffile")
    fresh_lab.check(HOST, "apt-get update")  # with some of these settings it only prints
    path = fresh_lab.check(HOST, "dpkg-query -W -f '${Conffiles}' patchlab-conf").split()[0]
    fresh_lab.check(HOST, f"echo 'workers = 99' >{path}")
    write(fresh_lab, "/etc/apt/apt.conf.d/99site", 'APT::Default-Release "bookworm";')
    assert left_out(workspace, "--package", "patchlab-web")["patchlab-web"] == (
        "pinned",
        "APT::Default-Release is bookworm, which keeps it at 1.0-1",
    )
    write(fresh_lab, "/etc/apt/apt.conf.d/99site", DANGEROUS)
    write(fresh_lab, "/etc/dpkg/dpkg.cfg.d/site", "force-confnew")
    drive = Drive(workspace, "patchlab-conf", limit=HOST)
    applied = drive.applied(HOST)
    assert applied.evidence["config"] == [{"path": path, "beside": f"{path}.dpkg-dist"}]
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"
    # What a site does around dpkg is done, as it was written.
    assert fresh_lab.check(HOST, "sort -u /root/hooks") == "post 50%\npre\n"
    assert fresh_lab.check(HOST, "head -n 1 /root/pkgs") == "VERSION 2\n"
    assert "Log started" in fresh_lab.check(HOST, "cat /var/log/apt/site.log")
    well(drive.until_done(Stage.VERIFY, HOST))
    undo_well(drive)
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"


def publish_site(lab: Lab, packages: str) -> None:
    """Make a flat repository of the site with these packages."""
    write(lab, "/root/site_repo.sh", (DATA / "site_repo.sh").read_text())
    write(lab, "/root/site", packages)
    lab.check(HOST, f"sh /root/site_repo.sh /srv/site '{LABEL}' </root/site")


def serve_site(lab: Lab) -> None:
    """Serve the site's repository by HTTP, with a password in its address."""
    lab.check(
        HOST, "cd /srv/site && setsid python3 -m http.server 8099 >/dev/null 2>&1 </dev/null &"
    )
    lab.check(HOST, "timeout 60 sh -c 'until ss -ltn | grep -q :8099; do sleep 0.1; done'")
    address = f"http://{LOGIN}@127.0.0.1:8099"
    write(lab, "/etc/apt/sources.list.d/site.list", f"deb [trusted=yes] {address} ./")


def site_packages(lab: Lab) -> list[str]:
    """Return `NAME ARCH VERSION` of the installed packages of the site."""
    told = lab.check(HOST, "dpkg-query -W -f '${Package} ${Architecture} ${Version}\\n' 'site-*'")
    return told.splitlines()


def test_what_is_odd_about_a_repository_leaves_out_its_packages_and_not_the_host(
    fresh_lab: Lab, workspace: Path
) -> None:
    publish_site(fresh_lab, BEFORE)
    fresh_lab.check(HOST, "dpkg --add-architecture i386 && dpkg -i /srv/site/*.deb")
    publish_site(fresh_lab, AFTER)
    serve_site(fresh_lab)
    before = site_packages(fresh_lab)
    names = (
        "site-all",
        "site-any",
        "site-foreign",
        "site-lib",
        "site-app",
        "site-late",
        "site-later",
    )
    drive = Drive(workspace, *names, limit=HOST)
    (cohort,) = drive.plan.body.cohorts
    assert {transition.origin for transition in cohort.transitions} == {f"{LABEL}:site"}
    out = {
        row.package: row.detail
        for row in drive.plan.body.left_out
        if row.reason == "resolve-failed"
    }
    assert out["site-lib"] == "its repository gives no SHA-256 or no size"
    assert "site-app : Depends: site-lib (>= 2)" in out["site-app"]
    late = {row.package: row.detail for row in drive.plan.body.left_out if row.reason == "phased"}
    assert late == {
        "site-late": "0 % of machines get it by now, not this one; --phased takes it",
        "site-later": "it waits for a phased update; --phased takes both",
    }
    drive.applied(HOST)
    assert site_packages(fresh_lab) == [
        "site-all amd64 2",
        "site-any all 2",
        "site-app amd64 1",
        "site-foreign i386 2",
        "site-late amd64 1",
        "site-later amd64 1",
        "site-lib amd64 1",
    ]
    well(drive.until_done(Stage.VERIFY, HOST))
    undone = undo_well(drive)
    assert "notes" not in undone.evidence or not undone.evidence["notes"]
    assert site_packages(fresh_lab) == before
    # The address has a password, and nobody but the host's own sources has it.
    assert "http://***@127.0.0.1:8099/" in json.dumps(
        patchctl(workspace, "discover", "show", HOST)["facts"]["repositories"]
    )
    assert not [
        path
        for path in workspace.rglob("*")
        if path.is_file() and LOGIN.encode() in path.read_bytes()
    ]
    assert fresh_lab.check(HOST, f"grep -rl {LOGIN} /var/lib/patchctl; true") == ""
