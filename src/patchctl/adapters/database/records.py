"""Store the records to which lists of packages, pending updates and repositories point."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from itertools import count

from sqlalchemy import Connection, insert, select, update

from . import packing
from .schema import counter, record

_COUNTER = "record"
_MINE = counter.c.name == _COUNTER


class RecordReader(packing.Texts):
    """Records by number, as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        firsts = connection.scalars(select(record.c.first).order_by(record.c.first)).all()

        def fetch(first: int) -> bytes:
            query = select(record.c.data).where(record.c.first == first)
            return bytes(connection.execute(query).scalar_one())

        super().__init__(firsts, fetch)


class RecordWriter:
    """Numbers records in one transaction that writes; `finish` stores those that are new."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbering: packing.Numbering | None = None

    def pack(self, lists: Iterable[Iterable[bytes]]) -> bytes:
        """Three lists of records in their stored form."""
        if self._numbering is None:
            self._numbering = self._begin()
        return packing.pack(self._numbering.of(lists))

    def finish(self) -> None:
        """Store the new records; nothing can be packed after it."""
        numbering, self._numbering = self._numbering, None
        if numbering is None or not numbering.new:
            return
        rows = [
            {"first": first, "data": data}
            for first, data in packing.pages(numbering.new, numbering.next_free)
        ]
        self._connection.execute(insert(record), rows)
        used = numbering.next_free + len(numbering.new)
        self._connection.execute(update(counter).where(_MINE).values(value=used))

    def _begin(self) -> packing.Numbering:
        """Number on from all stored records: those of years of updates are some megabytes."""
        # Lock the row before reading anything: on PostgreSQL another writer waits here.
        touch = update(counter).where(_MINE).values(value=counter.c.value)
        if self._connection.execute(touch).rowcount == 0:
            self._connection.execute(insert(counter).values(name=_COUNTER, value=0))
        next_free = self._connection.scalar(select(counter.c.value).where(_MINE))
        known: dict[bytes, int] = {}
        for first, data in self._connection.execute(select(record.c.first, record.c.data)):
            # Whoever reads a damaged page notices it; its records get new numbers.
            with contextlib.suppress(ValueError):
                known.update(zip(packing.records_of(data), count(first), strict=False))
        return packing.Numbering(known, int(next_free or 0))
