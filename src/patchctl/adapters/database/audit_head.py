"""Store the position of the last record that is durable in the audit log's files."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from .schema import audit_head
from .transactions import Transactions


class AuditHead:
    """Sequence number and hash of the record that the files must end with, or go beyond."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def get(self) -> tuple[int, str] | None:
        """(seq, hash), or None before the first record."""
        with self._transactions.read() as connection:
            row = connection.execute(select(audit_head.c.seq, audit_head.c.hash)).first()
        return None if row is None else (int(row.seq), str(row.hash))

    def set(self, seq: int, digest: str) -> None:
        """Store the position; call it after the files are synced."""
        with self._transactions.write() as connection:
            changed = connection.execute(update(audit_head).values(seq=seq, hash=digest))
            if changed.rowcount == 0:
                connection.execute(insert(audit_head).values(id=1, seq=seq, hash=digest))
