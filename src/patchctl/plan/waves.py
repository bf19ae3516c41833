"""Divide a ring into waves: groups of hosts that are patched at the same time."""

import hashlib
from collections.abc import Collection

from ..models.policy import Amount


def at_once(amount: Amount, hosts: int) -> int:
    """Return how many of `hosts` the amount allows at once: at least one, percentages rounded up.

    >>> at_once(Amount(percent=10), 21), at_once(Amount(hosts=5), 3)
    (3, 3)
    """
    return min(max(1, amount.of(hosts)), hosts)


def waves(hosts: Collection[str], max_concurrent: Amount) -> tuple[tuple[str, ...], ...]:
    """Return the waves: each host is in exactly one, and no wave is larger than allowed.

    Hosts are ordered by a hash of their names, because neighbours (web1, web2, …) are often one
    cluster and should not all be in one wave. The waves depend on the names only, so a plan that is
    made again has the same waves.
    """
    if not hosts:
        return ()
    ordered = sorted(hosts, key=lambda name: (hashlib.sha256(name.encode()).digest(), name))
    size = at_once(max_concurrent, len(ordered))
    return tuple(
        tuple(sorted(ordered[start : start + size])) for start in range(0, len(ordered), size)
    )
