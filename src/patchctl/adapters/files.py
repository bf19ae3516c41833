"""Make private folders and files, write files whole or not at all, and lock between processes."""

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from ..errors import AdapterError, ConflictError

_POLL_S = 0.05
# With less free space no work is begun: work under way needs room to record its state.
_ROOM = 4 * 1024 * 1024


def private_folder(path: Path) -> Path:
    """The folder with mode 0700; it and its parents are made where they are missing."""
    with translated(path):
        # `parents=True` would give the folders above the mode that the umask leaves.
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    return path


def private_file(path: Path) -> Path:
    """An existing or new empty file with mode 0600. A symbolic link is refused."""
    with translated(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        try:
            if os.fstat(handle).st_mode & 0o177:
                os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    return path


def open_regular(path: Path, mode: Literal["rb", "r+b"] = "rb") -> BinaryIO:
    """Open a regular file. Raises OSError where it is none: a link is not followed, and a FIFO does
    not block."""
    flags = os.O_RDONLY if mode == "rb" else os.O_RDWR
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:  # open(2): O_NOFOLLOW met a link
            raise OSError(errno.ELOOP, "is a symbolic link", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return os.fdopen(handle, mode)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file's content whole or not at all; durable when it returns."""
    with translated(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def replace(new: Path, path: Path) -> None:
    """Move a file that another program wrote to `path`; durable when it returns."""
    with translated(path):
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make new and renamed names in the folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, *, timeout_s: float = 30.0) -> Iterator[None]:
    """Hold an exclusive lock between processes; the kernel frees it when its holder dies.

    The lock file stays: removing it would let two processes lock two files of one name.
    Raises ConflictError when somebody else holds it for `timeout_s`.
    """
    with translated(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(handle, path, time.monotonic() + timeout_s)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ConflictError(
                    f"{path}: another patchctl holds this lock", hint="wait for it and try again"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def check_room(path: Path, more: int = 0) -> None:
    """Raise AdapterError where the file system of the folder is all but full, or would be with
    `more` bytes."""
    with translated(path):
        space = os.statvfs(path)
    if space.f_bavail * space.f_frsize < _ROOM + more:
        raise AdapterError(
            f"{path}: less than {(_ROOM + more) >> 20} MiB are free on this machine",
            hint="free space there",
        )


def is_full(path: Path) -> bool:
    """Is the folder's file system too full to begin work? A failure there may be due to that."""
    try:
        space = os.statvfs(path)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < _ROOM


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise AdapterError with the file's name instead of the system's errors."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise AdapterError(
            f"{where}: {error.strerror}", hint="check the folder's space, owner and mode"
        ) from error
