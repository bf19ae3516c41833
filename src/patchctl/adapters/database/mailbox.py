"""Store the requests that operators send to a run, from any process."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import false, insert, select, update

from ...errors import NotFoundError
from ...models.journal import Command, CommandKind
from .schema import command as table
from .schema import run as runs
from .transactions import Transactions


class Mailbox:
    """Implements `rollout.interfaces.Mailbox`, and accepts what operators send."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def send(
        self, run: str, command: CommandKind, by: str, ring: str = "", reason: str = ""
    ) -> Command:
        """Leave a request. Raises NotFoundError where there is no such run."""
        with self._transactions.write() as connection:
            if connection.scalar(select(runs.c.id).where(runs.c.id == run)) is None:
                raise NotFoundError(f"there is no run {run}", hint="see `patchctl rollout list`")
            result = connection.execute(
                insert(table).values(
                    run=run, command=command.value, by=by, ring=ring, reason=reason, taken=False
                )
            )
            key = result.inserted_primary_key
        if key is None:
            raise RuntimeError("the database did not say the new row's key")
        return Command(id=key[0], run=run, command=command, by=by, ring=ring, reason=reason)

    def pending(self, run: str) -> Sequence[Command]:
        """The run's requests that are not yet taken, oldest first."""
        with self._transactions.read() as connection:
            rows = connection.execute(
                select(
                    table.c.id,
                    table.c.run,
                    table.c.command,
                    table.c.by,
                    table.c.ring,
                    table.c.reason,
                )
                .where(table.c.run == run, table.c.taken == false())
                .order_by(table.c.id)
            ).all()
        return [Command(**{**row._mapping, "command": CommandKind(row.command)}) for row in rows]

    def take(self, command: Command) -> None:
        """Mark the request as taken; a second time changes nothing."""
        with self._transactions.write() as connection:
            connection.execute(update(table).where(table.c.id == command.id).values(taken=True))
