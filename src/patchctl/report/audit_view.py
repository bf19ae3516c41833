"""Show the audit log to people and programs. Pure: models to views."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..models.audit import AuditNote, AuditRecord, AuditVerdict
from ..models.words import count
from .view import Lines, Note, Part, View


@dataclass(frozen=True)
class AuditLogView(View):
    """`audit show`: programs get the records, people a sentence for each."""

    records: Callable[[], Iterable[AuditRecord]]
    notes: Callable[[], Iterable[AuditNote]]

    def data(self) -> list[AuditRecord]:
        """All records, oldest first."""
        return list(self.records())

    def parts(self) -> Iterator[Part]:
        """A line for each record. Two spaces separate its fields, so awk and grep can read it."""
        yield Lines(map(_line, self.notes()))


def _line(note: AuditNote) -> str:
    event = f"{note.event}: {note.reason}" if note.reason else note.event
    return "  ".join((note.at, note.run, note.host or "-", event))


@dataclass(frozen=True)
class AuditVerdictView(View):
    """`audit verify`."""

    verdict: AuditVerdict

    def data(self) -> AuditVerdict:
        """The result of the check."""
        return self.verdict

    def parts(self) -> Iterator[Part]:
        """One line where the log is unchanged. Otherwise the verb reports what is wrong as an
        error.
        """
        if self.verdict.ok:
            head = self.verdict.head or "none"
            yield Lines([f"ok: {count(self.verdict.records, 'record')}, head {head}"])


@dataclass(frozen=True)
class AuditRebuiltView(View):
    """`audit rebuild`. `old_files` is the folder that now has the damaged log."""

    records: int
    old_files: str

    def data(self) -> dict[str, object]:
        """How many records were written, and where the old ones are."""
        return {"records": self.records, "old_files": self.old_files}

    def parts(self) -> Iterator[Part]:
        """The same in one line."""
        written = f"{count(self.records, 'record')} written"
        yield Note(f"{written}; the old files are in {self.old_files}", kept=True)
