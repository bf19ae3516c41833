"""Where this machine keeps files in memory: the place for what must not reach a disk.

`XDG_RUNTIME_DIR`, else `/dev/shm`. Both are looked at before they are believed: the variable may
name another user's folder (after sudo) or one on a disk, and a container may have no memory there.
tmpfs may be swapped out (tmpfs(5)), ramfs is not; neither survives a boot. It is this process's own
place, whoever asks it for something: another user's runtime folder would be refused.
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
    """`place`: a folder that is kept in memory, None without one. `kind`: of its file system.
    `passed_over`: why a place that comes before it, or any, is not taken; one line each."""

    place: Path | None
    kind: str = ""
    passed_over: tuple[str, ...] = ()


def find(environment: Mapping[str, str] | None = None) -> Memory:
    """The place to use."""
    passed_over = []
    for place, shown, private in _candidates(environment):
        if problem := _problem(place, private=private):
            passed_over.append(f"{shown} {problem}")
        else:
            found = mounts.kind(place)
            return Memory(place=place, kind=found, passed_over=tuple(passed_over))
    return Memory(place=None, passed_over=tuple(passed_over))


def places(environment: Mapping[str, str] | None = None) -> list[Path]:
    """Every place that another command of this user may have used: its environment may have been
    another one (cron sets no XDG_RUNTIME_DIR)."""
    usual = Path(f"/run/user/{os.geteuid()}")
    candidates = [*_candidates(environment), (usual, "", True)]
    found = [place for place, _, private in candidates if not _problem(place, private=private)]
    return list(dict.fromkeys(found))


def _candidates(environment: Mapping[str, str] | None) -> Iterator[tuple[Path, str, bool]]:
    """(place, its name in messages, whether it must be the user's alone)."""
    given = (os.environ if environment is None else environment).get(_VARIABLE, "")
    if given:
        yield Path(given), f"{_VARIABLE} ({given})", True
    yield _SHARED, str(_SHARED), False


def _problem(place: Path, *, private: bool) -> str:
    """Why nothing secret may be kept in the folder; "" where it may."""
    if not place.is_absolute():
        return "is no absolute path"
    try:
        state = place.stat()
        kind = mounts.kind(place)
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    if not stat.S_ISDIR(state.st_mode):
        return "is no folder"
    if kind not in _IN_MEMORY:
        return f"lies on {kind or 'a disk'}, not in memory"
    if private and (state.st_uid != os.geteuid() or state.st_mode & 0o077):
        return "is not this user's alone"
    others = state.st_mode & 0o022 and not state.st_mode & stat.S_ISVTX
    if others or state.st_uid not in (0, os.geteuid()):
        return "lets others remove what is not theirs"
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        return "is not writable"
    return ""
