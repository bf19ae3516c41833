"""Examine this machine: versions, ssh and its agent, clock, locale, space. Changes nothing."""

import ctypes
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdapterError
from . import memory, mounts
from .ansible.environment import clean_environment, program

_TIMEOUT_S = 10
# timedated's rule: the kernel's error estimate grows to 16 s and stays there while nothing
# disciplines the clock. STA_UNSYNC alone is set where ntpd serves the clock in its own way.
_LARGEST_ERROR_US = 16_000_000
_NETWORK_KINDS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "afs"})


@dataclass(frozen=True, kw_only=True)
class Space:
    """The file system of the nearest folder that exists. `network`: its kind, "" if local."""

    folder: Path
    free_bytes: int
    free_inodes: int | None
    network: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Versions are "" where the thing is missing.

    `ansible_problem`: why ansible-playbook cannot be started. `agent_keys`: None without an agent
    in the environment, -1 where it does not answer. `clock_synchronised`: None unknown.
    `locale_problem`: why programs of Ansible could not start with `locale`.
    """

    python: tuple[int, int, int]
    ansible_core: str
    ansible_runner: str
    ansible_problem: str
    ssh: str
    agent_keys: int | None
    git: str
    clock_synchronised: bool | None
    locale: str
    locale_problem: str
    space: Space
    memory: memory.Memory
    memory_free: int


def look(state: Path, environment: Mapping[str, str]) -> Machine:
    """Examine everything at once; `state` is the state's folder, which may not exist yet."""
    name, problem = _locale(environment)
    in_memory = memory.find(environment)
    return Machine(
        python=sys.version_info[:3],
        ansible_core=_version("ansible-core"),
        ansible_runner=_version("ansible-runner"),
        ansible_problem=_ansible_problem(),
        ssh=_ssh(),
        agent_keys=_agent_keys(environment),
        git=_git(),
        clock_synchronised=_clock_synchronised(),
        locale=name,
        locale_problem=problem,
        space=space(state),
        memory=in_memory,
        memory_free=space(in_memory.folder).free_bytes if in_memory.folder else 0,
    )


def space(folder: Path) -> Space:
    """Free space for an unprivileged user where the folder is or will be."""
    nearest = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    status = os.statvfs(nearest)
    return Space(
        folder=nearest,
        free_bytes=status.f_bavail * status.f_frsize,
        # btrfs counts no inodes.
        free_inodes=status.f_favail if status.f_files else None,
        network=_network(nearest),
    )


def _network(folder: Path) -> str:
    kind = mounts.kind(folder)
    return kind if kind in _NETWORK_KINDS else ""


def versions() -> tuple[str, str, str]:
    """Return the versions of Python, ansible-core and ansible-runner; "" for one that is missing.
    Loads none of them."""
    python = ".".join(map(str, sys.version_info[:3]))
    return python, _version("ansible-core"), _version("ansible-runner")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ansible_problem() -> str:
    try:
        program("ansible-playbook")
        program("ansible-inventory")
    except AdapterError as error:
        return str(error)
    return ""


def _ssh() -> str:
    done = _run("ssh", "-V")
    return "" if done is None else (done.stderr or done.stdout).split(",")[0].strip()


def _git() -> str:
    done = _run("git", "--version")
    return "" if done is None else done.stdout.strip().removeprefix("git version ")


def _agent_keys(environment: Mapping[str, str]) -> int | None:
    if not environment.get("SSH_AUTH_SOCK"):
        return None
    done = _run("ssh-add", "-l", environment=environment)
    # ssh-add(1): 1 where the command fails (no identities), 2 where there is no agent.
    if done is None or done.returncode not in (0, 1):
        return -1
    return len(done.stdout.splitlines()) if done.returncode == 0 else 0


def _locale(environment: Mapping[str, str]) -> tuple[str, str]:
    """The locale that Ansible's programs get, and why they would refuse it ("" if not)."""
    cleaned = clean_environment(environment)
    name = cleaned.get("LC_ALL") or cleaned.get("LC_CTYPE") or cleaned.get("LANG") or ""
    test = "import locale; locale.setlocale(locale.LC_ALL, '')"
    done = _run(sys.executable, "-I", "-c", test, environment=cleaned)
    return name, "" if done is not None and done.returncode == 0 else "it is not installed here"


def _clock_synchronised() -> bool | None:
    """Ask adjtimex(2), which changes nothing and needs no privilege when modes is 0."""

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_int),
            ("offset", ctypes.c_long),
            ("frequency", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("rest", ctypes.c_byte * 256),  # more than any architecture's struct has
        )

    timex = Timex()
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else bool(timex.maxerror < _LARGEST_ERROR_US)


def _run(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str] | None:
    """The finished program; None where it is missing or hangs."""
    if shutil.which(name) is None:
        return None
    try:
        return subprocess.run(
            [name, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env=None if environment is None else dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
