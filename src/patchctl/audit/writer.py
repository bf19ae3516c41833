"""Write the journal entries that the log lacks.

The log is derived from the journal: it is the same whoever writes it, when, and with how many
interruptions. Several processes may write; each continues from the head in the database.
"""

import threading
from itertools import islice
from types import TracebackType
from typing import Self

from ..errors import IntegrityError, PatchctlError
from ..models.audit import AuditLine, StoredEntry
from ..models.journal import JournalEntry
from . import chain, layout, tail
from .interfaces import AuditState, LogFiles

BATCH = 1000
_PAUSE_S = 0.5
_RESTORE = "the state database was changed; restore it from a backup"


class AuditWriter:
    """Writes new journal entries to the log. Implements `rollout.interfaces.EventSink`.

    `on_entry` only wakes a thread, which calls `catch_up` at most twice a second; `close` writes
    the rest. A failure in the thread is stored in `error` and does not stop the rollout, because
    the journal has all entries, and the next `catch_up` writes them.
    """

    def __init__(
        self,
        log: LogFiles,
        database: AuditState,
        *,
        file_records: int = layout.FILE_RECORDS,
    ) -> None:
        self._log = log
        self._journal = database.journal_reader()
        self._head = database.audit_head
        self._file_records = file_records
        self._known: tail.Position | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: PatchctlError | None = None

    def catch_up(self) -> int:
        """Write every journal entry that the log lacks; return how many were written.

        An incomplete last line, which the head does not include, is cut off. Raises IntegrityError,
        with nothing changed, where the log lacks records that it had, or has records that the
        journal does not have. Raises AdapterError where the disk is full.
        """
        self._log.prepare()
        with self._log.locked():
            position = self._find()
            first = position.seq
            entries = iter(self._journal.stored(position.seq))
            while batch := list(islice(entries, min(BATCH, position.room))):
                position = self._write(position, batch)
            self._known = position
        return position.seq - first

    def rebuild(self, aside: str) -> int:
        """Write the whole log again; the old files move into the folder's subfolder `aside`.

        Return the number of records. Raises IntegrityError, with nothing changed, where the journal
        does not lead to the head in the database, or lacks a record that the log has: then the
        journal itself was changed.
        """
        self._log.prepare()
        with self._log.locked():
            self._known = None
            self._check_journal()
            self._log.set_aside(aside)
            self._head.set(*tail.NOTHING)
        return self.catch_up()

    def on_entry(self, entry: JournalEntry) -> None:
        """Wake the writer thread, because the journal has a new entry."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="audit", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Write the rest. A failure is stored in `error`."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._stop.clear()
        self._try()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            self._try()
            self._stop.wait(_PAUSE_S)

    def _try(self) -> None:
        try:
            self.catch_up()
        except PatchctlError as error:
            self.error = error
        else:
            self.error = None

    def _find(self) -> tail.Position:
        known, self._known = self._known, None
        head = self._head.get() or tail.NOTHING
        if known is not None and known[:2] == head and self._log.length(known.path) == known.offset:
            return known
        position = tail.find(self._log, self._file_records, head, self._journal)
        if position[:2] != head:
            self._head.set(position.seq, position.hash)
        return position

    def _write(self, position: tail.Position, batch: list[StoredEntry]) -> tail.Position:
        data, digest = _lines(position, batch)
        self._log.append(position.path, position.offset, data)
        seq = position.seq + len(batch)
        self._head.set(seq, digest)
        end = position.offset + len(data)
        return tail.position(self._log.folder, self._file_records, seq, digest, end, position.path)

    def _check_journal(self) -> None:
        head = self._head.get() or tail.NOTHING
        seq, digest = tail.NOTHING
        for entry in islice(self._journal.stored(), head[0]):
            seq, digest = entry.seq, chain.line(entry, digest)[1]
        if (seq, digest) != head:
            raise IntegrityError(
                f"the journal does not give the audit log whose record {head[0]} was written",
                hint=_RESTORE,
            )
        written = max(map(_seq, self._log.lines()), default=0)
        if written and next(iter(self._journal.stored(written - 1)), None) is None:
            raise IntegrityError(
                f"the journal has no entry {written}, the audit log has its record", hint=_RESTORE
            )


def _seq(line: AuditLine) -> int:
    """Return the number of the record in the line; 0 where it is no record."""
    try:
        return chain.parse(line.data).seq
    except chain.BrokenRecordError:
        return 0


def _lines(position: tail.Position, batch: list[StoredEntry]) -> tuple[bytes, str]:
    data = bytearray()
    digest = position.hash
    for seq, entry in enumerate(batch, position.seq + 1):
        if entry.seq != seq:
            raise IntegrityError(
                f"the journal goes from entry {seq - 1} to {entry.seq}",
                hint="restore the state database from a backup",
            )
        line, digest = chain.line(entry, digest)
        data += line
    return bytes(data), digest
