"""Tell which run has a host, held or only reserved, and claim hosts for a run.

A lease names a run and a host; the run's journal tells whether the host is held. A write
transaction has SQLite's only write lock, so nobody begins a ring between the check and the claim.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...errors import ConflictError
from ...models import words
from ...models.run_status import LeaseKind
from ..interfaces import State
from .reading import view_run


@dataclass(frozen=True, order=True)
class Lease:
    """An unfinished `run` has `host`. "held" sorts before "reserved"."""

    kind: LeaseKind
    run: str
    host: str


def leases_on(database: State, hosts: Iterable[str], *, but: str = "") -> list[Lease]:
    """Return the leases of these hosts, held ones first, without those of the run `but`."""
    runs = {host: run for host, run in database.leases.held(hosts).items() if run != but}
    views = {run: view_run(database, run) for run in set(runs.values())}
    return sorted(Lease(views[run].lease(host), run, host) for host, run in runs.items())


def claim(database: State, run: str, hosts: Collection[str]) -> None:
    """Take all these hosts for the run, or none. Hosts that it already has are no conflict.

    Raises ConflictError where another run holds or reserves one.
    """
    with database.write():
        refuse_leased(database, run, hosts)
        database.leases.claim_hosts(run, hosts)


def refuse_leased(database: State, run: str, hosts: Collection[str]) -> None:
    """Raise ConflictError where another run than this holds or reserves one of the hosts."""
    foreign = leases_on(database, hosts, but=run)
    if foreign:
        raise ConflictError(_sentence(foreign), hint=_let_it_end(foreign[0].run))


def refuse_to_clean(database: State, hosts: Sequence[str]) -> None:
    """Raise ConflictError where a run has one of the hosts and so needs its files there."""
    leases = leases_on(database, hosts)
    if leases:
        is_held = leases[0].kind is LeaseKind.HELD
        consequence = (
            "which could not go on or be undone" if is_held else "which has not begun there"
        )
        raise ConflictError(
            f"{_sentence(leases)}, {consequence}",
            hint=f"{_let_it_end(leases[0].run)}; --force removes all the same",
        )


def _let_it_end(run: str) -> str:
    return f"let it end: `patchctl rollout resume {run}` or `patchctl rollout abort {run}`"


def _sentence(leases: Sequence[Lease]) -> str:
    """`host a (and 1 more) is held by run r-1, host c is reserved by run r-1`."""
    return ", ".join(_groups(leases))


def _groups(leases: Sequence[Lease]) -> Iterator[str]:
    for (kind, run), group in groupby(leases, lambda lease: (lease.kind, lease.run)):
        hosts = [lease.host for lease in group]
        more = f" ({words.more(len(hosts) - 1)})" if len(hosts) > 1 else ""
        yield f"host {hosts[0]}{more} is {kind.value} by run {run}"
