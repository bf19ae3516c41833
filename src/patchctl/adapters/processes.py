"""Identify processes and tell whether they still run, from /proc (proc(5)).

A pid alone does not identify a process for long: it is used again after a while and after a boot.
A pid with the boot's id and the process's start time is used once.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..models.rollout import ProcessIdentity

_PROC = Path("/proc")


def identity(pid: int | None = None) -> ProcessIdentity | None:
    """The identity of a process (None: this one), or None where no such process runs.

    A zombie counts as ended: it runs nothing any more and only waits for its parent to ask.
    """
    number = os.getpid() if pid is None else pid
    fields = _stat(number)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    # Counted from field 3 (state), the first one after the command's name.
    return ProcessIdentity(
        pid=number, pgid=int(fields[2]), start=int(fields[19]), boot_id=boot_id()
    )


def own() -> ProcessIdentity:
    """The identity of this process."""
    process = identity()
    if process is None:
        raise RuntimeError("/proc does not show this process")
    return process


def is_alive(process: ProcessIdentity) -> bool:
    """Does exactly this process still run? False for a later one with the same pid."""
    if process.boot_id != boot_id():
        return False
    running = identity(process.pid)
    return running is not None and running.start == process.start


def boot_id() -> str:
    """The kernel's identity of this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    return text.rpartition(")")[2].split()


def begin_apart(
    command: Sequence[str], output: Path, folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Begin a process that goes on without this one and its terminal; what it prints is added to
    the file."""
    with output.open("ab") as written:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
