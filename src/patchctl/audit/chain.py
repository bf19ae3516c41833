"""Chain records by their hashes. Pure: bytes in, bytes out.

A line is the canonical JSON of a record and nothing else, so that for given journal entries there
is exactly one log, and a changed byte is a changed log even where JSON would not care.
"""

from typing import Any

import msgspec

from ..errors import IntegrityError
from ..models import canonical
from ..models.audit import AuditRecord, StoredEntry

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError)
GENESIS = "sha256:" + "0" * 64


class BrokenRecordError(ValueError):
    """A line that is not a record; the message says what is wrong with it."""


def line(entry: StoredEntry, prev: str) -> tuple[bytes, str]:
    """The entry's line, with its line end, and its hash. `prev` is the hash of the record before.

    Raises IntegrityError where the journal's entry was changed into something unreadable.
    """
    body: dict[str, Any] = {"at": entry.at, "prev": prev, "run": entry.run, "seq": entry.seq}
    try:
        body["event"] = msgspec.json.decode(entry.event)
        digest = canonical.digest(body)
    except _UNREADABLE as error:
        raise IntegrityError(
            f"journal entry {entry.seq} is not readable ({error})",
            hint="restore the state database from a backup",
        ) from error
    return canonical.encode({**body, "hash": digest}) + b"\n", digest


def parse(data: bytes) -> AuditRecord:
    """The record of a whole line, checked by itself: form and hash.

    Raises BrokenRecordError.
    """
    if not data.endswith(b"\n"):
        raise BrokenRecordError("the line has no end")
    try:
        record = msgspec.json.decode(data, type=AuditRecord)
        # The checks of `canonical.encode`; only `event` can hold other types than text and numbers.
        canonical.refuse_floats(record.event)
        if msgspec.json.encode(record, order="sorted") + b"\n" != data:
            raise BrokenRecordError("it is not in the one form that records have")
    except _UNREADABLE as error:
        raise BrokenRecordError(f"it is not a record ({error})") from error
    # In this one form the hash is that of the line without its hash field: keys are sorted, and a
    # quote within a text is escaped, so the last such mark is the record's own.
    head, mark, tail = data[:-1].rpartition(f'"hash":"{record.hash}",'.encode())
    if (canonical.digest_bytes(head + tail) if mark else digest(record)) != record.hash:
        raise BrokenRecordError("its content does not have its hash")
    return record


def digest(record: AuditRecord) -> str:
    """The hash that the record must have."""
    body = msgspec.structs.asdict(record)
    del body["hash"]
    return canonical.digest(body)
