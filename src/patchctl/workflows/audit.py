"""The audit log: show it, verify it, write it anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..audit import chain, log, words
from ..audit.verify import verify as check
from ..audit.writer import AuditWriter
from ..errors import IntegrityError, UsageError
from ..models.audit import AuditNote, AuditRecord, AuditVerdict

if TYPE_CHECKING:
    # Showing the log needs no database, whose library takes longer to import than all the rest.
    from ..adapters.database import Database

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Filter:
    """Which records to show; what is empty does not matter. `since` is epoch ms UTC."""

    run: str = ""
    host: str = ""
    since: int = 0

    def takes(self, record: AuditRecord) -> bool:
        """`run` may be the beginning or the end of a run's id."""
        if record.at < self.since:
            return False
        if not (record.run.startswith(self.run) or record.run.endswith(self.run)):
            return False
        event = record.event
        return not self.host or event.get("host") == self.host or self.host in _hosts(event)


def _hosts(event: dict[str, object]) -> list[object]:
    hosts = event.get("hosts")
    return hosts if isinstance(hosts, list) else []


def records(folder: Path, wanted: Filter) -> Iterator[AuditRecord]:
    """Records of the log's files, oldest first.

    Raises IntegrityError at a line that is no record; a torn last line is left out.
    """
    for line in log.lines(folder):
        if not line.data.endswith(b"\n"):
            return
        try:
            record = chain.parse(line.data)
        except chain.BrokenRecordError as error:
            raise IntegrityError(
                f"{line.file}:{line.number}: {error}", hint="run `patchctl audit verify`"
            ) from error
        if wanted.takes(record):
            yield record


def notes(folder: Path, wanted: Filter) -> Iterator[AuditNote]:
    """The same in words."""
    return map(words.note, records(folder, wanted))


def verify(folder: Path, database: "Database") -> AuditVerdict:
    """Is the log whole, unchanged, and what the journal says? Changes nothing."""
    # In this order: the head never runs ahead of the files, nor they of the journal.
    head = database.audit_head.get()
    lines = log.lines(folder)
    return check(lines, database.journal_reader().stored(), head)


def rebuild(folder: Path, database: "Database") -> tuple[int, Path]:
    """Write the log anew from the journal; the answer is its length and where the old files lie.

    Raises IntegrityError where the journal is not the one that the log was written from.
    """
    aside = f"before-{datetime.fromtimestamp(database.now_s(), UTC):%Y%m%d-%H%M%S}"
    return AuditWriter(folder, database).rebuild(aside), folder / aside


def since(text: str, now_ms: int) -> int:
    """Epoch ms of `90m`, `2d`, `2026-11-23` or `2026-11-23T11:45`; UTC where no zone is said.

    Raises UsageError.
    """
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and unit in _UNITS:
        return now_ms - int(number) * _UNITS[unit] * 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text}: this is no time", hint="write 2h, 3d or 2026-11-23T11:45"
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1000
