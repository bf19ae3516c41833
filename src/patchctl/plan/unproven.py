"""Proof coverage: find the transitions of a ring that no earlier ring proves."""

from collections.abc import Mapping, Sequence

from ..models.plan import Cohort, Transition, Unproven, proof_key


def unproven(
    rings: Sequence[str],
    cohorts: Mapping[str, Cohort],
    placed: Mapping[str, Mapping[str, str]],
    proven: Mapping[str, frozenset[str]],
) -> tuple[Unproven, ...]:
    """Transitions by ring. `placed` is ring to host to cohort id; `rings` are in their order;
    `proven` is ring to the `proof_key`s that earlier runs have proven there.

    The first ring is where things are proven, so nothing of it is listed. A later ring is
    compared with every ring before it, whether or not those have hosts in the plan: an empty
    staging proves nothing.
    """
    known: set[str] = set()
    gaps: list[Unproven] = []
    for index, ring in enumerate(rings):
        hosts: dict[str, list[str]] = {}
        steps: dict[str, Transition] = {}
        for host, cohort in placed.get(ring, {}).items():
            for transition in cohorts[cohort].transitions:
                key = proof_key(transition)
                steps[key] = transition
                hosts.setdefault(key, []).append(host)
        if index > 0:
            gaps.extend(
                Unproven(
                    ring=ring,
                    package=transition.package,
                    arch=transition.arch,
                    from_=transition.from_,
                    to=transition.to,
                    hosts=tuple(sorted(hosts[key])),
                )
                for key, transition in sorted(steps.items(), key=_order)
                if key not in known
            )
        known |= steps.keys() | proven.get(ring, frozenset())
    return tuple(gaps)


def _order(item: tuple[str, Transition]) -> tuple[str, str, str, str, str]:
    key, transition = item
    return (transition.package, transition.arch, transition.from_, transition.to, key)
