"""The log's files: `<state>/audit/*.jsonl`, mode 0600."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ..adapters import files
from ..errors import AdapterError, IntegrityError
from ..models.audit import AuditLine

_HINT = "move it away; `patchctl audit rebuild` writes the log anew"


def paths(folder: Path) -> list[Path]:
    """The files, oldest first. Whatever else is named `*.jsonl` comes too, and is bad.

    Raises IntegrityError where the folder or a file is a link, or something else than it must be.
    """
    if not _is(folder, stat.S_ISDIR, "something else than a folder"):
        return []
    found = sorted(folder.glob("*.jsonl"))
    for path in found:
        _is(path, stat.S_ISREG, "something else than a file")
    return found


def own_folder(folder: Path) -> Path:
    """The folder, made where it is missing. Raises IntegrityError where it is a link: nothing is
    written through one."""
    _is(folder, stat.S_ISDIR, "something else than a folder")
    return files.private_folder(folder)


def length(path: Path) -> int:
    """Bytes in the file, 0 where there is none."""
    return path.lstat().st_size if _is(path, stat.S_ISREG, "something else than a file") else 0


def lines(folder: Path) -> Iterator[AuditLine]:
    """All lines as they stood when this was called: a writer may go on meanwhile.

    Raises AdapterError where a file cannot be read, IntegrityError where it is none of the log.
    """
    sizes = [(path, length(path)) for path in paths(folder)]
    return _lines(sizes)


def _lines(sizes: list[tuple[Path, int]]) -> Iterator[AuditLine]:
    for path, size in sizes:
        try:
            with files.open_regular(path) as file:
                number = 0
                while size > 0 and (data := file.readline(size)):
                    number += 1
                    size -= len(data)
                    yield AuditLine(file=str(path), number=number, data=data)
        except OSError as error:
            raise _unreadable(path, error) from error


def read(path: Path) -> list[bytes]:
    """A file's lines with their ends, none where there is no such file."""
    try:
        with files.open_regular(path) as file:
            return file.readlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, error) from error


def append(path: Path, offset: int, data: bytes) -> None:
    """Write `data` at `offset`, where the file's good part ends; durable when it returns.

    Whatever stood behind `offset` is cut. Raises AdapterError; the file may then hold a part of
    `data`, which the next writer cuts.
    """
    new = not _is(path, stat.S_ISREG, "something else than a file")
    files.private_file(path)
    try:
        with files.open_regular(path, "r+b") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            files.sync_folder(path.parent)
    except OSError as error:
        raise AdapterError(
            f"{path}: {error.strerror}", hint="free space; the journal has what is missing here"
        ) from error


def _is(path: Path, kind: Callable[[int], bool], otherwise: str) -> bool:
    """False where there is nothing. Raises IntegrityError for a link and for another kind."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(path, error) from error
    if not kind(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else otherwise
        raise IntegrityError(f"{path}: {what} stands where the audit log must be", hint=_HINT)
    return True


def _unreadable(path: Path, error: OSError) -> AdapterError | IntegrityError:
    if error.errno in (errno.ELOOP, errno.EINVAL):  # `open_regular`: it was changed just now
        return IntegrityError(f"{path}: {error.strerror}, the audit log is none", hint=_HINT)
    return AdapterError(f"{path}: {error.strerror}", hint="check the file's owner and mode")
