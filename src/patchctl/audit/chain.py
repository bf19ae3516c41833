"""Chain records by their hashes. Pure: bytes in, bytes out.

A line is exactly the canonical JSON of a record. So given journal entries have exactly one log, and
each changed byte is noticed, also one that means nothing in JSON, such as a space.
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
    """Return the entry's line with its line end, and the record's hash.

    `prev` is the hash of the record before. Raises IntegrityError where the entry of the journal
    was changed so that it cannot be read.
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
    """Return the record in a line, after a check of its form and its own hash.

    Raises BrokenRecordError where one of them is wrong.
    """
    if not data.endswith(b"\n"):
        raise BrokenRecordError("the line has no end")
    try:
        record = msgspec.json.decode(data, type=AuditRecord)
        # The same check as in `canonical.encode`. Only `event` can have floats; the types of all
        # other fields are known.
        canonical.refuse_floats(record.event)
        if msgspec.json.encode(record, order="sorted") + b"\n" != data:
            raise BrokenRecordError("it is not in the one form that records have")
    except _UNREADABLE as error:
        raise BrokenRecordError(f"it is not a record ({error})") from error
    # In canonical form the hash is that of the line without its hash field. Keys are sorted and
    # quotes in a text are escaped, so the last mark in the line is the record's own hash field.
    head, mark, tail = data[:-1].rpartition(f'"hash":"{record.hash}",'.encode())
    if (canonical.digest_bytes(head + tail) if mark else digest(record)) != record.hash:
        raise BrokenRecordError("its content does not have its hash")
    return record


def digest(record: AuditRecord) -> str:
    """Return the hash that the record must have."""
    body = msgspec.structs.asdict(record)
    del body["hash"]
    return canonical.digest(body)
