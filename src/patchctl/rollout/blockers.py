"""List why a run or a host may not go on yet. Pure: view, time and proofs in, blockers out.

Each kind ends in its own way: a soak by time, a wait for an approval by the approval, a person's
pause by a person alone. So the list has all of them, not only the first.
"""

from collections.abc import Iterable, Iterator, Mapping

from ..models.plan import proof_key
from ..models.policy import Promote, UnprovenPolicy
from ..models.rollout import HostState, RingState, RunState
from ..models.run_status import Blocker, BlockerKind
from ..models.states import GOES_FORWARD, RING_BEGUN, RING_WALKED
from ..models.words import rfc3339
from . import soak
from .view import RingView, RunView

# These stop the whole run; the others stop a ring or a host.
PAUSES = frozenset({BlockerKind.OPERATOR, BlockerKind.CLOCK})
# Ring -> the transitions with which its hosts have succeeded in other runs.
Proven = Mapping[str, frozenset[str]]


def blockers(view: RunView, now: int, proven: Proven) -> tuple[Blocker, ...]:
    """Return all that stops the run, its current ring, or the ring that it enters next. `now` is
    epoch ms. Empty where the run may go on, and where it is over, aborted or being undone.
    """
    if view.state not in GOES_FORWARD:
        return ()
    next_ring = _next_ring(view)
    present = [_pause_blocker(view), *over_budget(view), _soak_blocker(view.current_ring(), now)]
    at_entry = () if next_ring is None else _entry_blockers(view, next_ring, proven)
    return (*filter(None, present), *at_entry)


def held_hosts(view: RunView, ring: RingView, proven: Proven) -> tuple[Blocker, ...]:
    """Return the hosts that `unproven: hold` holds back while their ring goes on."""
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
    """Return rings with more unsuccessful hosts than their budget allows. Rings that are done count
    too: a host that was deferred or lost may fail after its ring's end."""
    return [
        _budget_blocker(ring)
        for ring in view.rings.values()
        if ring.state in RING_BEGUN and ring.over_budget
    ]


def _budget_blocker(ring: RingView) -> Blocker:
    return Blocker(
        kind=BlockerKind.BUDGET,
        what=ring.name,
        reason=(
            f"ring {ring.name}: {ring.counted} of {ring.size} hosts did not succeed{_fixed(ring)},"
            f" the budget is {ring.budget}"
        ),
        since=ring.since if ring.state is RingState.HALTED else None,
    )


def _fixed(ring: RingView) -> str:
    return f" ({ring.fixed} since then, and still counted)" if ring.fixed else ""


def next_end(present: Iterable[Blocker]) -> int | None:
    """Return when the first of these blockers ends by time alone, in epoch ms, or None."""
    return min((blocker.until for blocker in present if blocker.until is not None), default=None)


def _pause_blocker(view: RunView) -> Blocker | None:
    if view.state is not RunState.PAUSED:
        return None
    kind = BlockerKind.CLOCK if view.paused_by is None else BlockerKind.OPERATOR
    return Blocker(kind=kind, what=view.run, reason=view.reason, since=view.since)


def _soak_blocker(ring: RingView | None, now: int) -> Blocker | None:
    end = None if ring is None else soak.ends(ring)
    if ring is None or end is None or now >= end:
        return None
    return Blocker(
        kind=BlockerKind.SOAK,
        what=ring.name,
        reason=soak.told(ring, now),
        since=ring.since,
        until=end,
        until_at=rfc3339(end),
    )


def _next_ring(view: RunView) -> RingView | None:
    """Return the ring that is entered next, or None while an earlier ring has hosts to begin."""
    for ring in view.rings.values():
        if ring.state not in RING_WALKED and ring.size:
            return None if ring.state in RING_BEGUN else ring
    return None


def _entry_blockers(view: RunView, ring: RingView, proven: Proven) -> Iterator[Blocker]:
    if ring.approved or not _left(view, ring, proven):
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
        # The reason for the wait may be gone, as when another run has proven the transitions; but
        # a person was asked, so the ring waits for the answer.
        yield Blocker(kind=BlockerKind.APPROVAL, what=ring.name, reason=ring.reason, since=since)


def _left(view: RunView, ring: RingView, proven: Proven) -> bool:
    """Return whether the ring has a host to patch: nobody is asked to approve a ring of which all
    hosts are held back."""
    held = {blocker.what for blocker in held_hosts(view, ring, proven)}
    return any(
        view.hosts[name].state is HostState.PENDING and name not in held
        for wave in ring.waves
        for name in wave
    )


def _unproven(view: RunView, ring: RingView, proven: Proven) -> dict[str, tuple[str, ...]]:
    """Return host -> packages whose exact transition no earlier ring has proven.

    The first ring proves and needs no proof. `proven` has the transitions of earlier runs.
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
