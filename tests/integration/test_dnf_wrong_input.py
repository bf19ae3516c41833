"""A dnf host that is broken or misled gives an error of one line, and nothing is changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from faults import NAME_ANOTHER_KEY, fill_disk

from patchctl.lab.handle import Lab

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("lab", ["rpm"], indirect=True)]

HOST = "staging-1"
SITE = """\
[main]
best=0
strict=0
obsoletes=0
clean_requirements_on_remove=1
tsflags=nodocs,noscripts,test
downloadonly=1
assumeno=1
plugins=0
debuglevel=0
color=always
protected_packages=
install_weak_deps=1
"""


def patchctl(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(root), *arguments, "-o", "json"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )


# What the repository's metadata says of a file, told by a host that lies.
LYING = """\
#!/bin/sh
case "$*" in
  *chksum*) /usr/bin/dnf.true "$@" | sed "s/ ([0-9]*, b.*/ $(printf %064d 7)/" ;;
  *) exec /usr/bin/dnf.true "$@" ;;
esac
"""


def plan(root: Path, package: str) -> subprocess.CompletedProcess[str]:
    return patchctl(root, "plan", "create", "--limit", HOST, "--package", package)


def planned(root: Path, package: str) -> str:
    made = plan(root, package)
    assert made.returncode == 0, made.stdout + made.stderr
    return str(json.loads(made.stdout.splitlines()[-1])["path"])


def reason(root: Path, path: str, code: int) -> str:
    """Return the reason that the rollout gives for the host's end."""
    done = patchctl(root, "rollout", path, "--yes")
    assert done.returncode == code, done.stdout + done.stderr
    (host,) = json.loads(done.stdout.splitlines()[-1])["hosts"]
    return f"{host['state']}: {host['reason']}"


def installed(lab: Lab) -> str:
    return lab.check(HOST, "rpm -qa | sort")


def setting(root: Path, line: str) -> None:
    path = root / "patchctl.yml"
    path.write_text(path.read_text().replace("policy:\n", f"policy:\n  {line}\n", 1))


@pytest.mark.parametrize(
    ("channel", "version", "said"),
    [
        ("unsigned", "1.0-2", "it is not signed"),
        pytest.param(
            "unknown-key", "1.0-3", "its signature does not hold", marks=pytest.mark.proof
        ),
        pytest.param("tampered", "1.0-4", "its signature does not hold", marks=pytest.mark.proof),
    ],
)
def test_an_update_that_is_not_signed_by_a_key_of_the_host_is_left_out(
    fresh_lab: Lab, workspace: Path, channel: str, version: str, said: str
) -> None:
    fresh_lab.publish(channel)
    made = plan(workspace, f"patchlab-sign={version}")
    assert made.returncode == 1, made.stdout + made.stderr
    assert said in made.stdout


@pytest.mark.proof
def test_each_host_asks_its_own_repository_for_the_keys(fresh_lab: Lab, workspace: Path) -> None:
    """The file was fetched, and its signature held then."""
    path = planned(workspace, "patchlab-docs")
    before = installed(fresh_lab)
    fresh_lab.check(HOST, NAME_ANOTHER_KEY)
    said = reason(workspace, path, 3)
    assert "patchlab-docs-1.0-2.noarch.rpm is not signed by a key of its repository" in said
    assert installed(fresh_lab) == before


@pytest.mark.proof
def test_a_change_of_the_host_after_the_plan_is_found(fresh_lab: Lab, workspace: Path) -> None:
    path = planned(workspace, "patchlab-docs")
    before = installed(fresh_lab)
    # Exactly the planned version: no lock to it.
    fresh_lab.check(HOST, "echo exclude=patchlab-docs-1.0-2.noarch >>/etc/dnf/dnf.conf")
    assert "patchlab-docs" in (said := reason(workspace, path, 3))
    assert "exclude= in dnf.conf" in said
    assert installed(fresh_lab) == before

    # A cut-off transaction leaves two versions in the database.
    brought = "patchlab-docs-1.0-2.noarch.rpm"
    fresh_lab.check(HOST, f"rpm -i --justdb --force /srv/patchlab/rpm/packages/{brought} 2>&1")
    again = plan(workspace, "patchlab-web")
    assert again.returncode == 1, again.stdout + again.stderr
    answer = json.loads(again.stdout.splitlines()[-1])
    (row,) = [row for row in answer["left_out"] if row["host"] == HOST]
    assert row["reason"] == "not-fully-installed"
    assert row["detail"].startswith(
        "patchlab-docs.noarch (two versions); `dnf remove --duplicates`"
    )


