"""The chain of records. Pure: bytes in, bytes out.

A line is the canonical JSON of a record and nothing else, so that for given journal entries there
is exactly one log, and a changed byte is a changed log even where JSON would not care.
"""

import msgspec

from ..models import canonical
from ..models.audit import AuditRecord, StoredEntry

GENESIS = "sha256:" + "0" * 64


class BrokenRecordError(ValueError):
    """A line that is not a record; the message says what is wrong with it."""


def line(entry: StoredEntry, prev: str) -> tuple[bytes, str]:
    """The entry's line, with its line end, and its hash. `prev` is the hash before."""
    body = {
        "at": entry.at,
        "event": msgspec.json.decode(entry.event),
        "prev": prev,
        "run": entry.run,
        "seq": entry.seq,
    }
    digest = canonical.digest(body)
    return canonical.encode({**body, "hash": digest}) + b"\n", digest


def parse(data: bytes) -> AuditRecord:
    """The record of a whole line, checked by itself: form and hash.

    Raises BrokenRecordError.
    """
    if not data.endswith(b"\n"):
        raise BrokenRecordError("the line has no end")
    try:
        record = msgspec.json.decode(data, type=AuditRecord)
        if canonical.encode(record) + b"\n" != data:
            raise BrokenRecordError("it is not in the one form that records have")
    except (msgspec.MsgspecError, UnicodeError, TypeError) as error:
        raise BrokenRecordError(f"it is not a record ({error})") from error
    if digest(record) != record.hash:
        raise BrokenRecordError("its content does not have its hash")
    return record


def digest(record: AuditRecord) -> str:
    """The hash that the record must have."""
    body = msgspec.structs.asdict(record)
    del body["hash"]
    return canonical.digest(body)
