"""The log's files: `<state>/audit/*.jsonl`, mode 0600."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..adapters import files
from ..errors import AdapterError
from ..models.audit import AuditLine


def paths(folder: Path) -> list[Path]:
    """The files, oldest first. Whatever else is named `*.jsonl` comes too, and is bad."""
    return sorted(folder.glob("*.jsonl"))


def lines(folder: Path) -> Iterator[AuditLine]:
    """All lines as they stood when this was called: a writer may go on meanwhile.

    Raises AdapterError where a file cannot be read.
    """
    sizes = [(path, _size(path)) for path in paths(folder)]
    return _lines(sizes)


def _lines(sizes: list[tuple[Path, int]]) -> Iterator[AuditLine]:
    for path, size in sizes:
        try:
            with path.open("rb") as file:
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
        with path.open("rb") as file:
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
    new = not path.exists()
    files.private_file(path)
    try:
        with path.open("r+b") as file:
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> AdapterError:
    return AdapterError(f"{path}: {error.strerror}", hint="check the file's owner and mode")
