"""Store small texts by key."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from .schema import meta
from .transactions import Transactions


class Meta:
    """Texts by key."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def get(self, key: str) -> str | None:
        """The value, or None where none was set."""
        with self._transactions.read() as connection:
            return connection.scalar(select(meta.c.value).where(meta.c.key == key))

    def set(self, key: str, value: str | None) -> None:
        """Replace the value; None removes it."""
        with self._transactions.write() as connection:
            connection.execute(delete(meta).where(meta.c.key == key))
            if value is not None:
                connection.execute(insert(meta).values(key=key, value=value))
