"""Doctor on real hosts: good and bad results, and host keys that it learns and protects."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

PROGRAM = Path(sys.executable).with_name("patchctl")
NOBODY = "-o UserKnownHostsFile=/dev/null"
NEW_KEYS = "rm -f /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh"


def run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "-q", "-C", workspace, *arguments],
        capture_output=True, text=True, check=False, cwd=workspace, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def doctor(workspace: Path, *arguments: str, code: int) -> dict[str, Any]:
    done = run(workspace, "doctor", "-o", "json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is (code == 0)
    return report


def failed(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return (host, check) -> the problem, for failed checks of hosts."""
    return {
        (it["subject"], it["name"]): it["text"]
        for it in report["checks"]
        if it["area"] == "host" and it["status"] == "fail" and it["hint"]
    }


@pytest.fixture
def strangers(lab: Lab, workspace: Path) -> Path:
    """The workspace of a user who has never connected to the hosts."""
    source = workspace / "inventory/hosts.yml"
    kept = [
        line
        for line in source.read_text().splitlines()
        if "UserKnownHostsFile" not in line and "IdentitiesOnly" not in line
    ]
    kept.insert(kept.index("  vars:") + 1, f"    ansible_ssh_common_args: {NOBODY}")
    source.write_text("\n".join(kept) + "\n")
    (workspace / "known_hosts").unlink()
    return workspace


def test_a_healthy_fleet_is_well_and_nothing_is_written(lab: Lab, workspace: Path) -> None:
    before = sorted(path.relative_to(workspace) for path in workspace.rglob("*"))
    report = doctor(workspace, code=0)
    assert report["hosts"] == len(lab.hosts())
    assert failed(report) == {}
    names = {it["name"] for it in report["checks"] if it["subject"] == "staging-1"}
    assert names == {
        "resolve", "connect", "host-key", "login", "privilege", "answer",
        "package-manager", "disk", "clock", "updaters",
    }  # fmt: skip
    assert {it["area"] for it in report["checks"]} == {"machine", "workspace", "host"}
    for check in report["checks"]:
        assert set(check) == {"area", "subject", "name", "status", "text", "hint"}
        assert bool(check["hint"]) == (check["status"] in ("warn", "fail")), check
    assert sum(report["counts"].values()) == len(report["checks"])
    assert sorted(path.relative_to(workspace) for path in workspace.rglob("*")) == before


