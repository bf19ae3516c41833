"""The lab that integration tests run on.

A session makes one lab of six hosts, or uses the one that PATCHCTL_TEST_LAB names. Where no
container engine works the tests are skipped with the reason; with CI=true they fail.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from patchctl.lab import engine as engines
from patchctl.lab import fleet, handle
from patchctl.lab.engine import EngineError
from patchctl.lab.handle import Lab

HOSTS = 6
_PREFIX = "test-"


def _progress(line: str) -> None:
    print(f"lab: {line}", file=sys.__stderr__, flush=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove_left_over() -> None:
    """Labs of sessions that were killed: the name carries the process id."""
    for name in {host.lab for host in fleet.status().hosts}:
        pid = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and pid.isdigit() and not _is_alive(int(pid)):
            fleet.down(name, _progress)


def _end(_number: int, _frame: FrameType | None) -> None:
    # pytest tears fixtures down after this exception, not after the signal itself.
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Six running Debian hosts: staging-1, staging-2, canary-1, production-1 to -3."""
    given = os.environ.get("PATCHCTL_TEST_LAB")
    if given:
        yield handle.find(given)
        return
    try:
        engines.find()
        _remove_left_over()
    except EngineError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    name = f"{_PREFIX}{os.getpid()}"
    before = signal.signal(signal.SIGTERM, _end)
    try:
        root = tmp_path_factory.mktemp("lab") / "workspace"
        yield fleet.up(name, HOSTS, "debian", root, _progress)
    finally:
        fleet.down(name, _progress)
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def fresh_lab(lab: Lab) -> Iterator[Lab]:
    """The lab; hosts that the test changed and its repository are as new for the next test.

    What counts as changed is decided by asking each host, so a test needs no list of its own.
    """
    _mark(lab)
    yield lab
    changed = [host.name for host in lab.hosts() if not _is_as_marked(lab, host.name)]
    lab.reset_repository()
    if changed:
        lab.reset(*changed)


# Packages, units, keys and the boot: what a test of patching changes.
_FINGERPRINT = (
    "{ cat /var/lib/dpkg/status /var/lib/apt/extended_states; ls -lR /etc /var/lib/patchctl; "
    "ls /srv/patchlab /usr/local/bin /run/reboot-required /var/lib/apt/lists; ls -l /proc/1/exe; "
    "cut -d' ' -f22 /proc/1/stat; systemctl --failed --plain --no-legend; "
    "systemctl is-active ssh.service; cat /proc/net/route; } 2>/dev/null | sha256sum"
)


def _mark(lab: Lab) -> None:
    for host in lab.hosts():
        lab.exec(host.name, f"{_FINGERPRINT} >/run/patchlab-mark")


def _is_as_marked(lab: Lab, host: str) -> bool:
    if lab.host(host).state != "running":
        return False
    result = lab.exec(host, f"{_FINGERPRINT} | cmp -s - /run/patchlab-mark", timeout_s=30)
    return result.rc == 0


@pytest.fixture
def workspace(lab: Lab, tmp_path: Path) -> Path:
    """A copy of the lab's workspace with a state of its own."""
    root = tmp_path / "workspace"
    shutil.copytree(lab.workspace, root, ignore=shutil.ignore_patterns(".patchctl", "plans"))
    root.chmod(0o755)
    return root