@pytest.mark.proof
def test_a_host_that_tells_another_file_than_the_others_is_left_out(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.check(
        HOST,
        "mv /usr/bin/dnf /usr/bin/dnf.true; cat >/usr/bin/dnf; chmod +x /usr/bin/dnf",
        stdin=LYING.encode(),
    )
    made = patchctl(workspace, "plan", "create", "--package", "patchlab-docs")
    answer = json.loads(made.stdout.splitlines()[-1])
    rows = [row for row in answer["left_out"] if row["reason"] == "file-disputed"]
    assert [(row["host"], row["package"]) for row in rows] == [(HOST, "patchlab-docs")]
    assert f"patchlab tells {HOST} another file than canary-1: " in rows[0]["detail"]
    assert answer["hosts"] > 0


# Answers for any server with the lab's files, to those alone who log in. Says what was asked for.
PROXY = """\
import base64, http.server, urllib.parse
WANTED = "Basic " + base64.b64encode(b"me:secret").decode()
class Proxy(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers["Proxy-Authorization"] != WANTED:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with open("/run/proxy.asked", "a") as file:
            print(self.path, file=file)
        self.path = urllib.parse.urlsplit(self.path).path
        super().do_GET()
make = lambda *given: Proxy(*given, directory="/srv/patchlab")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 3128), make)
open("/run/proxy.ready", "w").close()
server.serve_forever()
"""
BEHIND = """\
cd /etc/yum.repos.d
sed -i -e s,^baseurl=.*,baseurl=http://mirror.invalid/rpm, patchlab.repo
sed -i s/^repo_gpgcheck=1/repo_gpgcheck=0/ patchlab.repo
printf '%s\\n' proxy=http://127.0.0.1:3128 proxy_username=me >>/etc/dnf/dnf.conf
echo proxy_password=secret >>/etc/dnf/dnf.conf
"""


@pytest.mark.managers
def test_a_proxy_of_dnf_conf_is_used_and_named_where_it_fails(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.check(
        HOST,
        'systemd-run -q --unit=patchlab-proxy --collect python3 -c "$(cat)";'
        " until [ -e /run/proxy.ready ]; do sleep 0.1; done",
        stdin=PROXY.encode(),
    )
    fresh_lab.check(HOST, BEHIND)
    planned(workspace, "patchlab-docs")
    asked = fresh_lab.check(HOST, "cat /run/proxy.asked")
    for file in ("repodata/repomd.xml", "packages/patchlab-docs-1.0-2.noarch.rpm"):
        assert f"http://mirror.invalid/rpm/{file}\n" in asked

    fresh_lab.check(HOST, "sed -i s/=secret/=wrong/ /etc/dnf/dnf.conf")
    refused = plan(workspace, "patchlab-docs")
    answer = json.loads(refused.stdout.splitlines()[-1])
    (row,) = [row for row in answer["could_not_look"] if row["host"] == HOST]
    assert row["reason"].startswith("Status code: 407 for http://mirror.invalid/rpm/")
    assert "\n" not in row["reason"]


def test_a_protected_package_is_not_removed(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("conflicts")
    fresh_lab.check(HOST, "echo patchlab-loose >/etc/dnf/protected.d/site.conf")
    setting(workspace, "allow_removals: true")
    made = plan(workspace, "patchlab-strict")
    assert made.returncode == 1, made.stdout + made.stderr
    # Without the protection the plan would remove it.
    assert "conflicts with patchlab-loose" in made.stdout


def test_a_host_that_lost_dnf_or_its_database_is_not_changed(
    fresh_lab: Lab, workspace: Path
) -> None:
    path = planned(workspace, "patchlab-docs")
    before = installed(fresh_lab)
    fresh_lab.check(HOST, "mv /usr/bin/dnf /usr/bin/dnf.away")
    assert "this host has no dnf" in reason(workspace, path, 3)
    fresh_lab.check(HOST, "mv /usr/bin/dnf.away /usr/bin/dnf")
    assert installed(fresh_lab) == before

    fresh_lab.check(HOST, "printf 'no database' >/var/lib/rpm/rpmdb.sqlite")
    done = patchctl(workspace, "rollout", "retry", "--host", HOST)
    assert done.returncode != 0
    status = patchctl(workspace, "rollout", "status")
    (host,) = json.loads(status.stdout.splitlines()[-1])["hosts"]
    assert host["state"] == "failed" and "\n" not in host["reason"], host
    assert "dnf is not usable now: " in host["reason"]
    assert "rpm --rebuilddb fixes it" in host["reason"]


@pytest.mark.proof
def test_no_setting_of_the_site_steers_a_transaction(fresh_lab: Lab, workspace: Path) -> None:
    before = installed(fresh_lab)
    fresh_lab.check(HOST, "cat >/etc/dnf/dnf.conf", stdin=SITE.encode())
    path = planned(workspace, "patchlab-docs")
    assert reason(workspace, path, 0).startswith("succeeded")
    changed = set(before.split()) ^ set(installed(fresh_lab).split())
    assert changed == {"patchlab-docs-1.0-1.noarch", "patchlab-docs-1.0-2.noarch"}
    assert patchctl(workspace, "rollback", "--yes").returncode == 0
    assert installed(fresh_lab) == before


@pytest.mark.proof
def test_a_host_whose_dnf_uses_another_root_is_not_up_to_date(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.check(HOST, "printf '[main]\\ninstallroot=/srv/other\\n' >/etc/dnf/dnf.conf")
    made = plan(workspace, "patchlab-docs")
    assert made.returncode == 1
    assert "looks at another system" in made.stdout + made.stderr


@pytest.mark.proof
def test_what_does_not_fit_into_boot_is_refused(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("kernel")
    fresh_lab.reset(HOST, tmpfs={"/boot": 4})
    workspace.joinpath("known_hosts").write_bytes(
        fresh_lab.workspace.joinpath("known_hosts").read_bytes()
    )
    path = planned(workspace, "patchlab-kernel")
    before = installed(fresh_lab)
    fill_disk(fresh_lab, HOST, "/boot")
    assert "on the /boot filesystem" in reason(workspace, path, 3)
    assert installed(fresh_lab) == before
