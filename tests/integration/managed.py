"""What a test asks of a host whatever its package manager is, and on which labs it runs.

A test that is the same on every host says `@over(...)`; its `lab`, and with that `fresh_lab` and
`workspace`, are then of one kind after the other.
"""

import re
from functools import lru_cache

import pytest

from patchctl.lab.handle import Lab

KINDS = ("debian", "rpm", "mixed")
SIZES = {"debian": 6, "rpm": 6, "mixed": 8}


def over(*tested: str, further: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Run on a lab of each kind: of those `tested` by `make test`, of the `further` ones (without
    any: debian and rpm) by `make manager-test`."""
    others = [kind for kind in further or KINDS[:2] if kind not in tested]
    slow = [pytest.param(kind, marks=pytest.mark.managers) for kind in others]
    return pytest.mark.parametrize("lab", [*tested, *slow], indirect=True)


def kind_of(lab: Lab) -> str:
    """debian, rpm or mixed."""
    images = {host.image for host in lab.hosts()}
    return images.pop() if len(images) == 1 else "mixed"


@lru_cache(maxsize=16)
def _images(lab: Lab) -> dict[str, str]:
    return {host.name: host.image for host in lab.hosts()}


def is_rpm(lab: Lab, host: str) -> bool:
    """Is it a host of the dnf family?"""
    return _images(lab)[host] == "rpm"


def names(lab: Lab) -> tuple[str, ...]:
    """Names of all hosts, ring after ring."""
    return tuple(_images(lab))


def version(lab: Lab, host: str, package: str) -> str:
    """The version that is installed; empty where it is not. What is not whole says so behind it,
    with dpkg's word for the state or because rpm has it twice."""
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
    """Is its update under way, or was it cut off: not configured yet, or there in both versions?"""
    return " " in version(lab, host, package)


def config_file(lab: Lab, host: str, package: str) -> str:
    """The configuration file of a package that has one."""
    if is_rpm(lab, host):
        return lab.check(host, f"rpm -qc {package}").strip()
    return lab.check(host, f"dpkg-query -W -f '${{Conffiles}}' {package}").split()[0]


def upgrades(lab: Lab, host: str, package: str) -> list[str]:
    """What the package manager's own log says of the package, once for each time that its version
    was changed, also back."""
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
    """The timer of what updates such a host by itself."""
    return _DNF_TIMER if is_rpm(lab, host) else _APT_TIMER


def put_updater(lab: Lab, host: str) -> None:
    """Let the host update itself, as its own timer does it."""
    lab.check(host, _DNF_UPDATER if is_rpm(lab, host) else _APT_UPDATER)


def automatic(lab: Lab, host: str) -> set[str]:
    """The lab's packages that count as brought by others, not as asked for."""
    if is_rpm(lab, host):
        asked = lab.check(host, "dnf -q repoquery --installed --qf '%{name} %{reason}'")
        words = [line.split() for line in asked.splitlines()]
        marked = [name for name, reason in words if reason != "user"]
    else:
        marked = lab.check(host, "apt-mark showauto").split()
    return {name for name in marked if name.startswith("patchlab-")}


def verify_files(lab: Lab, host: str, package: str) -> str:
    """What the package manager says of files that are not as the package has them."""
    return lab.exec(host, f"{'rpm -V' if is_rpm(lab, host) else 'dpkg --verify'} {package}").out


def install(lab: Lab, host: str, package: str) -> None:
    """As an administrator does it by hand."""
    if is_rpm(lab, host):
        lab.check(host, f"dnf -q -y --refresh install {package}")
    else:
        lab.check(host, f"apt-get update -qq && apt-get install -y -qq {package}")


def new_file_beside(lab: Lab, host: str, path: str) -> str:
    """Where the package manager puts a configuration file that it does not put in place."""
    return path + (".rpmnew" if is_rpm(lab, host) else ".dpkg-dist")


def broken(lab: Lab, host: str) -> str:
    """What is half installed, or there twice; empty on a host that is whole."""
    if is_rpm(lab, host):
        twice = "rpm -qa --qf '%{NAME}.%{ARCH}\\n' | grep -v -e ^gpg-pubkey -e ^patchlab-kernel"
        return lab.check(host, f"rpm --verifydb >&2; {{ {twice}; }} | sort | uniq -d").strip()
    return lab.check(host, "dpkg --audit").strip()
