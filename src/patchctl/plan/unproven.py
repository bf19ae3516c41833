"""Find the transitions of a ring that no earlier ring proves (the proof coverage)."""

from collections.abc import Mapping, Sequence

from ..models.plan import Cohort, Transition, Unproven, proof_key


def unproven(
    rings: Sequence[str],
    cohorts: Mapping[str, Cohort],
    placed: Mapping[str, Mapping[str, str]],
    proven: Mapping[str, frozenset[str]],
) -> tuple[Unproven, ...]:
    """Return the unproven transitions, by ring in the order of `rings`.

    `placed` is ring -> host -> cohort id; `proven` is ring -> the `proof_key`s that earlier runs
    proved there. The first ring proves things for the others, so it has no unproven transitions.
    Each later ring is compared with all rings before it, also those without hosts in the plan: an
    empty ring proves nothing.
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
