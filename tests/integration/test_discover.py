"""Discovery of real hosts: the facts, the failures, and that no text of a host is run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import faults
import pytest

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

PROGRAM = Path(sys.executable).with_name("patchctl")


def run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "-C", workspace, *arguments],
        capture_output=True, text=True, check=False, cwd=workspace, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def discover(workspace: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run `discover -o json` and return host -> its result."""
    done = run(workspace, "discover", "-o", "json", *arguments)
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return {host["name"]: host for host in answer["hosts"]}


def facts(workspace: Path, host: str) -> dict[str, Any]:
    done = run(workspace, "discover", "show", host, "-o", "json")
    assert done.returncode == 0, done.stderr
    known: dict[str, Any] = json.loads(done.stdout)["facts"]
    return known


def test_the_fleet_is_known_after_one_round_trip(lab: Lab, workspace: Path) -> None:
    done = run(workspace, "discover", "-o", "json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [host["name"] for host in answer["hosts"]] == sorted(it.name for it in lab.hosts())
    for host in answer["hosts"]:
        assert (host["status"], host["reason"]) == ("ok", "")
        assert host["os"]["id"] == "debian"
        assert host["packages"] > 100
        assert host["pending_security"] > 0
        assert host["reboot_required"] is False
        assert host["unparsed"] == 0
        assert host["notes"] == []
    assert list((workspace / ".patchctl/runs").iterdir()) == []


def test_what_is_known_agrees_with_the_hosts_own_tools(lab: Lab, workspace: Path) -> None:
    discover(workspace, "--limit", "staging-1")
    known = facts(workspace, "staging-1")
    packages = {(it["name"], it["arch"]): it["version"] for it in known["packages"]}
    listed = lab.check("staging-1", "dpkg-query -W -f '${Package} ${Architecture} ${Version}\\n'")
    rows = [line.split() for line in listed.splitlines()]
    assert packages == {(name, arch): version for name, arch, version in rows}
    simulated = lab.check("staging-1", "apt-get -s dist-upgrade").splitlines()
    upgraded = [line.split()[1] for line in simulated if re.match(r"Inst \S+ \[", line)]
    assert {it["name"] for it in known["pending"]} == set(upgraded)
    marked = lab.check("staging-1", "apt-mark showauto").split()
    assert {it["name"] for it in known["packages"] if it.get("auto")} == set(marked)
    assert known["machine_id"] == lab.check("staging-1", "cat /etc/machine-id").strip()
    assert any(it["port"] == 22 and it["process"] == "sshd" for it in known["listeners"])
    assert abs(known["clock_skew_s"]) <= 5


def test_history_is_kept(workspace: Path) -> None:
    for _ in range(2):
        discover(workspace, "--limit", "staging-1")
    done = run(workspace, "discover", "list", "-o", "json")
    taken = [it["id"] for it in json.loads(done.stdout)["snapshots"]]
    assert len(taken) == 2
    assert taken == sorted(taken, reverse=True)
    done = run(workspace, "discover", "list", "--host", "staging-1", "-o", "json")
    assert [it["status"] for it in json.loads(done.stdout)["snapshots"]] == ["ok", "ok"]
    done = run(workspace, "discover", "show", "no-such-host")
    assert done.returncode == 2
    assert done.stderr == ("patchctl: nothing is known of no-such-host; run `patchctl discover`\n")


def test_a_host_without_python_is_no_different(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.check("staging-1", "chmod a-x /usr/bin/python3*")
    rows = discover(workspace, "--limit", "staging-1")
    assert rows["staging-1"]["status"] == "ok"


def test_hosts_fail_one_by_one(fresh_lab: Lab, workspace: Path) -> None:
    discover(workspace, "--limit", "production-1")
    fresh_lab.stop("production-1")
    faults.pause(fresh_lab, "production-2")
    fresh_lab.check("canary-1", "rm -f /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    begun = time.monotonic()
    try:
        rows = discover(workspace, "--timeout", "8")
    finally:
        faults.unpause(fresh_lab, "production-2")
    assert time.monotonic() - begun < 60
    failed = {name: (it["status"], it["reason"]) for name, it in rows.items() if it["reason"]}
    assert failed.pop("production-1")[0] == "unreachable"
    assert failed.pop("canary-1") == (
        "unreachable",
        "the host key changed; if the host was really re-installed, fix known_hosts",
    )
    assert failed.pop("production-2")[1] in {
        "no answer within 8 s",
        "timeout: connected, but sshd does not answer",
    }
    assert failed == {}
    assert rows["staging-1"]["packages"] > 100
    assert rows["production-1"]["packages"] is None
    # What was known before stays known.
    assert facts(workspace, "production-1")["packages"]
    discover(workspace, "--limit", "production-1", "--fail-on", "never")
    discover(workspace, "--limit", "production-1:staging-1", "--fail-on", "any", code=1)
    discover(workspace, "--limit", "production-1", code=1)


def test_a_refused_login_has_its_reason(workspace: Path) -> None:
    limit = ("--limit", "staging-1", "--fail-on", "never")
    rows = discover(workspace, *limit, "-e", "ansible_user=stranger")
    assert rows["staging-1"]["status"] == "unreachable"
    assert rows["staging-1"]["reason"].startswith("permission denied")
    # The lab's keys stand in the workspace's known_hosts too, which every connection takes.
    nobody = (
        "ansible_ssh_common_args="
        "'-o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null'"
    )
    rows = discover(workspace, *limit, "-e", nobody)
    assert "host key is not known" in rows["staging-1"]["reason"]
    rows = discover(workspace, *limit, "-e", "ansible_port=9")
    assert rows["staging-1"]["reason"] == "connection refused: nothing listens on the ssh port"


SUDOER = """\
useradd -m -s /bin/bash -G sudo careful
echo careful:opens-sesame | chpasswd
mkdir -p ~careful/.ssh
cp ~ops/.ssh/authorized_keys ~careful/.ssh/
chown -R careful ~careful/.ssh
chmod 700 ~careful/.ssh
# A login shell that talks, on both channels.
printf 'echo hello from bashrc\\necho and an error >&2\\n' >~careful/.bashrc
"""


def test_a_sudo_password_from_a_file_and_a_shell_that_talks(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.check("staging-1", SUDOER)
    secret = workspace / "become-password"
    secret.touch(mode=0o600)
    settings = workspace / "patchctl.yml"
    plain = settings.read_text()
    limit = ("--limit", "staging-1", "--fail-on", "never", "-e", "ansible_user=careful")
    assert "sudo wants a password" in discover(workspace, *limit)["staging-1"]["reason"]
    settings.write_text(plain + "\nansible: {become_password_file: become-password}\n")
    secret.write_text("opens-sesame\n")
    assert discover(workspace, *limit)["staging-1"]["status"] == "ok"
    secret.write_text("wrong\n")
    assert discover(workspace, *limit)["staging-1"]["reason"] == "wrong sudo password"


DIRTY = """\
set -e
apt-mark hold perl-base >/dev/null
printf '[Service]\\nExecStart=/bin/false\\n' >/etc/systemd/system/broken.service
systemctl daemon-reload
systemctl start broken || true
echo x >/run/reboot-required
printf 'libc6\\nlinux-base\\nlibc6\\n' >/run/reboot-required.pkgs
# A service that maps a file which was replaced, as after an update.
cp /bin/sleep /opt/old-service
systemd-run --unit=old /opt/old-service 1000 2>/dev/null
sleep 1
cp /bin/sleep /opt/old-service.new
mv /opt/old-service.new /opt/old-service
# fcntl locks, as dpkg takes them.
systemd-run --unit=locker python3 -c '
import fcntl, time
lock = open("/var/lib/dpkg/lock-frontend", "a")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(1000)' 2>/dev/null
sleep 1
"""


def test_what_an_operator_must_know_is_seen(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.check("staging-1", DIRTY)
    discover(workspace, "--limit", "staging-1")
    known = facts(workspace, "staging-1")
    assert [it["name"] for it in known["packages"] if it.get("held")] == ["perl-base"]
    assert "perl-base" in {it["name"] for it in known["pending"]}
    assert known["failed_units"] == ["broken.service"]
    assert known["reboot_required"]
    assert known["reboot_packages"] == ["libc6", "linux-base"]
    stale = {it["unit"]: it["files"] for it in known["stale_processes"]}
    assert stale == {"old.service": ["/opt/old-service"]}
    assert known["package_lock_held"]
    done = run(workspace, "discover", "--limit", "staging-1")
    assert "failed units: broken.service" in done.stdout
    assert "holds /var/lib/dpkg/lock-frontend" in done.stdout


GONE = "deb [trusted=yes] file:/nowhere x main"


def test_lists_are_refreshed_on_demand_and_a_failure_is_a_note(
    fresh_lab: Lab, workspace: Path
) -> None:
    before = discover(workspace, "--limit", "staging-1")["staging-1"]
    fresh_lab.publish("bad-web")
    row = discover(workspace, "--limit", "staging-1", "--refresh")["staging-1"]
    assert row["notes"] == []
    assert row["lists_updated"] >= before["lists_updated"]
    candidates = {it["name"]: it["candidate"] for it in facts(workspace, "staging-1")["pending"]}
    assert candidates["patchlab-web"] > "1.0-2"
    fresh_lab.check("staging-1", f"echo '{GONE}' >/etc/apt/sources.list.d/gone.list")
    row = discover(workspace, "--limit", "staging-1", "--refresh")["staging-1"]
    assert row["status"] == "ok"
    assert row["notes"]
    assert all(note.startswith("refresh: ") for note in row["notes"])


# Run anywhere, this leaves a file `pwned` behind: by Jinja on the controller, by a shell there or
# on the host. The rest moves a cursor and sets a title.
EVIL = (
    "{{ lookup('pipe', 'touch pwned') }}$(touch pwned)`touch pwned`;touch pwned\x1b[2J\x1b]0;x\x07"
)
HOSTILE = r"""
set -e
evil=$(cat)
rm -f /etc/os-release
quoted=$(printf '%s' "$evil" | sed "s/'/'\\\\''/g")
printf "ID=debian\nVERSION_ID=12\nPRETTY_NAME='%s'\n" "$quoted" >/etc/os-release

lists=/srv/evil/dists/x/main/binary-amd64
mkdir -p $lists
printf 'Package: evil\nVersion: 1\nArchitecture: all\nFilename: evil.deb\n' >$lists/Packages
{ printf 'Origin: %s\nLabel: %s\nCodename: %s\n' "$evil" "$evil" "$evil"
  printf 'Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n'
  printf ' %s %s main/binary-amd64/Packages\n' "$(sha256sum <$lists/Packages | cut -d' ' -f1)" \
    "$(wc -c <$lists/Packages)"
} >/srv/evil/dists/x/Release
echo 'deb [trusted=yes] file:/srv/evil x main' >/etc/apt/sources.list.d/evil.list
apt-get -q update >/dev/null 2>&1

cp /bin/sleep "/opt/$evil"
"/opt/$evil" 1000 >/dev/null 2>&1 &
sleep 1
rm "/opt/$evil"

cat >/usr/local/sbin/dpkg-query <<'X'
#!/bin/sh
/usr/bin/dpkg-query "$@"
cat /root/evil-packages
X
chmod 755 /usr/local/sbin/dpkg-query
printf 'ii \t%s\t1\tamd64\tx\t1\nii \tx1\t%s\tamd64\tx\t1\n' "$evil" "$evil" >/root/evil-packages

echo required >/run/reboot-required
printf '%s\n' "$evil" >/run/reboot-required.pkgs
printf 'cat /run/reboot-required.pkgs; cat /run/reboot-required.pkgs >&2\n' >~ops/.bashrc
"""


def test_nothing_that_a_host_says_is_executed(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.check("staging-1", HOSTILE, stdin=EVIL.encode())
    row = discover(workspace, "--limit", "staging-1")["staging-1"]
    assert row["status"] == "ok"
    known = facts(workspace, "staging-1")
    # It arrived as it was said, so that the test proves something.
    assert known["os"]["pretty_name"] == EVIL
    assert EVIL in {it.get("label") for it in known["repositories"]}
    assert known["reboot_packages"] == [EVIL]
    assert EVIL in {Path(path).name for it in known["stale_processes"] for path in it["files"]}
    assert not any(EVIL in (it["name"], it["version"]) for it in known["packages"])
    assert sum("pwned" in it["line"] for it in known["unparsed"]) >= 2
    for arguments in (["discover", "show", "staging-1"], ["discover", "--limit", "staging-1"]):
        done = run(workspace, *arguments)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
    assert not list(workspace.rglob("pwned"))
    assert not Path("pwned").exists()
    assert fresh_lab.check("staging-1", "find / -xdev -name pwned").strip() == ""


def test_a_host_that_sends_without_end_fails_alone(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.check(
        "canary-1",
        "printf '#!/bin/sh\\nexec head -c 20000000000 /dev/zero\\n' >/usr/local/sbin/dpkg-query;"
        " chmod 755 /usr/local/sbin/dpkg-query",
    )
    # Nothing compresses better than zeros: a bomb of 20 GB in 20 MB.
    rows = discover(workspace, "--limit", "canary-1:staging-1", "--timeout", "20")
    assert rows["canary-1"]["status"] == "failed"
    assert rows["staging-1"]["status"] == "ok"


def test_a_killed_controller_leaves_nothing_that_the_next_one_does_not_remove(
    fresh_lab: Lab, workspace: Path
) -> None:
    faults.pause(fresh_lab, "production-1")
    try:
        with subprocess.Popen(
            [PROGRAM, "-C", workspace, "discover", "--timeout", "6"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as controller:  # fmt: skip
            runs = workspace / ".patchctl/runs"
            _wait(lambda: runs.is_dir() and any(runs.glob("*/pid")))
            pid = int(next(runs.glob("*/pid")).read_text().split()[0])
            _wait(lambda: _has_sockets(controller.pid))
            time.sleep(2)
            controller.send_signal(signal.SIGKILL)
        assert list(runs.iterdir())
        _wait(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        faults.unpause(fresh_lab, "production-1")
    discover(workspace, "--limit", "staging-1")
    assert list(runs.iterdir()) == []
    assert not _has_sockets(controller.pid)


def _has_sockets(pid: int) -> bool:
    """Return whether it has sockets. Controllers of other tests may end meanwhile."""
    owners = Path("/tmp").glob(f"patchctl-{os.getuid()}-*/owner")
    return f'"pid":{pid},' in "".join(map(_text_of, owners))


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
