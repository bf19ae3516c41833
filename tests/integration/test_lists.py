"""Plans name the repositories that a host could not read, also where apt does not report them."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import WatchedLab, copy_of

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

HOST, OTHER = "staging-1", "staging-2"
PROGRAM = Path(sys.executable).with_name("patchctl")
MIRROR = "/srv/mirror"
# One Release file on standard input, a base64 line for each variant of it. A key that has expired
# comes last, as the keyring that knows it.
SIGN = r"""
set -eu
cat >/tmp/release
sign() { gpg --batch --yes --quiet "$@" --clearsign | base64 -w0; echo; }
export GNUPGHOME=/srv/tools/gnupg
sed 's/^Label: .*/Label: Other/' /tmp/release | sign
sed 's/^Date: .*/&\nValid-Until: Thu, 01 Jan 2026 00:00:00 +0000/' /tmp/release | sign
export GNUPGHOME=/tmp/old
mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --faked-system-time 20200101T000000 --passphrase '' \
  --quick-gen-key old@lab.example default default 1y
sign --faked-system-time 20200102T000000 </tmp/release
gpg --export | base64 -w0
"""
# Copies of a repository, each by itself; all are good when the host fetches their lists first.
SET_UP = r"""
set -eu
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
base64 -d >/usr/share/keyrings/old.gpg
key=/usr/share/keyrings/patchlab.gpg
for name in good label expired key oldkey newkey gone late; do
  mkdir -p /srv/mirror/$name
  cp -a /srv/patchlab/apt/. /srv/mirror/$name/
  echo "deb [signed-by=$key] file:/srv/mirror/$name bookworm main" >>/etc/apt/sources.list
done
echo "deb [signed-by=$key] file:/srv/mirror/good bookworm-security main" >>/etc/apt/sources.list
apt-get -qq update
"""
BREAK = r"""
set -eu
cd /srv/mirror
put() { base64 -d >"$1/dists/bookworm/InRelease"; }
read -r label; read -r expired; read -r old
echo "$label" | put label
echo "$expired" | put expired
echo "$old" | put key
echo "$old" | put oldkey
sed -i '/oldkey/s|signed-by=[^]]*|signed-by=/usr/share/keyrings/old.gpg|' /etc/apt/sources.list
rm -r gone/dists
sed -i '/newkey/s|signed-by=[^]]*|signed-by=/usr/share/keyrings/debian-archive-keyring.gpg|' \
  /etc/apt/sources.list
echo 'deb [trusted=yes] http://user:secret-word@127.0.0.1:9/deb ./' >>/etc/apt/sources.list
sed -i '/late/s|main|main absent|' /etc/apt/sources.list
"""
RELEASE = r"""
sed -e '1,/^$/d' -e '/^-----BEGIN PGP SIGNATURE/,$d' /srv/patchlab/apt/dists/bookworm/InRelease
"""
# What each repository is said to have, by a part of it; `good` and security have nothing.
REASONS = {
    f"file:{MIRROR}/label bookworm": "changed its 'Label' value from 'Debian' to 'Other'",
    f"file:{MIRROR}/expired bookworm": "is expired (invalid since",
    f"file:{MIRROR}/key bookworm": "NO_PUBKEY",
    f"file:{MIRROR}/oldkey bookworm": "EXPKEYSIG",
    # Its Release file is as it was; the host does not know the key any more.
    f"file:{MIRROR}/newkey bookworm": "NO_PUBKEY",
    f"file:{MIRROR}/gone bookworm": "File not found",
    f"file:{MIRROR}/late bookworm": "doesn't have the component 'absent'",
    "http://127.0.0.1:9/deb ./": "Could not connect",
}
# Holds the lock of the lists until discovery has found it held, and waits.
HOLD = r"""
import fcntl, pathlib, time
held = open("/var/lib/apt/lists/lock", "w")
fcntl.lockf(held, fcntl.LOCK_EX)
open("/run/patchlab-locked", "w").close()
def waits():
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes() == b"sleep\0002\0":
                return True
        except OSError:
            pass
while not waits():
    time.sleep(0.05)
