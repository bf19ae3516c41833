"""What the audit log needs from outside: its files, the journal, and a store for its end."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..models.audit import AuditLine, StoredEntry


class LogFiles(Protocol):
    """The files of one log, in one folder. All methods raise IntegrityError where something that
    is no file of the log stands in its place, AdapterError where the system refuses."""

    @property
    def folder(self) -> Path:
        """The folder that holds them."""

    def prepare(self) -> None:
        """Make the folder where it is missing."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the log against other writers. Raises ConflictError after a long wait."""

    def paths(self) -> list[Path]:
        """The files, oldest first, with anything else that is named `*.jsonl` and fails later."""

    def length(self, path: Path) -> int:
        """Bytes in the file, 0 where there is none."""

    def lines(self) -> Iterator[AuditLine]:
        """All lines as they stood when this was called: a writer may go on meanwhile."""

    def read(self, path: Path) -> list[bytes]:
        """A file's lines with their ends, none where there is no such file."""

    def append(self, path: Path, offset: int, data: bytes) -> None:
        """Cut the file at `offset` and write `data` there; durable when it returns."""

    def set_aside(self, name: str) -> None:
        """Move all files into the folder's subfolder `name`."""


class JournalSource(Protocol):
    """Where entries come from."""

    def stored(self, after: int = 0) -> Iterable[StoredEntry]:
        """Entries of all runs with `seq` greater than `after`, oldest first."""


class HeadStore(Protocol):
    """Stores the position of the last durable record outside of the files."""

    def get(self) -> tuple[int, str] | None:
        """(seq, hash), or None before the first record."""

    def set(self, seq: int, digest: str) -> None:
        """Store the position; it is called after the files are synced."""


class AuditState(Protocol):
    """The part of the state database that the log needs."""

    @property
    def audit_head(self) -> HeadStore:
        """The end of the log."""

    def journal_reader(self) -> JournalSource:
        """The journal."""
