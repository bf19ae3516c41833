"""Verify that the log is complete and unchanged. Pure: lines, journal and head -> verdict."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from ..errors import IntegrityError
from ..models.audit import AuditLine, AuditVerdict, StoredEntry
from . import chain
from .layout import FILE_RECORDS, file_name, first_seq

Head = tuple[int, str]


class _BadError(Exception):
    """The first bad record: file, line and reason. Caught in this module."""

    def __init__(self, at: AuditLine | None, what: str) -> None:
        super().__init__(f"{at.file}:{at.number}: {what}" if at else what)


def verify(
    lines: Iterable[AuditLine],
    journal: Iterable[StoredEntry],
    head: Head | None,
    file_records: int = FILE_RECORDS,
) -> AuditVerdict:
    """Check the log's own chain, and compare the log with the journal and the database's head.

    `lines` and `journal` begin at the first record. Records after the head are good where the
    journal has them, because a crash may come after a write to the file and before that of the
    head. For the same reason the last line may be incomplete.
    """
    check = _Check(iter(journal), head, file_records)
    try:
        for line in lines:
            check.line(line)
        check.end()
    except (_BadError, IntegrityError) as error:
        return AuditVerdict(ok=False, records=check.seq, head=check.shown, error=str(error))
    behind = check.remaining()
    return AuditVerdict(ok=True, records=check.seq, head=check.shown, behind=behind)


def alone(lines: Iterable[AuditLine], error: str) -> AuditVerdict:
    """Return the verdict where there is no journal to compare with; `error` says why.

    It is never ok, because a log alone proves nothing. `records` counts the records of its chain.
    """
    seq, digest = 0, chain.GENESIS
    for line in lines:
        try:
            record = chain.parse(line.data)
        except chain.BrokenRecordError:
            break
        if (record.seq, record.prev) != (seq + 1, digest):
            break
        seq, digest = record.seq, record.hash
    return AuditVerdict(ok=False, records=seq, head=digest if seq else "", error=error)


class _Check:
    def __init__(
        self, journal: Iterator[StoredEntry], head: Head | None, file_records: int
    ) -> None:
        self._journal = journal
        self._head = head
        self._file_records = file_records
        self._torn: AuditLine | None = None
        self._ahead = 0
        self.seq = 0
        self.hash = chain.GENESIS

    @property
    def shown(self) -> str:
        return self.hash if self.seq else ""

    def line(self, line: AuditLine) -> None:
        if self._torn is not None:
            raise _BadError(self._torn, "the line has no end, and others follow it")
        entry = next(self._journal, None)
        if entry is not None and entry.seq != self.seq + 1:
            raise _BadError(line, f"the journal goes from entry {self.seq} to {entry.seq}")
        expected, digest = chain.line(entry, self.hash) if entry else (b"", "")
        if not line.data.endswith(b"\n") and self._beyond_head() and entry:
            self._keep_torn(line, expected)
            return
        # A line that is equal to the journal's can only be wrong in its position.
        if line.data != expected:
            raise self._fault(line, known=entry is not None)
        self._check_position(line, self.seq + 1)
        self._check_head(line, self.seq + 1, digest)
        self.seq, self.hash = self.seq + 1, digest

    def _keep_torn(self, line: AuditLine, expected: bytes) -> None:
        if not expected.startswith(line.data):
            raise _BadError(line, "torn, and not the beginning of the record that comes here")
        self._torn = line
        self._ahead = 1

    def _fault(self, line: AuditLine, *, known: bool) -> _BadError:
        """Return the reason why this line is not the expected one."""
        try:
            record = chain.parse(line.data)
        except chain.BrokenRecordError as error:
            return _BadError(line, f"where record {self.seq + 1} must be: {error}")
        if record.seq != self.seq + 1:
            return _BadError(line, f"record {record.seq} stands where {self.seq + 1} must be")
        if record.prev != self.hash:
            return _BadError(line, f"record {record.seq} does not follow the record before it")
        if not known:
            return _BadError(line, "the journal has no such entry")
        return _BadError(line, f"record {record.seq} is not what the journal says")

    def _check_position(self, line: AuditLine, seq: int) -> None:
        number = seq - first_seq(seq, self._file_records) + 1
        name = file_name(seq, self._file_records)
        if (PurePath(line.file).name, line.number) != (name, number):
            raise _BadError(line, f"record {seq} does not belong here")

    def _beyond_head(self) -> bool:
        return self._head is None or self.seq >= self._head[0]

    def _check_head(self, line: AuditLine, seq: int, digest: str) -> None:
        if self._head is not None and self._head[0] == seq and self._head[1] != digest:
            raise _BadError(line, f"record {seq} is not the one that the database remembers")

    def end(self) -> None:
        if self._head is not None and self.seq < self._head[0]:
            raise _BadError(
                None, f"the log ends with record {self.seq}, {self._head[0]} were written"
            )

    def remaining(self) -> int:
        return self._ahead + sum(1 for _ in self._journal)
