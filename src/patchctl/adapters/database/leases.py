"""Store which controller drives a run, and which run holds a host. No lease ends by time alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from ...errors import ConflictError, NotFoundError
from ...models import words
from ...models.rollout import ProcessIdentity
from ...models.states import OVER
from .schema import host_lease
from .schema import run as runs
from .transactions import Transactions

_MANY = 500  # SQLite takes at most 999 variables in a statement in old builds


_OVER = sorted(OVER)


class Leases:
    """One controller for a run, one run for a host."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def take(
        self,
        run: str,
        process: ProcessIdentity,
        alive: Callable[[ProcessIdentity], bool],
        by: str,
    ) -> int:
        """Become the controller of the run; return its fence, which rises by one at each take.

        Raises ConflictError while the present controller's process is alive (unless it is
        `process` itself), NotFoundError where there is no such run.
        """
        with self._transactions.write() as connection:
            row = connection.execute(
                select(runs.c.fence, runs.c.holder, runs.c.held_by)
                .where(runs.c.id == run)
                .with_for_update()
            ).first()
            if row is None:
                raise NotFoundError(f"there is no run {run}", hint="see `patchctl rollout list`")
            holder = _process(row.holder)
            if holder is not None and holder != process and alive(holder):
                raise ConflictError(
                    f"run {run} is driven by process {holder.pid} of {row.held_by}",
                    hint=f"watch it with `patchctl rollout watch {run}`",
                )
            fence = int(row.fence) + 1
            connection.execute(
                update(runs)
                .where(runs.c.id == run)
                .values(fence=fence, holder=msgspec.json.encode(process).decode(), held_by=by)
            )
        return fence

    def drop(self, run: str, fence: int) -> None:
        """Give the run up; nothing happens where another controller has taken over."""
        with self._transactions.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == run, runs.c.fence == fence)
                .values(holder=None, held_by="")
            )

    def controller(self, run: str) -> tuple[ProcessIdentity, str] | None:
        """The process that took the run last and has not dropped it, and who started it."""
        with self._transactions.read() as connection:
            row = connection.execute(
                select(runs.c.holder, runs.c.held_by).where(runs.c.id == run)
            ).first()
        process = None if row is None else _process(row.holder)
        return None if row is None or process is None else (process, str(row.held_by))

    def claim_hosts(self, run: str, hosts: Iterable[str]) -> None:
        """Hold all these hosts for the run, or none. Hosts that it holds already are no conflict.

        Raises ConflictError that names a host and the run which holds it.
        """
        names = sorted(set(hosts))
        with self._transactions.write() as connection:
            # A controller that died after its run's last event could not give its hosts back.
            over = select(runs.c.id).where(runs.c.state.in_(_OVER))
            connection.execute(delete(host_lease).where(host_lease.c.run.in_(over)))
            held = _held(connection, names)
            foreign = [host for host in names if held.get(host, run) != run]
            if foreign:
                more = f" ({words.more(len(foreign) - 1)})" if len(foreign) > 1 else ""
                other = held[foreign[0]]
                raise ConflictError(
                    f"host {foreign[0]}{more} is held by run {other}",
                    hint=f"let it end: `patchctl rollout resume {other}` or"
                    f" `patchctl rollout abort {other}`",
                )
            rows = [{"host": host, "run": run} for host in names if host not in held]
            if rows:
                connection.execute(insert(host_lease), rows)

    def release_hosts(self, run: str, hosts: Iterable[str] | None = None) -> None:
        """Give back these hosts, or all that the run holds."""
        with self._transactions.write() as connection:
            of_run = delete(host_lease).where(host_lease.c.run == run)
            if hosts is None:
                connection.execute(of_run)
                return
            for batch in _batches(sorted(set(hosts))):
                connection.execute(of_run.where(host_lease.c.host.in_(batch)))

    def held(self, hosts: Iterable[str]) -> dict[str, str]:
        """The hosts among these that a run holds which is not over: host -> run, sorted by host."""
        with self._transactions.read() as connection:
            leases = _held(connection, sorted(set(hosts)))
            over = set(connection.scalars(select(runs.c.id).where(runs.c.state.in_(_OVER))))
        return {host: run for host, run in sorted(leases.items()) if run not in over}

    def holder(self, host: str) -> str | None:
        """The run that holds the host, or None."""
        with self._transactions.read() as connection:
            return connection.scalar(select(host_lease.c.run).where(host_lease.c.host == host))

    def hosts(self, run: str) -> list[str]:
        """The hosts that the run holds, sorted."""
        with self._transactions.read() as connection:
            query = select(host_lease.c.host).where(host_lease.c.run == run)
            return sorted(connection.scalars(query))


def _held(connection: Connection, hosts: list[str]) -> dict[str, str]:
    held: dict[str, str] = {}
    for batch in _batches(hosts):
        query = select(host_lease.c.host, host_lease.c.run).where(host_lease.c.host.in_(batch))
        held.update((row.host, row.run) for row in connection.execute(query))
    return held


def _batches(hosts: list[str]) -> Iterable[list[str]]:
    return (hosts[start : start + _MANY] for start in range(0, len(hosts), _MANY))


def _process(text: str | None) -> ProcessIdentity | None:
    return None if text is None else msgspec.json.decode(text, type=ProcessIdentity)