def test_each_host_says_what_is_wrong_with_it(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.stop("production-1")
    fresh_lab.check("canary-1", NEW_KEYS)
    fresh_lab.check("production-2", "rm ~ops/.ssh/authorized_keys")
    fresh_lab.check("production-3", "rm -f /etc/sudoers.d/*")
    fresh_lab.check("staging-2", UNATTENDED)
    report = doctor(workspace, code=1)
    failures = failed(report)
    assert failures.pop(("production-1", "connect"))
    changed = failures.pop(("canary-1", "host-key"))
    assert changed.startswith("changed host key: known is ssh-ed25519 SHA256:")
    assert f"({workspace}/known_hosts:" in changed
    assert "permission denied" in failures.pop(("production-2", "login"))
    assert "sudo" in failures.pop(("production-3", "privilege"))
    assert failures.pop(("staging-2", "updaters")) == "unattended-upgrades is enabled"
    assert failures == {}
    done = run(workspace, "doctor", "--limit", "canary-1,staging-1")
    assert done.returncode == 1
    assert "-> someone may be in between" in done.stdout
    assert done.stdout.rstrip().endswith("staging-1")


# The package itself is not in the lab's repository; what it leaves for dpkg and apt is enough.
UNATTENDED = """\
set -e
mkdir -p /tmp/u/DEBIAN
printf 'Package: unattended-upgrades\\nVersion: 2.9\\nArchitecture: all\\nMaintainer: x\\n\
Description: x\\n' >/tmp/u/DEBIAN/control
dpkg-deb -b /tmp/u /tmp/u.deb >/dev/null
dpkg -i /tmp/u.deb >/dev/null
echo 'APT::Periodic::Unattended-Upgrade "1";' >/etc/apt/apt.conf.d/20auto-upgrades
systemctl enable --now apt-daily-upgrade.timer 2>/dev/null
"""


def test_a_name_that_does_not_resolve_and_one_only_ssh_knows(
    lab: Lab, workspace: Path, tmp_path: Path
) -> None:
    limit = ("--limit", "staging-1", "-e")
    failures = failed(doctor(workspace, *limit, "ansible_host=nowhere.invalid", code=1))
    assert failures == {("staging-1", "resolve"): "nowhere.invalid does not resolve"}
    address = next(it.address for it in lab.hosts() if it.name == "staging-1")
    config = tmp_path / "config"
    config.write_text(f"Host alias.invalid\n  HostName {address}\n")
    source = workspace / "inventory/hosts.yml"
    source.write_text(source.read_text().replace("-o 'User", f"-F {config} -o 'User"))
    assert str(config) in source.read_text()
    doctor(workspace, *limit, "ansible_host=alias.invalid", code=0)


def test_a_broken_inventory_is_a_check(workspace: Path) -> None:
    (workspace / "inventory/hosts.yml").write_text("all: [")
    report = doctor(workspace, code=1)
    wrong = [it for it in report["checks"] if it["status"] == "fail"]
    assert {(it["area"], it["name"]) for it in wrong} == {("workspace", "inventory")}
    assert "hosts.yml" in wrong[0]["text"]
    assert run(workspace, "doctor", "--no-such-option").returncode == 2


class TestLearning:
    def test_keys_are_learned_and_used_by_every_connection(self, strangers: Path) -> None:
        file = strangers / "known_hosts"
        failures = failed(doctor(strangers, code=1))
        assert {name for _, name in failures} == {"host-key"}
        assert all("it offers ssh-ed25519 SHA256:" in text for text in failures.values())
        done = run(strangers, "doctor", "--learn-host-keys")
        assert (done.returncode, done.stdout) == (2, "")
        assert "add --yes" in done.stderr
        assert not file.exists()

        report = doctor(strangers, "--learn-host-keys", "--yes", code=0)
        learned = {(key["host"], key["type"], key["fingerprint"]) for key in report["learned"]}
        listed = subprocess.run(
            ["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert {(line.split()[1]) for line in listed} == {print_ for _, _, print_ in learned}
        assert [line.split()[-1] for line in file.read_text().splitlines()] == sorted(
            host for host, _, _ in learned
        )
        assert file.stat().st_mode & 0o777 == 0o644
        done = run(strangers, "discover", "--fail-on", "any", "-o", "json")
        assert done.returncode == 0, done.stdout
        before = file.read_bytes()
        assert doctor(strangers, "--learn-host-keys", "--yes", code=0)["learned"] == []
        assert file.read_bytes() == before

    def test_a_changed_key_is_not_replaced_while_others_are_learned(
        self, fresh_lab: Lab, strangers: Path
    ) -> None:
        file = strangers / "known_hosts"
        limit = ("--limit", "staging-1")
        doctor(strangers, "--learn-host-keys", "--yes", *limit, code=0)
        before = file.read_text()
        fresh_lab.check("staging-1", NEW_KEYS)
        report = doctor(strangers, "--learn-host-keys", "--yes", code=1)
        assert failed(report).keys() == {("staging-1", "host-key")}
        assert "staging-1" not in {key["host"] for key in report["learned"]}
        after = file.read_text()
        assert after.startswith(before)
        assert len(after.splitlines()) > 1
        # What the hint says fixes it.
        hint = next(
            it["hint"] for it in report["checks"] if it["name"] == "host-key" and it["hint"]
        )
        command = hint.partition(": ")[2].partition(",")[0]
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)
        doctor(strangers, "--learn-host-keys", "--yes", *limit, code=0)

    def test_hosts_behind_a_proxy_are_left_to_the_operator(
        self, lab: Lab, strangers: Path, tmp_path: Path
    ) -> None:
        known = (lab.workspace / "known_hosts").read_text()
        proxy = tmp_path / "proxy"
        proxy.write_text(PROXY.replace("PYTHON", sys.executable))
        proxy.chmod(0o755)
        source = strangers / "inventory/hosts.yml"
        through = f"{NOBODY} -o 'ProxyCommand={proxy} %h %p'"
        source.write_text(source.read_text().replace(NOBODY, through))
        limit = ("--limit", "staging-1")
        report = doctor(strangers, "--learn-host-keys", "--yes", *limit, code=1)
        text = failed(report)["staging-1", "host-key"]
        assert text.startswith("not known, and it is behind a proxy command")
        assert report["learned"] == []
        assert not (strangers / "known_hosts").exists()
        (strangers / "known_hosts").write_text(known)
        doctor(strangers, *limit, code=0)

    def test_answering_no_writes_nothing(self, strangers: Path) -> None:
        ours, theirs = os.openpty()
        with os.fdopen(ours, "wb") as keyboard, os.fdopen(theirs) as terminal:
            keyboard.write(b"n\n")
            keyboard.flush()
            done = subprocess.run(
                [PROGRAM, "-q", "-C", strangers, "doctor", "--learn-host-keys"],
                stdin=terminal, capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (2, "")
        assert "SHA256:" in done.stderr
        assert re.search(r"Append \d+ keys? of 6 hosts to known_hosts\?", done.stderr)
        assert not (strangers / "known_hosts").exists()


PROXY = """\
#!PYTHON
import os, socket, sys, threading
host = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while data := os.read(0, 65536):
        host.sendall(data)
threading.Thread(target=send, daemon=True).start()
while data := host.recv(65536):
    os.write(1, data)
"""
