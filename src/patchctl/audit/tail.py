"""Find where to write the next record, after a check that the written records are still there."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..errors import IntegrityError
from . import chain, layout
from .interfaces import JournalSource, LogFiles

NOTHING = (0, chain.GENESIS)
_REBUILD = "restore the file, or write the log anew with `patchctl audit rebuild`"
_FOREIGN = "this log belongs to another state database: bring the two together again"


class Position(NamedTuple):
    """The end of the log: record `seq` with this `hash` is the last good one.

    The next record goes to `path` at `offset`, in bytes. The file has room for `room` more records.
    """

    seq: int
    hash: str
    path: Path
    offset: int
    room: int


def position(
    folder: Path, file_records: int, seq: int, digest: str, offset: int, path: Path | None = None
) -> Position:
    """Return the position after record `seq`.

    `offset` is the end of `path`; it is not used where that file is full or not given, because the
    next record then begins a new file.
    """
    following = folder / layout.file_name(seq + 1, file_records)
    room = layout.first_seq(seq + 1, file_records) + file_records - seq - 1
    return Position(seq, digest, following, offset if following == path else 0, room)


def find(
    log: LogFiles, file_records: int, head: tuple[int, str], journal: JournalSource
) -> Position:
    """Return the end of the log: the head in the database, or a later record from before a crash.

    An incomplete line after the last good record is cut off. Raises IntegrityError where the log
    lacks records that it had, or has records that the journal does not have.
    """
    end = _behind_head(log, file_records, head)
    while (further := _adopt(log, file_records, end, journal)) != end:
        end = further
    for path in log.paths():
        if path.name > end.path.name and log.read(path):
            raise IntegrityError(
                f"audit log {path}: it begins after what the journal has", hint=_FOREIGN
            )
    return end


def _behind_head(log: LogFiles, file_records: int, head: tuple[int, str]) -> Position:
    seq, digest = head
    if seq == 0:
        return position(log.folder, file_records, *head, 0)
    path = log.folder / layout.file_name(seq, file_records)
    number = seq - layout.first_seq(seq, file_records) + 1
    lines = log.read(path)[:number]
    if len(lines) < number:
        raise IntegrityError(
            f"audit log {path}: it ends before record {seq}, which was written", hint=_REBUILD
        )
    try:
        record = chain.parse(lines[-1])
    except chain.BrokenRecordError as error:
        raise IntegrityError(f"audit log {path}:{number}: {error}", hint=_REBUILD) from error
    if (record.seq, record.hash) != head:
        raise IntegrityError(
            f"audit log {path}:{number}: this is not record {seq} as it was written", hint=_REBUILD
        )
    return position(log.folder, file_records, seq, digest, sum(map(len, lines)), path)


def _adopt(log: LogFiles, file_records: int, at: Position, journal: JournalSource) -> Position:
    """Accept complete records of a writer that ended before it could store the new head.

    An incomplete line may follow them. Raises IntegrityError for a complete, valid record that the
    journal does not have: it may be evidence of manipulation, so it is not cut off.
    """
    number = at.seq - layout.first_seq(at.seq + 1, file_records) + 1
    lines = log.read(at.path)[number:]
    entries = iter(islice(journal.stored(at.seq), at.room) if lines else ())
    seq, digest, offset = at.seq, at.hash, at.offset
    for index, line in enumerate(lines):
        entry = next(entries, None)
        expected, following = chain.line(entry, digest) if entry else (b"", "")
        if line != expected:
            if any(map(_is_record, lines[index:])):
                raise IntegrityError(
                    f"audit log {at.path}:{number + index + 1}: the journal has no such entry",
                    hint=_FOREIGN,
                )
            log.append(at.path, offset, b"")
            break
        seq, digest, offset = seq + 1, following, offset + len(line)
    return position(log.folder, file_records, seq, digest, offset, at.path)


def _is_record(line: bytes) -> bool:
    try:
        chain.parse(line)
    except chain.BrokenRecordError:
        return False
    return True
