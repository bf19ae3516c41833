"""Is the log whole and unchanged? Pure: lines, journal entries and the head in, a verdict out."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from ..models.audit import AuditLine, AuditRecord, AuditVerdict, StoredEntry
from . import chain
from .layout import FILE_RECORDS, file_name, first_seq

Head = tuple[int, str]


class _BadError(Exception):
    """The first thing that is wrong, with its place."""

    def __init__(self, at: AuditLine | None, what: str) -> None:
        super().__init__(f"{at.file}:{at.number}: {what}" if at else what)


def verify(
    lines: Iterable[AuditLine],
    journal: Iterable[StoredEntry],
    head: Head | None,
    file_records: int = FILE_RECORDS,
) -> AuditVerdict:
    """Compare the log with itself, with the journal and with the head that the database keeps.

    `lines` and `journal` begin at the first record. Records after the head are good where the
    journal has them: a crash may come between the file and the head. So is the torn beginning of
    the next line.
    """
    check = _Check(iter(journal), head, file_records)
    try:
        for line in lines:
            check.line(line)
        check.end()
    except _BadError as error:
        return AuditVerdict(ok=False, records=check.seq, head=check.shown, error=str(error))
    behind = check.remaining()
    return AuditVerdict(ok=True, records=check.seq, head=check.shown, behind=behind)


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
        expected = self._expected(line)
        if not line.data.endswith(b"\n") and self._beyond_head():
            if not expected.startswith(line.data):
                raise _BadError(line, "torn, and not the beginning of the record that comes here")
            self._torn = line
            self._ahead = 1
            return
        record = self._parse(line)
        if expected != line.data:
            raise _BadError(line, f"record {record.seq} is not what the journal says")
        self.seq, self.hash = record.seq, record.hash
        self._check_head(line)

    def _parse(self, line: AuditLine) -> AuditRecord:
        try:
            record = chain.parse(line.data)
        except chain.BrokenRecordError as error:
            raise _BadError(line, f"where record {self.seq + 1} must be: {error}") from error
        if record.seq != self.seq + 1:
            raise _BadError(line, f"record {record.seq} stands where {self.seq + 1} must be")
        if record.prev != self.hash:
            raise _BadError(line, f"record {record.seq} does not follow the record before it")
        if not self._at_home(record.seq, line):
            raise _BadError(line, f"record {record.seq} does not belong here")
        return record

    def _at_home(self, seq: int, line: AuditLine) -> bool:
        number = seq - first_seq(seq, self._file_records) + 1
        name = file_name(seq, self._file_records)
        return (PurePath(line.file).name, line.number) == (name, number)

    def _expected(self, line: AuditLine) -> bytes:
        entry = next(self._journal, None)
        if entry is None:
            self._parse(line)
            raise _BadError(line, "the journal has no such entry")
        if entry.seq != self.seq + 1:
            raise _BadError(line, f"the journal goes from entry {self.seq} to {entry.seq}")
        return chain.line(entry, self.hash)[0]

    def _beyond_head(self) -> bool:
        return self._head is None or self.seq >= self._head[0]

    def _check_head(self, line: AuditLine) -> None:
        if self._head is not None and self.seq == self._head[0] and self.hash != self._head[1]:
            raise _BadError(line, f"record {self.seq} is not the one that the database remembers")

    def end(self) -> None:
        if self._head is not None and self.seq < self._head[0]:
            raise _BadError(
                None, f"the log ends with record {self.seq}, {self._head[0]} were written"
            )

    def remaining(self) -> int:
        return self._ahead + sum(1 for _ in self._journal)
