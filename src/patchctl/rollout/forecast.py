"""What is left of a run: waves, soaks, approvals. Pure; for people, no decision is made by it."""

from ..models.plan import Undo
from ..models.policy import Promote
from ..models.rollout import HostState, RingState, RunState
from ..models.run_picture import Approval, Forecast
from ..models.run_status import Blocker, BlockerKind
from ..models.states import GOES_FORWARD, RING_BEGUN, RING_WALKED
from .commands import waiting_ring
from .timed_view import TimedView
from .view import RingView

_LIFTED_BY_APPROVAL = frozenset({BlockerKind.APPROVAL, BlockerKind.UNPROVEN})


def forecast(
    view: TimedView, blockers: tuple[Blocker, ...], earlier: tuple[str, int] = ("", 0)
) -> Forecast:
    """Return what is left. `blockers` are those of this view. `earlier` is an earlier run and how
    long its waves took, in ms, for as long as this run has no host that ended well; it says nothing
    of an undo."""
    undoes = view.state is RunState.ROLLING_BACK
    wave_ms, source = view.pace.undo_ms if undoes else view.pace.wave_ms, ""
    forward = view.state in GOES_FORWARD and view.state is not RunState.RETRYING
    if not wave_ms and not undoes:
        source, wave_ms = earlier
    soaks = (blocker.until for blocker in blockers if blocker.kind is BlockerKind.SOAK)
    return Forecast(
        waves=_waves(view),
        wave_ms=wave_ms,
        source=source,
        working_since=view.pace.working_since if view.in_flight() else None,
        soaks_ms=_soaks_ms(view) if forward else 0,
        soak_until=next(soaks, None),
        approvals=_approvals(view) if forward else (),
    )


def approval(view: TimedView, blockers: tuple[Blocker, ...]) -> Approval | None:
    """Return what an approval would let go on, now or after a soak; None where no ring waits for
    one."""
    asked = (blocker.what for blocker in blockers if blocker.kind in _LIFTED_BY_APPROVAL)
    name = waiting_ring(view) or next((name for name in asked if name in view.rings), "")
    if not name:
        return None
    ring = view.rings[name]
    hosts = [view.hosts[host] for wave in ring.waves for host in wave]
    ahead = [host for host in hosts if host.state is HostState.PENDING]
    cohorts = [view.cohorts[ident] for ident in sorted({host.cohort for host in ahead})]
    transitions = [item for cohort in cohorts for item in cohort.transitions]
    unproven = [
        name
        for blocker in blockers
        if blocker.kind is BlockerKind.UNPROVEN and blocker.what == ring.name
        for name in blocker.details
    ]
    return Approval(
        ring=ring.name,
        hosts=len(ahead),
        waves=len({host.wave for host in ahead}),
        budget=ring.policy.budget,
        worst_case=ring.policy.worst_case(ring.size),
        packages=tuple(sorted({f"{item.package} {item.to}" for item in transitions})),
        unsafe=tuple(sorted({t.package for t in transitions if t.undo is Undo.UNSAFE})),
        unproven=tuple(unproven),
    )


def _waves(view: TimedView) -> int:
    """Count the waves that have not begun."""
    if view.state is RunState.RETRYING:
        return len({(host.ring, host.wave) for host in map(view.hosts.get, view.to_retry) if host})
    pending = [host for host in view.hosts.values() if host.state is HostState.PENDING]
    if view.state is RunState.ROLLING_BACK:
        waves = 0
        for ring in view.rings.values():
            left = sum(host.ring == ring.name and host.undo_asked for host in pending)
            waves += -(-left // max(1, ring.policy.max_concurrent.of(ring.size)))
        return waves
    return len({(host.ring, host.wave) for host in pending}) if view.state in GOES_FORWARD else 0


def _soaks_ms(view: TimedView) -> int:
    rings = list(view.rings.values())
    return sum(
        ring.policy.soak_s * 1000
        for number, ring in enumerate(rings, 1)
        if ring.size
        and ring.state not in RING_WALKED
        and any(later.size for later in rings[number:])
    )


def _approvals(view: TimedView) -> tuple[str, ...]:
    return tuple(ring.name for ring in view.rings.values() if _asks(ring))


def _asks(ring: RingView) -> bool:
    if ring.approved or not ring.size or ring.state in RING_BEGUN:
        return False
    return ring.policy.promote is Promote.MANUAL or ring.state is RingState.WAITING
