"""Ask a host for the same things with each package manager, and choose the labs of a test.

A test that is the same on every host is marked `@over(...)`. It runs once for each kind: its `lab`,
and so its `fresh_lab` and `workspace`, are of that kind.
"""

import re
from functools import lru_cache

import pytest

from patchctl.lab.handle import Lab

KINDS = ("debian", "rpm", "mixed")
SIZES = {"debian": 6, "rpm": 6, "mixed": 8}


def over(*tested: str, further: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Run the test on a lab of each kind: with `make test` on those in `tested`, with `make
    manager-test` on those in `further` (none given: debian and rpm)."""
    others = [kind for kind in further or KINDS[:2] if kind not in tested]
    slow = [pytest.param(kind, marks=pytest.mark.managers) for kind in others]
    return pytest.mark.parametrize("lab", [*tested, *slow], indirect=True)


def kind_of(lab: Lab) -> str:
    """Return the lab's kind: debian, rpm or mixed."""
    images = {host.image for host in lab.hosts()}
    return images.pop() if len(images) == 1 else "mixed"


@lru_cache(maxsize=16)
def _images(lab: Lab) -> dict[str, str]:
    return {host.name: host.image for host in lab.hosts()}


def is_rpm(lab: Lab, host: str) -> bool:
    """Return whether the host is of the dnf family."""
    return _images(lab)[host] == "rpm"


def names(lab: Lab) -> tuple[str, ...]:
    """Return the names of all hosts, in the order of rings."""
    return tuple(_images(lab))


def version(lab: Lab, host: str, package: str) -> str:
    """Return the installed version, "" for none. A package that is not completely installed has
    dpkg's word for its state after the version, or "twice" for rpm."""
    if is_rpm(lab, host):
        query = f"rpm -q --qf '%{{VERSION}}-%{{RELEASE}}\\n' {package}"
        answer = lab.exec(host, query)
        return " and ".join(answer.out.split()) if answer.rc == 0 else ""
    query = f"dpkg-query -W -f '${{Version}} ${{db:Status-Abbrev}}' {package}"
    words = lab.exec(host, query).out.split()
    if not words or words[-1] in ("un", "rc"):
        return ""
    return " ".join(word for word in words if word != "ii")


def cut_off(lab: Lab, host: str, package: str) -> bool:
    """Return whether the update is running or was interrupted: not configured yet, or both versions
    are installed."""
    return " " in version(lab, host, package)


def config_file(lab: Lab, host: str, package: str) -> str:
    """Return the configuration file of a package that has one."""
    if is_rpm(lab, host):
        return lab.check(host, f"rpm -qc {package}").strip()
    return lab.check(host, f"dpkg-query -W -f '${{Conffiles}}' {package}").split()[0]


def upgrades(lab: Lab, host: str, package: str) -> list[str]:
    """Return a line of the package manager's own log for each change of the package's version,
    downgrades included."""
    if is_rpm(lab, host):
        log = lab.check(host, "cat /var/log/dnf.rpm.log 2>/dev/null || true")
        return re.findall(rf" (?:Upgrade|Downgrade): ({re.escape(package)}-[0-9]\S+)", log)
    log = lab.check(host, "cat /var/log/dpkg.log 2>/dev/null || true")
    words = (line.split() for line in log.splitlines())
    return [
        " ".join(w[2:]) for w in words if w[2:3] == ["upgrade"] and w[3].startswith(f"{package}:")
    ]


_APT_TIMER, _DNF_TIMER = "apt-daily-upgrade.timer", "dnf-automatic-install.timer"
_APT_UPDATER = f"""printf '#!/bin/sh\\n' >/usr/bin/unattended-upgrade
chmod 0755 /usr/bin/unattended-upgrade
echo 'APT::Periodic::Unattended-Upgrade "1";' >/etc/apt/apt.conf.d/20auto
systemctl enable --now {_APT_TIMER}"""
# Units as the package dnf-automatic has them.
_DNF_UPDATER = f"""cd /usr/lib/systemd/system
printf '[Timer]\\nOnCalendar=*-*-* 6:00\\n[Install]\\nWantedBy=timers.target\\n' >{_DNF_TIMER}
printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' >dnf-automatic-install.service
systemctl daemon-reload
systemctl enable --now {_DNF_TIMER}"""


def updater_timer(lab: Lab, host: str) -> str:
    """Return the timer of the program that updates such a host by itself."""
    return _DNF_TIMER if is_rpm(lab, host) else _APT_TIMER


def put_updater(lab: Lab, host: str) -> None:
    """Make the host update itself by its own timer."""
    lab.check(host, _DNF_UPDATER if is_rpm(lab, host) else _APT_UPDATER)


def automatic(lab: Lab, host: str) -> set[str]:
    """Return the lab's packages that were installed as dependencies."""
    if is_rpm(lab, host):
        asked = lab.check(host, "dnf -q repoquery --installed --qf '%{name} %{reason}'")
        words = [line.split() for line in asked.splitlines()]
        marked = [name for name, reason in words if reason != "user"]
    else:
        marked = lab.check(host, "apt-mark showauto").split()
    return {name for name in marked if name.startswith("patchlab-")}


def verify_files(lab: Lab, host: str, package: str) -> str:
    """Return the package manager's report of files that differ from the package's."""
    return lab.exec(host, f"{'rpm -V' if is_rpm(lab, host) else 'dpkg --verify'} {package}").out


def install(lab: Lab, host: str, package: str) -> None:
    """Install packages as an administrator does."""
    if is_rpm(lab, host):
        lab.check(host, f"dnf -q -y --refresh install {package}")
    else:
        lab.check(host, f"apt-get update -qq && apt-get install -y -qq {package}")


def new_file_beside(lab: Lab, host: str, path: str) -> str:
    """Return the path where the package manager writes a new configuration file that it does not
    install over an edited one."""
    return path + (".rpmnew" if is_rpm(lab, host) else ".dpkg-dist")


def broken(lab: Lab, host: str) -> str:
    """Return packages that are half installed or installed twice; "" for none."""
    if is_rpm(lab, host):
        twice = "rpm -qa --qf '%{NAME}.%{ARCH}\\n' | grep -v -e ^gpg-pubkey -e ^patchlab-kernel"
        return lab.check(host, f"rpm --verifydb >&2; {{ {twice}; }} | sort | uniq -d").strip()
    return lab.check(host, "dpkg --audit").strip()
