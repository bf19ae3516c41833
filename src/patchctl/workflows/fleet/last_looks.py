"""Put together the last look at each host of the fleet, which came with different discoveries."""

from collections.abc import Iterable, Mapping

from ...errors import NotFoundError
from ...models.fleet import Fleet
from ...models.snapshot import HostResult, Snapshot
from ...models.state import LastLook, LastLooks


def last_looks(
    fleet: Fleet,
    looks: Mapping[str, LastLook],
    results: Iterable[HostResult],
    elapsed_ms: Mapping[str, int],
) -> LastLooks:
    """Return the last look at each host of the fleet. `looks` and `results` are of all hosts that
    were ever looked at, `elapsed_ms` is by snapshot.

    Raises NotFoundError where none of the fleet ever was.
    """
    names = {host.name for host in fleet.hosts}
    shown = [result for result in results if result.name in names and result.name in looks]
    if not shown:
        raise NotFoundError("no host was ever looked at", hint="run `patchctl discover`")
    own = [looks[result.name] for result in shown]
    newest = max(own, key=lambda look: (look.taken, look.snapshot))
    seen = {result.name for result in shown}
    return LastLooks(
        snapshot=Snapshot(
            id=newest.snapshot,
            taken=newest.taken,
            elapsed_ms=elapsed_ms.get(newest.snapshot, 0),
            hosts=tuple(shown),
        ),
        snapshots=tuple(look.snapshot for look in own),
        taken=tuple(look.taken for look in own),
        never=tuple(sorted(names - seen)),
    )
