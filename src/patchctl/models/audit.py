"""Records of the audit log, which is derived from the journal and can be verified."""

from typing import Any

from .base import Model


class StoredEntry(Model):
    """A journal entry in its stored form: `event` is the canonical JSON text of the event.

    The log is made from this text and not from the decoded event, so that old records stay the same
    when a model gets a new field.
    """

    seq: int
    run: str
    at: int
    event: str


class AuditRecord(Model):
    """One line of the log. `at` is epoch ms UTC, `event` the journal's event as JSON builtins.

    `hash` is `sha256:…` over the canonical JSON of all other fields; `prev` is the hash of the
    record before, `chain.GENESIS` in the first one.
    """

    seq: int
    at: int
    run: str
    event: dict[str, Any]
    prev: str
    hash: str


class AuditLine(Model):
    """A line of the log with its file and number. The last line may be without a line end."""

    file: str
    number: int
    data: bytes


class AuditVerdict(Model):
    """`audit verify -o json`. `head` is the hash of the last good record, "" where there is none.

    `error` names the first bad record with file and line. `behind` counts journal entries that
    are not in the log yet: the next start of patchctl writes them.
    """

    ok: bool
    records: int
    head: str
    error: str = ""
    behind: int = 0


class AuditNote(Model):
    """One record in words, for `audit show`. Text from hosts in it is not cleaned yet."""

    seq: int
    at: str
    run: str
    event: str
    host: str = ""
    reason: str = ""
