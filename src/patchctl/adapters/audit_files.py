"""Read and write the audit log's files: `<state>/audit/*.jsonl`, mode 0600."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import AdapterError, IntegrityError
from ..models.audit import AuditLine
from . import files

_HINT = "move it away; `patchctl audit rebuild` writes the log anew"


class AuditFiles:
    """Implements `audit.interfaces.LogFiles` over a folder.

    Nothing is read or written through a link: all methods raise IntegrityError where a link, or
    something else than a file of the log, stands in the log's place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder where it is missing, with mode 0700."""
        _is_kind(self.folder, stat.S_ISDIR, "something else than a folder")
        files.private_folder(self.folder)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the log against other writers. Raises ConflictError after a long wait."""
        return files.locked(self.folder / ".lock")

    def paths(self) -> list[Path]:
        """The files, oldest first, with anything else that is named `*.jsonl` and fails later."""
        if not _is_kind(self.folder, stat.S_ISDIR, "something else than a folder"):
            return []
        paths = sorted(self.folder.glob("*.jsonl"))
        for path in paths:
            _is_kind(path, stat.S_ISREG, "something else than a file")
        return paths

    def length(self, path: Path) -> int:
        """Bytes in the file, 0 where there is none."""
        return path.lstat().st_size if _is_file(path) else 0

    def lines(self) -> Iterator[AuditLine]:
        """All lines as they stood when this was called: a writer may go on meanwhile.

        Raises AdapterError where a file cannot be read.
        """
        sizes = [(path, self.length(path)) for path in self.paths()]
        return _lines(sizes)

    def read(self, path: Path) -> list[bytes]:
        """A file's lines with their line ends; none where there is no such file."""
        try:
            with files.open_regular(path) as file:
                return file.readlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(path, error) from error

    def append(self, path: Path, offset: int, data: bytes) -> None:
        """Write `data` at `offset`, where the file's good part ends; durable when it returns.

        What is behind `offset` is cut off. Raises AdapterError; the file may then hold a part of
        `data`, which the next writer cuts off.
        """
        new = not _is_file(path)
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

    def set_aside(self, name: str) -> None:
        """Move all files into the folder's subfolder `name`."""
        target = files.private_folder(self.folder / name)
        for path in self.paths():
            path.rename(target / path.name)
        files.sync_folder(self.folder)


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


def _is_file(path: Path) -> bool:
    return _is_kind(path, stat.S_ISREG, "something else than a file")


def _is_kind(path: Path, kind: Callable[[int], bool], otherwise: str) -> bool:
    """False where nothing has this path. Raises IntegrityError for a link and for another kind."""
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
