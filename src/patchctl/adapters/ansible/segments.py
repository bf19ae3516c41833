"""Remove the shared memory in which Ansible hands a password to ssh.

Ansible writes an ssh password into shared memory that lasts as long as the ssh process
(ansible/plugins/connection/ssh.py; its name is in ssh's environment) and removes it afterwards.
Where Ansible is killed it stays, with the password in it, until the machine is switched off.
"""

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from ..files import open_regular

_SHARED = Path("/dev/shm")
_NAME = re.compile(r"psm_[0-9a-f]+")  # multiprocessing.shared_memory
_VARIABLE = b"_ANSIBLE_SSH_ASKPASS_SHM="
_MAX_BYTES = 1 << 16
# Ansible makes the memory a moment before it starts ssh.
_IDLE_S = 10


def named_by(pid: int) -> set[str]:
    """The segment names in the environment of that process; none where it may not be read."""
    try:
        environment = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return set()
    return {
        word.removeprefix(_VARIABLE).decode("ascii", "replace").lstrip("/")
        for word in environment
        if word.startswith(_VARIABLE)
    }


def remove(names: Iterable[str]) -> None:
    """Remove the segments of processes that were ended."""
    for name in names:
        if _NAME.fullmatch(name) and _holds_password(_SHARED / name):
            (_SHARED / name).unlink(missing_ok=True)


def sweep() -> None:
    """Remove the segments that no process of this machine can use any more."""
    try:
        segments = [path for path in _SHARED.iterdir() if _NAME.fullmatch(path.name)]
    except OSError:
        return
    idle = [path for path in segments if _is_idle(path) and _holds_password(path)]
    if idle:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        used = set().union(*map(named_by, pids))
        remove(path.name for path in idle if path.name not in used)


def _is_idle(path: Path) -> bool:
    try:
        return path.lstat().st_mtime < time.time() - _IDLE_S
    except OSError:
        return False


def _holds_password(path: Path) -> bool:
    """Is it this user's file, no link, with what Ansible's askpass program expects?"""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return False
            secret = json.loads(file.read(_MAX_BYTES).rstrip(b"\0"))
    except (OSError, ValueError):
        return False
    return isinstance(secret, dict) and set(secret) == {"password", "prompt"}
