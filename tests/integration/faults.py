"""Cause real faults on hosts. The matching function or `Lab.reset` ends a fault."""

import time

from patchctl.lab import hosts
from patchctl.lab.handle import Lab

_LOCK_UNIT = "patchlab-lock"
_DOWN_S = 90
# apt and dpkg lock with fcntl; flock(1) would not be noticed.
_LOCK = """\
import fcntl, time
held = [open(name, "w") for name in ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")]
for file in held:
    fcntl.lockf(file, fcntl.LOCK_EX)
open("/run/patchlab-locked", "w").close()
time.sleep(3600)
"""


# The lab's rpm repository names another key then than the one that signs its packages.
NAME_ANOTHER_KEY = """\
export GNUPGHOME=$(mktemp -d)
gpg --batch --quiet --passphrase '' --quick-generate-key o@x.invalid ed25519 sign never 2>/dev/null
gpg --batch --export --armor >/etc/pki/rpm-gpg/RPM-GPG-KEY-another
gpgconf --kill all
rm -rf "$GNUPGHOME"
cd /etc/yum.repos.d
sed -i -e s/^repo_gpgcheck=1/repo_gpgcheck=0/ -e /^gpgkey=/s/patchlab/another/ patchlab.repo"""


def hold_package_lock(lab: Lab, host: str) -> None:
    """Hold dpkg's locks as another package operation does."""
    lab.check(
        host,
        f"rm -f /run/patchlab-locked; systemd-run -q --unit={_LOCK_UNIT} --collect "
        'python3 -c "$(cat)"; until [ -e /run/patchlab-locked ]; do sleep 0.1; done',
        stdin=_LOCK.encode(),
    )


def free_package_lock(lab: Lab, host: str) -> None:
    """End `hold_package_lock`."""
    lab.check(host, f"systemctl stop {_LOCK_UNIT}; rm -f /run/patchlab-locked")


def small_disk(lab: Lab, host: str, folder: str, mib: int) -> None:
    """Make the host again with a file system of `mib` MiB over a folder."""
    lab.reset(host, tmpfs={folder: mib})


def fill_disk(lab: Lab, host: str, folder: str) -> None:
    """Fill the folder's file system. Use it after `small_disk` only, else the machine is filled."""
    kind = lab.check(host, f"stat -f -c %T {folder}").strip()
    if kind != "tmpfs":
        raise ValueError(f"{folder} of {host} is on the machine's own {kind}")
    lab.exec(host, f"cat /dev/zero >{folder}/patchlab-filler")


def stop_sshd(lab: Lab, host: str) -> None:
    """Stop sshd and its sessions."""
    lab.check(host, "systemctl stop ssh.service; pkill -x sshd || true")


def start_sshd(lab: Lab, host: str) -> None:
    """End `stop_sshd` and `never_come_back`."""
    lab.check(host, "systemctl unmask -q ssh.service; systemctl start ssh.service")


def never_come_back(lab: Lab, host: str) -> None:
    """Make the host unreachable after its next boot."""
    lab.check(host, "systemctl disable -q ssh.service; systemctl mask -q ssh.service")


def change_host_key(lab: Lab, host: str) -> None:
    """Give the host another key than the one in known_hosts."""
    lab.check(
        host,
        "rm -f /etc/ssh/ssh_host_ed25519_key*; "
        "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; "
        "systemctl restart ssh.service",
    )


def refuse_key(lab: Lab, host: str) -> None:
    """Make the host refuse the operator's key."""
    lab.check(host, ": >/home/ops/.ssh/authorized_keys")


def wrong_clock(lab: Lab, host: str, seconds: int) -> None:
    """Make `date` wrong by so many seconds, because containers share the machine's clock."""
    lab.check(
        host,
        "cat >/usr/local/bin/date && chmod 0755 /usr/local/bin/date",
        stdin=_DATE.format(seconds=seconds).encode(),
    )


_DATE = """\
#!/bin/sh
case " $*" in
*" -d"* | *" --date"* | *" -r"* | *" --reference"*) exec /usr/bin/date "$@" ;;
esac
exec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + {seconds}))" "$@"
"""


def pause(lab: Lab, host: str) -> None:
    """Freeze all processes of a host; connections to it hang."""
    lab.engine.run("pause", lab.container(host))


def unpause(lab: Lab, host: str) -> None:
    """End `pause`."""
    lab.engine.run("unpause", lab.container(host))


def cut_network(lab: Lab, host: str) -> None:
    """Take a host off the network; open connections hang."""
    lab.engine.run("network", "disconnect", hosts.network_name(lab.name), lab.container(host))


def heal_network(lab: Lab, host: str) -> None:
    """Undo `cut_network`."""
    lab.engine.run("network", "connect", hosts.network_name(lab.name), lab.container(host))


def wait_down(lab: Lab, host: str, started: str) -> None:
    """Wait until the PID 1 that started at `started` (field 22 of its stat) has ended."""
    deadline = time.monotonic() + _DOWN_S
    while time.monotonic() < deadline:
        now = lab.exec(host, "cut -d' ' -f22 /proc/1/stat")
        if now.rc != 0 or now.out.strip() != started.strip():
            return
        time.sleep(0.2)
    raise TimeoutError(f"{host}: did not go down within {_DOWN_S} s")
