"""Protocols of what the audit log uses: its files, the journal, and a store for its last record."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..models.audit import AuditLine, StoredEntry


class LogFiles(Protocol):
    """The files of one log, in one folder.

    All methods raise IntegrityError where the path of a log file is something else (a link, a
    folder), AdapterError where the system refuses access.
    """

    @property
    def folder(self) -> Path:
        """The folder that holds them."""

    def prepare(self) -> None:
        """Make the folder if it is missing."""

    def locked(self) -> AbstractContextManager[None]:
        """Lock the log against other writers. Raises ConflictError after a long wait."""

    def paths(self) -> list[Path]:
        """Return the files, oldest first.

        All names `*.jsonl` are in the list; one that is no file of the log raises an error when it
        is read.
        """

    def length(self, path: Path) -> int:
        """Return the number of bytes in the file, 0 where there is none."""

    def lines(self) -> Iterator[AuditLine]:
        """Yield all lines that the log had at the time of the call; others may write meanwhile."""

    def read(self, path: Path) -> list[bytes]:
        """Return the file's lines with their line ends; none where there is no such file."""

    def append(self, path: Path, offset: int, data: bytes) -> None:
        """Cut the file at `offset` and append `data`. The data is on disk when this returns."""

    def set_aside(self, name: str) -> None:
        """Move all files into the folder's subfolder `name`."""


class JournalSource(Protocol):
    """Reads the journal."""

    def stored(self, after: int = 0) -> Iterable[StoredEntry]:
        """Return the entries of all runs with `seq` greater than `after`, oldest first."""


class HeadStore(Protocol):
    """Stores which record is the last one on disk, outside of the log's files."""

    def get(self) -> tuple[int, str] | None:
        """Return (seq, hash) of the last record, or None before the first one."""

    def set(self, seq: int, digest: str) -> None:
        """Store (seq, hash) of the last record. It is called after the files are synced."""


class AuditState(Protocol):
    """The parts of the state database that the log uses."""

    @property
    def audit_head(self) -> HeadStore:
        """Return the store of the log's last record."""

    def journal_reader(self) -> JournalSource:
        """Return the reader of the journal."""