open("/run/patchlab-waited", "w").close()
"""


def run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "-C", workspace, *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def create(root: Path, *arguments: str, code: int) -> dict[str, Any]:
    done = run(root, "plan", "create", "-o", "json", *arguments)
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def discover(root: Path, *arguments: str) -> list[dict[str, str]]:
    """Return which repositories could not be read on the host."""
    done = run(root, "discover", "-o", "json", "--limit", HOST, *arguments)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, str]] = json.loads(done.stdout)["hosts"][0]["could_not_look"]
    return rows


def unseen(answer: dict[str, Any]) -> dict[str, str]:
    assert {row["host"] for row in answer["could_not_look"]} <= {HOST}
    return {row["repository"]: row["reason"] for row in answer["could_not_look"]}


def policy(root: Path, line: str) -> None:
    settings = root / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:\n", f"policy:\n  {line}\n"))


@pytest.fixture
def root(fresh_lab: WatchedLab, tmp_path: Path) -> Path:
    fresh_lab.touched.add(HOST)
    return copy_of(fresh_lab, tmp_path / "workspace")


def break_repositories(lab: Lab) -> None:
    signed = lab.in_tools(SIGN, stdin=lab.check(HOST, RELEASE).encode()).splitlines()
    lab.check(HOST, SET_UP, stdin=signed[-1].encode())
    lab.check(HOST, BREAK, stdin="".join(f"{line}\n" for line in signed[:-1]).encode())


def test_every_fault_is_told_of_its_repository_and_holds_the_host(
    fresh_lab: Lab, root: Path
) -> None:
    break_repositories(fresh_lab)
    both = ("--limit", f"{HOST},{OTHER}", "--package", "patchlab-web")
    held = create(root, *both, code=1)
    reasons = unseen(held)
    assert reasons.keys() == REASONS.keys()
    for repository, part in REASONS.items():
        assert part in reasons[repository], repository
    # The other host is planned, this one is left out with its reason and what is known of it.
    assert held["rings"]["staging"] == 1
    (row,) = [row for row in held["left_out"] if row["host"] == HOST]
    assert row["reason"] == "stale-lists"
    assert "1 known update not planned" in row["detail"]
    shown = run(root, "plan", "show", held["digest"][7:19]).stdout
    assert "Could not look at:" in shown and "NO_PUBKEY" in shown

    policy(root, "stale_lists: warn")
    warned = create(root, *both, "--snapshot", "latest", code=0)
    assert (warned["rings"]["staging"], unseen(warned)) == (2, reasons)
    nothing = run(root, "plan", "create", "--limit", HOST, "--snapshot", "latest",
                  "--package", "patchlab-lib")  # fmt: skip
    assert nothing.returncode == 0, nothing.stderr
    assert "stale-lists: staging-1" in nothing.stdout
    assert "nothing to do" not in nothing.stderr
    assert "so what is to do is not known: no plan was written" in nothing.stderr

    known = run(root, "discover", "show", HOST, "-o", "json").stdout
    assert "127.0.0.1:9/deb" in known and "secret-word" not in known


def test_a_lock_of_the_lists_is_waited_for_and_old_lists_tell_nothing(
    fresh_lab: Lab, root: Path
) -> None:
    begun = 'rm -f /run/patchlab-*ed; systemd-run -q --collect python3 -c "$(cat)"; '
    fresh_lab.check(
        HOST, f"{begun} until [ -e /run/patchlab-locked ]; do sleep 0.1; done", stdin=HOLD.encode()
    )
    assert discover(root, "--refresh") == []
    fresh_lab.check(HOST, "test -e /run/patchlab-waited")
    policy(root, "lists_max_age: 0s")
    time.sleep(1.1)  # ages are whole seconds
    old = create(root, "--limit", HOST, "--snapshot", "latest", code=1)
    assert set(unseen(old)) == {
        "file:/srv/patchlab/apt bookworm",
        "file:/srv/patchlab/apt bookworm-security",
    }
    assert all("older than policy.lists_max_age" in reason for reason in unseen(old).values())
    # A host without any lists, whose repositories nobody has ever looked into.
    fresh_lab.check(HOST, "rm -rf /var/lib/apt/lists/*")
    bare = discover(root)
    assert len(bare) == 2
    assert {row["reason"] for row in bare} == {"its package lists were never fetched"}
