"""Why a run or a host may not go on yet: one list. Pure: view, time and proofs in, reasons out.

Each kind is lifted in its own way: time lifts a soak, an approval lifts what waits for one, and a
person's pause is lifted by a person alone. So all of them are said, not only the first.
"""

from collections.abc import Iterable, Iterator, Mapping

from ..models.plan import proof_key
from ..models.policy import Promote, UnprovenPolicy
from ..models.rollout import HostState, RingState, RunState
from ..models.run_status import Blocker, BlockerKind
from ..models.states import GOES_FORWARD, RING_BEGUN, RING_WALKED
from .view import RingView, RunView

# They stop the run as a whole; the others a ring or a host.
PAUSES = frozenset({BlockerKind.OPERATOR, BlockerKind.CLOCK})
# Ring to what hosts of it have succeeded with in other runs.
Proven = Mapping[str, frozenset[str]]


def blockers(view: RunView, now: int, proven: Proven) -> tuple[Blocker, ...]:
    """All that keeps the run, or the ring that it is at or enters next, from going on. `now` is
    epoch ms. Empty: it may go on, or it is over, called off or being undone and goes nowhere.
    """
    if view.state not in GOES_FORWARD:
        return ()
    entered = _to_enter(view)
    found = [_paused(view), *over_budget(view), _soaks(view.current_ring(), now)]
    asked = () if entered is None else _not_entered(view, entered, proven)
    return (*filter(None, found), *asked)


def held_hosts(view: RunView, ring: RingView, proven: Proven) -> tuple[Blocker, ...]:
    """Hosts of a ring that policy holds back (`unproven: hold`) while the ring goes on."""
    if view.plan.body.unproven_policy is not UnprovenPolicy.HOLD:
        return ()
    return tuple(
        Blocker(
            kind=BlockerKind.UNPROVEN,
            what=host,
            reason=f"no earlier ring has proven: {', '.join(packages)}",
            details=packages,
        )
        for host, packages in _unproven(view, ring, proven).items()
    )


def over_budget(view: RunView) -> list[Blocker]:
    """Rings of which more hosts did not succeed than their budget allows. Also rings that are
    done: a host that was deferred or lost may fail after its ring's end."""
    return [
        _used_up(ring)
        for ring in view.rings.values()
        if ring.state in RING_BEGUN and ring.over_budget
    ]


def _used_up(ring: RingView) -> Blocker:
    return Blocker(
        kind=BlockerKind.BUDGET,
        what=ring.name,
        reason=(
            f"ring {ring.name}: {ring.counted} of {ring.size} hosts did not succeed{_mended(ring)},"
            f" the budget is {ring.budget}"
        ),
        since=ring.since if ring.state is RingState.HALTED else None,
    )


def _mended(ring: RingView) -> str:
    return f" ({ring.mended} since then, and still counted)" if ring.mended else ""


def wakes_at(found: Iterable[Blocker]) -> int | None:
    """Epoch ms at which time alone lifts the first of these, or None."""
    return min((one.until for one in found if one.until is not None), default=None)


def _paused(view: RunView) -> Blocker | None:
    if view.state is not RunState.PAUSED:
        return None
    kind = BlockerKind.CLOCK if view.paused_by is None else BlockerKind.OPERATOR
    return Blocker(kind=kind, what=view.run, reason=view.reason, since=view.since)


def _soaks(ring: RingView | None, now: int) -> Blocker | None:
    if ring is None or ring.state is not RingState.SOAKING:
        return None
    ends = ring.since + ring.policy.soak_s * 1000
    if now >= ends:
        return None
    return Blocker(
        kind=BlockerKind.SOAK, what=ring.name, reason=ring.reason, since=ring.since, until=ends
    )


def _to_enter(view: RunView) -> RingView | None:
    """The ring that is entered next, where no other has hosts to begin before."""
    for ring in view.rings.values():
        if ring.state not in RING_WALKED and ring.size:
            return None if ring.state in RING_BEGUN else ring
    return None


def _not_entered(view: RunView, ring: RingView, proven: Proven) -> Iterator[Blocker]:
    if ring.approved:
        return
    since = ring.since if ring.state is RingState.WAITING else None
    manual = ring.policy.promote is Promote.MANUAL
    if manual:
        reason = f"ring {ring.name} waits for an approval"
        yield Blocker(kind=BlockerKind.APPROVAL, what=ring.name, reason=reason, since=since)
    ask = view.plan.body.unproven_policy is UnprovenPolicy.APPROVE
    missing = _unproven(view, ring, proven) if ask else {}
    if missing:
        yield Blocker(
            kind=BlockerKind.UNPROVEN,
            what=ring.name,
            reason=f"ring {ring.name} has transitions that no earlier ring has proven",
            details=tuple(sorted({package for some in missing.values() for package in some})),
            since=since,
        )
    elif not manual and ring.state is RingState.WAITING:
        # What it waits for may have gone meanwhile, as when another run has proven it; but a
        # person was asked, and is waited for.
        yield Blocker(kind=BlockerKind.APPROVAL, what=ring.name, reason=ring.reason, since=since)


def _unproven(view: RunView, ring: RingView, proven: Proven) -> dict[str, tuple[str, ...]]:
    """Hosts of a ring with the packages whose very transition no earlier ring has proven.

    The first ring proves; it needs no proof. `proven` are the transitions of earlier runs.
    """
    names = list(view.rings)
    earlier = names[: names.index(ring.name)]
    if not earlier:
        return {}
    known = view.proven().union(*(proven.get(name, frozenset()) for name in earlier))
    missing = {
        cohort.id: tuple(t.package for t in cohort.transitions if proof_key(t) not in known)
        for cohort in view.cohorts.values()
    }
    return {
        name: missing[view.hosts[name].cohort]
        for wave in ring.waves
        for name in wave
        if missing[view.hosts[name].cohort] and view.hosts[name].state is HostState.PENDING
    }
