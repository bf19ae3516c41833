"""Show the audit log, verify it, or write it again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..audit import chain, notes
from ..audit.decisions import is_decision
from ..audit.interfaces import LogFiles
from ..audit.verify import alone
from ..audit.verify import verify as check
from ..audit.writer import AuditWriter
from ..errors import IntegrityError, InvalidInputError, NotFoundError, UsageError
from ..models.audit import AuditNote, AuditRecord, AuditVerdict
from ..models.words import count
from .interfaces import State

_RESTORE = (
    "restore the database that the log was written from, or move the log away to begin a new one"
)
_BEHIND_S = 60
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Filter:
    """Which records to show; an empty field does not limit them. `since` is epoch ms UTC.
    `decisions`: without the steps that carry them out, unless a host is named."""

    run: str = ""
    host: str = ""
    since: int = 0
    decisions: bool = False

    def takes(self, record: AuditRecord) -> bool:
        """Return whether to show the record."""
        if record.at < self.since or not self.of_run(record) or not self.of_host(record):
            return False
        return bool(self.host) or not self.decisions or is_decision(record.event)

    def of_run(self, record: AuditRecord) -> bool:
        """Return whether the record is of the run. `run` may be the start or the end of its id."""
        return record.run.startswith(self.run) or record.run.endswith(self.run)

    def of_host(self, record: AuditRecord) -> bool:
        """Return whether the record concerns the host."""
        event = record.event
        return not self.host or event.get("host") == self.host or self.host in _hosts(event)


def _hosts(event: dict[str, object]) -> list[object]:
    hosts = event.get("hosts")
    return hosts if isinstance(hosts, list) else []


def records(
    log: LogFiles, record_filter: Filter, is_host: Callable[[str], bool] = lambda name: False
) -> Iterator[AuditRecord]:
    """Yield the records of the log's files, oldest first; leave out an incomplete last line.

    Raises IntegrityError at a line that is no record, NotFoundError at the end where the log knows
    no such run, or neither the log nor `is_host` knows the host.
    """
    run_known, host_known = not record_filter.run, not record_filter.host
    for record in _every(log):
        run_known = run_known or record_filter.of_run(record)
        host_known = host_known or record_filter.of_host(record)
        if record_filter.takes(record):
            yield record
    if not run_known:
        raise NotFoundError(
            f"the audit log has no run {record_filter.run!r}",
            hint="`patchctl rollout list` shows the runs",
        )
    if not host_known and not is_host(record_filter.host):
        raise NotFoundError(
            f"neither the audit log nor the inventory has a host {record_filter.host!r}",
            hint="`patchctl inventory list` shows the hosts",
        )


def _every(log: LogFiles) -> Iterator[AuditRecord]:
    for line in log.lines():
        if not line.data.endswith(b"\n"):
            return
        try:
            record = chain.parse(line.data)
        except chain.BrokenRecordError as error:
            raise IntegrityError(
                f"{line.file}:{line.number}: {error}", hint="run `patchctl audit verify`"
            ) from error
        yield record


def in_words(shown: Iterable[AuditRecord]) -> Iterator[AuditNote]:
    """Return the records in words."""
    return map(notes.note, shown)


def verify(log: LogFiles, database: Callable[[], State]) -> AuditVerdict:
    """Check that the log is complete, unchanged, and agrees with the journal. Changes nothing.

    `database` opens the state database. Raises NotFoundError where there is neither a log nor a
    database, AdapterError and ConflictError where one of them cannot be read.
    """
    try:
        return _compare(log, _opened(log, database))
    except IntegrityError as error:
        if isinstance(error, _NoJournalError):
            return alone(log.lines(), str(error))
        return AuditVerdict(ok=False, records=0, head="", error=str(error))


def _compare(log: LogFiles, database: State) -> AuditVerdict:
    # Read in this order: the head is never ahead of the files, nor the files of the journal.
    head = database.audit_head.get()
    lines = log.lines()
    verdict = check(lines, database.journal_reader().stored(), head)
    if verdict.ok and verdict.behind and not verdict.records:
        # A command that was killed in its first moment leaves this, but so does somebody who
        # removes the log and its head.
        first = next(iter(database.journal_reader().stored()))
        if first.at // 1000 < database.now_s() - _BEHIND_S:
            events = count(verdict.behind, "event")
            raise IntegrityError(
                f"{log.folder}: there is no audit log, and the journal has {events}",
                hint="write it with `patchctl audit rebuild`, if you know why",
            )
    return verdict


class _NoJournalError(IntegrityError):
    """There is a log, but no journal to compare it with."""


def _opened(log: LogFiles, database: Callable[[], State]) -> State:
    """Open the database. Raises NotFoundError where there is neither a log nor a database."""
    paths = log.paths()
    try:
        return database()
    except NotFoundError as error:
        if not paths:
            raise
        missing = "the state database of this audit log is missing or empty"
        raise _NoJournalError(f"{log.folder}: {missing}", hint=_RESTORE) from error
    except (InvalidInputError, IntegrityError) as error:
        if not paths:
            raise
        raise _NoJournalError(error.message, hint=_RESTORE) from error


def check_there(log: LogFiles, database: Callable[[], State]) -> None:
    """Raise IntegrityError where a log was written and is gone, so that an empty list is not taken
    for a quiet log."""
    if log.paths():
        return
    try:
        head = database().audit_head.get()
    except NotFoundError:
        return
    if head is not None:
        raise IntegrityError(
            f"{log.folder}: the audit log is gone, {head[0]} records were written",
            hint="restore it, or write it anew with `patchctl audit rebuild`",
        )


def rebuild(log: LogFiles, database: Callable[[], State]) -> tuple[int, Path]:
    """Write the log again from the journal; return its length and the folder of the old files.

    Raises IntegrityError where the journal is gone or another than the log was written from,
    NotFoundError where there is no state at all.
    """
    opened = _opened(log, database)
    folder_name = f"before-{datetime.fromtimestamp(opened.now_s(), UTC):%Y%m%d-%H%M%S}"
    return AuditWriter(log, opened).rebuild(folder_name), log.folder / folder_name


def since(text: str, now_ms: int) -> int:
    """Return the epoch ms of `90m` or `2d` ago, `2026-11-23` or `2026-11-23T11:45`; UTC where the
    text names no zone.

    Raises UsageError for any other text.
    """
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and unit in _UNITS:
        return now_ms - int(number) * _UNITS[unit] * 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text}: is not a valid time", hint="write 2h, 3d or 2026-11-23T11:45"
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1000
