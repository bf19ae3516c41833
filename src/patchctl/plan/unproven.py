"""Proof coverage: which transitions of a ring no earlier ring will have proven."""

from collections.abc import Mapping, Sequence

from ..models.plan import Cohort, Transition, Unproven

_Key = tuple[str, str, str, str]


def unproven(
    rings: Sequence[str], cohorts: Mapping[str, Cohort], placed: Mapping[str, Mapping[str, str]]
) -> tuple[Unproven, ...]:
    """Transitions by ring. `placed` is ring to host to cohort id; `rings` are in their order.

    The first ring is where things are proven, so nothing of it is listed. A later ring is
    compared with every ring before it, whether or not those have hosts in the plan: an empty
    staging proves nothing.
    """
    proven: set[_Key] = set()
    found: list[Unproven] = []
    for index, ring in enumerate(rings):
        here: dict[_Key, list[str]] = {}
        for host, cohort in placed.get(ring, {}).items():
            for one in cohorts[cohort].transitions:
                here.setdefault(_key(one), []).append(host)
        if index > 0:
            found.extend(
                Unproven(
                    ring=ring,
                    package=key[0],
                    arch=key[1],
                    from_=key[2],
                    to=key[3],
                    hosts=tuple(sorted(hosts)),
                )
                for key, hosts in sorted(here.items())
                if key not in proven
            )
        proven |= here.keys()
    return tuple(found)


def _key(one: Transition) -> _Key:
    return (one.package, one.arch, one.from_, one.to)
