"""Store the journal: decisions and their outcomes, in one order over the whole database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, insert, select, update

from ...errors import ConflictError, IntegrityError, NotFoundError
from ...models import canonical
from ...models.audit import StoredEntry
from ...models.journal import Event, HostMoved, JournalEntry, RunMoved
from ...models.rollout import HostState
from .schema import counter, journal
from .schema import run as runs
from .transactions import Transactions

COUNTER = "journal"
_PAGE = 5000
_COLUMNS = (journal.c.seq, journal.c.run, journal.c.at, journal.c.event)
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class JournalReader:
    """Reads without blocking writers: each page is a short transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self, run: str, after: int = 0) -> Iterator[JournalEntry]:
        """Entries of a run with `seq` greater than `after`, oldest first."""
        query = select(*_COLUMNS).where(journal.c.run == run)
        return map(_entry, self._pages(query, after))

    def last(self, run: str) -> int:
        """The `seq` of the run's newest entry, 0 where it has none."""
        query = select(func.max(journal.c.seq)).where(journal.c.run == run)
        with self._transactions.read() as connection:
            return int(connection.scalar(query) or 0)

    def stored(self, after: int = 0) -> Iterator[StoredEntry]:
        """Entries of all runs with `seq` greater than `after`, oldest first."""
        for seq, run, at, event in self._pages(select(*_COLUMNS), after):
            yield StoredEntry(seq=seq, run=run, at=at, event=event)

    def patched(self) -> dict[str, int]:
        """Host -> when its last patching succeeded that no undo took back, epoch seconds UTC."""
        ends: dict[tuple[str, str], tuple[int, bool]] = {}
        # The words of a text inside an event are escaped, so only a state fits.
        moved = journal.c.event.like('%"kind":"host-moved"%') & (
            journal.c.event.like('%"to":"succeeded"%') | journal.c.event.like('%"to":"roll%')
        )
        for row in self._pages(select(*_COLUMNS).where(moved), 0):
            entry = _entry(row)
            if isinstance(entry.event, HostMoved):
                succeeded = entry.event.to is HostState.SUCCEEDED
                ends[entry.event.host, entry.run] = (entry.at // 1000, succeeded)
        patched: dict[str, int] = {}
        for (host, _), (at, succeeded) in ends.items():
            if succeeded:
                patched[host] = max(at, patched.get(host, 0))
        return patched

    def _pages(self, query: Select[Any], after: int) -> Iterator[Any]:
        ordered = query.order_by(journal.c.seq).limit(_PAGE)
        while True:
            with self._transactions.read() as connection:
                rows = connection.execute(ordered.where(journal.c.seq > after)).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq


class JournalWriter:
    """Implements `rollout.interfaces.Journal` for the controller that holds the fence."""

    def __init__(
        self, transactions: Transactions, run: str, fence: int, now_ms: Callable[[], int]
    ) -> None:
        self._transactions = transactions
        self._run = run
        self._fence = fence
        self._now_ms = now_ms
        self._reader = JournalReader(transactions)

    def append(self, run: str, events: Sequence[Event]) -> Sequence[JournalEntry]:
        """Write all events or none, in order, in one transaction; they are durable on return.

        Raises ConflictError where another controller has taken the run over.
        """
        if run != self._run:
            raise ValueError(f"this journal is for run {self._run}, not {run}")
        if not events:
            return ()
        payloads = [canonical.encode(event).decode() for event in events]
        at = self._now_ms()
        with self._transactions.write() as connection:
            self._check_fence(connection)
            first = _next(connection, len(events))
            connection.execute(
                insert(journal),
                [
                    {"seq": seq, "run": run, "at": at, "event": payload}
                    for seq, payload in enumerate(payloads, first)
                ],
            )
            moves = [event for event in events if isinstance(event, RunMoved)]
            if moves:
                connection.execute(
                    update(runs).where(runs.c.id == run).values(state=moves[-1].to.value)
                )
        return [
            JournalEntry(seq=seq, run=run, at=at, event=event)
            for seq, event in enumerate(events, first)
        ]

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        """Entries of a run with `seq` greater than `after`, oldest first."""
        return self._reader.read(run, after)

    def _check_fence(self, connection: Connection) -> None:
        query = select(runs.c.fence, runs.c.held_by).where(runs.c.id == self._run)
        row = connection.execute(query.with_for_update()).first()
        if row is None:
            raise NotFoundError(f"there is no run {self._run}")
        if row.fence != self._fence:
            raise ConflictError(
                f"run {self._run} was taken over by {row.held_by or 'another controller'}",
                hint=f"watch it with `patchctl rollout watch {self._run}`",
            )


def _next(connection: Connection, size: int) -> int:
    """Take `size` sequence numbers; a transaction that fails gives them back."""
    is_journal = counter.c.name == COUNTER
    changed = connection.execute(
        update(counter).where(is_journal).values(value=counter.c.value + size)
    )
    if changed.rowcount == 0:
        connection.execute(insert(counter).values(name=COUNTER, value=size))
        return 1
    last = connection.scalar(select(counter.c.value).where(is_journal))
    return int(last or 0) - size + 1


def _entry(row: Any) -> JournalEntry:
    seq, run, at, text = row
    try:
        event = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            f"journal entry {seq} of run {run} is not readable ({error})",
            hint="run `patchctl audit verify`",
        ) from error
    return JournalEntry(seq=seq, run=run, at=at, event=event)
