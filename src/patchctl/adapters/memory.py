"""Find the folder that this machine keeps in memory, for what must not reach a disk.

It is `XDG_RUNTIME_DIR`, else `/dev/shm`. Both are checked before use: the variable may name another
user's folder (after sudo) or one on a disk, and a container may have no memory there. tmpfs may be
swapped out (tmpfs(5)), ramfs is not; neither survives a boot. The folder is always this process's
own, whoever asks for something: another user's runtime folder would be refused.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import mounts

_VARIABLE = "XDG_RUNTIME_DIR"
_SHARED = Path("/dev/shm")
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, kw_only=True)
class Memory:
    """`folder` is kept in memory, None without one. `kind`: of its file system. `passed_over`: why
    a folder that comes before it, or any, is not used; one line each."""

    folder: Path | None
    kind: str = ""
    passed_over: tuple[str, ...] = ()


def find(environment: Mapping[str, str] | None = None) -> Memory:
    """The folder to use."""
    passed_over = []
    for folder, shown, private in _candidates(environment):
        if problem := _problem(folder, private=private):
            passed_over.append(f"{shown} {problem}")
        else:
            kind = mounts.kind(folder)
            return Memory(folder=folder, kind=kind, passed_over=tuple(passed_over))
    return Memory(folder=None, passed_over=tuple(passed_over))


def folders(environment: Mapping[str, str] | None = None) -> list[Path]:
    """Every folder that another command of this user may have used: its environment may have been
    different (cron sets no XDG_RUNTIME_DIR)."""
    usual = Path(f"/run/user/{os.geteuid()}")
    candidates = [*_candidates(environment), (usual, "", True)]
    usable = [folder for folder, _, private in candidates if not _problem(folder, private=private)]
    return list(dict.fromkeys(usable))


def _candidates(environment: Mapping[str, str] | None) -> Iterator[tuple[Path, str, bool]]:
    """(folder, its name in messages, must it be the user's alone?)."""
    named = (os.environ if environment is None else environment).get(_VARIABLE, "")
    if named:
        yield Path(named), f"{_VARIABLE} ({named})", True
    yield _SHARED, str(_SHARED), False


def _problem(folder: Path, *, private: bool) -> str:
    """Why nothing secret may be kept in the folder; "" where it may."""
    if not folder.is_absolute():
        return "is not an absolute path"
    try:
        state = folder.stat()
        kind = mounts.kind(folder)
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    if not stat.S_ISDIR(state.st_mode):
        return "is not a folder"
    if kind not in _IN_MEMORY:
        return f"lies on {kind or 'a disk'}, not in memory"
    if private and (state.st_uid != os.geteuid() or state.st_mode & 0o077):
        return "is not this user's alone"
    others = state.st_mode & 0o022 and not state.st_mode & stat.S_ISVTX
    if others or state.st_uid not in (0, os.geteuid()):
        return "lets others remove what is not theirs"
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return "is not writable"
    return ""
