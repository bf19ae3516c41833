"""Refuse a machine that is in the inventory under two names: it would be patched twice."""

from collections.abc import Collection

from ..errors import InvalidInputError, Problem
from ..models.snapshot import Snapshot


def check_machines(snapshot: Snapshot, hosts: Collection[str]) -> None:
    """Raise InvalidInputError where two of these hosts are one machine.

    The machine-id alone is no proof, because clones share it. Two machines never have the same
    machine-id and the same boot id.
    """
    names: dict[tuple[str, str, int], list[str]] = {}
    for host in snapshot.hosts:
        if host.facts is not None and host.facts.machine_id and host.name in hosts:
            boot = host.facts.boot
            key = (host.facts.machine_id, boot.boot_id, boot.pid1_start)
            names.setdefault(key, []).append(host.name)
    twice = [
        f"hosts {', '.join(sorted(same))} are one machine; keep one of them in the inventory"
        for same in names.values()
        if len(same) > 1
    ]
    if twice:
        raise InvalidInputError(problems=[Problem(message=line) for line in sorted(twice)])
