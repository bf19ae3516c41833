"""Store runs with their plan and state, and find the run that a name means."""

from __future__ import annotations

import builtins
from typing import Any

from sqlalchemy import Select, func, insert, select

from ...errors import ConflictError, InvalidInputError, NotFoundError
from ...models.rollout import RunState
from ...models.state import RunSummary
from .schema import run as table
from .transactions import Transactions


class Runs:
    """Name, plan and state of runs; their history is in the journal."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, run_id: str, plan: str, hosts: int, created: int, by: str) -> RunSummary:
        """Add a run: `hosts` is a count, `created` is epoch seconds UTC.

        Raises ConflictError where a run of that id exists.
        """
        row = {
            "id": run_id,
            "plan": plan,
            "hosts": hosts,
            "created": created,
            "by": by,
            "state": RunState.PLANNED.value,
            "fence": 0,
            "held_by": "",
        }
        with self._transactions.write() as connection:
            if connection.scalar(select(table.c.id).where(table.c.id == run_id)) is not None:
                raise ConflictError(f"run {run_id} exists already", hint="try again")
            connection.execute(insert(table).values(row))
        return _summary(row)

    def get(self, run_id: str) -> RunSummary:
        """The run of exactly this id. Raises NotFoundError."""
        runs = self._read(_columns().where(table.c.id == run_id))
        if not runs:
            raise NotFoundError(f"there is no run {run_id}", hint="see `patchctl rollout list`")
        return runs[0]

    def list(self, limit: int | None = None) -> builtins.list[RunSummary]:
        """Runs, newest first."""
        return self._read(_columns().order_by(table.c.number.desc()).limit(limit))

    def latest(self) -> RunSummary | None:
        """The run that was added last, or None."""
        runs = self.list(1)
        return runs[0] if runs else None

    def resolve(self, prefix: str) -> RunSummary:
        """The run whose id is this, or the only one whose id begins or ends with it.

        Raises NotFoundError, or InvalidInputError where several fit.
        """
        size = len(prefix)
        fits = (func.substr(table.c.id, 1, size) == prefix) | (
            func.substr(table.c.id, -size) == prefix
        )
        matches = (
            self._read(_columns().where(fits).order_by(table.c.number.desc())) if prefix else []
        )
        exact = [run for run in matches if run.id == prefix]
        if exact or len(matches) == 1:
            return (exact or matches)[0]
        if matches:
            names = ", ".join(run.id for run in matches[:5])
            raise InvalidInputError(f"run {prefix!r} may be one of {names}", hint="give more of it")
        raise NotFoundError(f"there is no run {prefix!r}", hint="see `patchctl rollout list`")

    def _read(self, query: Select[Any]) -> builtins.list[RunSummary]:
        with self._transactions.read() as connection:
            return [_summary(row._mapping) for row in connection.execute(query)]


_NAMES = RunSummary.__struct_fields__


def _columns() -> Select[Any]:
    return select(*(table.c[name] for name in _NAMES))


def _summary(row: Any) -> RunSummary:
    values = {name: row[name] for name in _NAMES}
    return RunSummary(**{**values, "state": RunState(values["state"])})
