"""Decide where a run goes next: rings, waves, soak, budget. Pure: view and time in, events out.

`blockers` tells why it may not go there yet.
"""

from collections.abc import Sequence

from ..models.journal import Event, HostMoved, RingMoved, RunMoved, WaveStarted
from ..models.rollout import HostState, RingState, RunState, Stage
from ..models.run_status import Blocker, BlockerKind
from ..models.states import BEFORE_UPDATE, RING_ACTIVE, RING_BEGUN, RING_WALKED, TERMINAL
from . import deferred, retry, soak, undo
from .blockers import PAUSES, Proven, blockers, held_hosts
from .decisions import NOT_BEGUN
from .lost import ask_again
from .transactions import begun
from .view import RingView, RunView


def next_events(view: RunView, now: int, proven: Proven) -> list[Event]:
    """Return the next step of the whole run, or nothing. `now` is epoch ms; call until empty."""
    if view.state in TERMINAL:
        return []
    if view.state is RunState.ROLLING_BACK:
        return undo.next_events(view)
    if view.state is RunState.RETRYING:
        return retry.next_events(view)
    ring = view.current_ring()
    if view.state is RunState.ABORTING:
        if view.in_flight():
            return _held_back(view)
        return _end(view, [RunMoved(to=RunState.ABORTED, reason=view.reason)])
    if view.state is RunState.HALTING:
        return _end(view, _halted(view, ring))
    present = blockers(view, now, proven)
    if stuck := _used_up_budget(view, present):
        return [RunMoved(to=RunState.HALTING, reason=stuck.reason)]
    if any(blocker.kind in PAUSES for blocker in present):
        return []
    for other in view.rings.values():
        if other.state not in RING_WALKED:
            continue
        if deferred.waiting(view, other):
            return deferred.next_events(view, other)
        if other.in_flight():  # its end may use up the budget of its ring
            return []
    if ring is None:
        return _end(view, [RunMoved(to=RunState.DONE)])
    reasons = [blocker.reason for blocker in present if blocker.what == ring.name]
    return _advance(view, ring, reasons, proven, now)


def _used_up_budget(view: RunView, present: Sequence[Blocker]) -> Blocker | None:
    """Return a used-up budget, which halts the run. None in a paused retry: when the retry ends,
    the run is again in its earlier state, and halts there if it must."""
    if view.state is RunState.PAUSED and view.paused_from is RunState.RETRYING:
        return None
    return next((blocker for blocker in present if blocker.kind is BlockerKind.BUDGET), None)


def _advance(
    view: RunView, ring: RingView, reasons: list[str], proven: Proven, now: int
) -> list[Event]:
    """Return the ring's next step; `reasons` say why it must wait."""
    if reasons:
        return _wait(view, ring, reasons[0])
    match ring.state:
        case RingState.PENDING if not ring.size:
            return [RingMoved(ring=ring.name, to=RingState.DONE, reason="no hosts in the plan")]
        case state if state not in RING_BEGUN:
            return _open(view, ring, proven)
        case RingState.RUNNING:
            return _walk(view, ring, now)
        case RingState.SOAKING:
            return _soaked(view, ring)
        case _:
            return []


def _end(view: RunView, end: list[Event]) -> list[Event]:
    """Return `end` once no host is at work, but first ask lost hosts once more. A host that answers
    gets its real state and, where that is bad, its undo."""
    if view.at_work():
        return []
    return ask_again(view, once=True) or end


def _held_back(view: RunView) -> list[Event]:
    """End the hosts that an aborted run has not handed out and not begun to update."""
    out = {name for shard in view.shards.values() for name in shard.hosts}
    events: list[Event] = []
    for host in view.hosts.values():
        if host.name in out or host.state not in BEFORE_UPDATE:
            continue
        drained = host.state is HostState.DRAIN
        to = HostState.FAILED if drained else HostState.SKIPPED
        steps = [(to, host.stage), (HostState.ROLLING_BACK, Stage.UNDO)][: 2 if drained else 1]
        events += [
            HostMoved(host=host.name, attempt=host.attempt, to=to, stage=stage, reason=NOT_BEGUN)
            for to, stage in steps
        ]
    return events


def _halted(view: RunView, ring: RingView | None) -> list[Event]:
    events: list[Event] = []
    if ring is not None and ring.state in RING_ACTIVE:
        events.append(RingMoved(ring=ring.name, to=RingState.HALTED, reason=view.reason))
    return [*events, RunMoved(to=RunState.HALTED, reason=view.reason)]


def _wait(view: RunView, ring: RingView, reason: str) -> list[Event]:
    run_waits = RunMoved(to=RunState.WAITING, reason=reason)
    if ring.state is RingState.PENDING:
        return [RingMoved(ring=ring.name, to=RingState.WAITING, reason=reason), run_waits]
    # The run halted while the ring waited, and goes on.
    goes_on = ring.state is RingState.WAITING and view.state is RunState.RUNNING
    return [run_waits] if goes_on else []


def _open(view: RunView, ring: RingView, proven: Proven) -> list[Event]:
    events: list[Event] = [RingMoved(ring=ring.name, to=RingState.RUNNING)]
    if view.state is not RunState.RUNNING:
        events.append(RunMoved(to=RunState.RUNNING))
    for blocker in held_hosts(view, ring, proven):
        events.append(
            HostMoved(
                host=blocker.what,
                attempt=view.hosts[blocker.what].attempt,
                to=HostState.SKIPPED,
                reason=blocker.reason,
            )
        )
    return events


def _walk(view: RunView, ring: RingView, now: int) -> list[Event]:
    if ring.in_flight():
        return []
    for number in range(max(ring.wave, 1), len(ring.waves) + 1):
        names = [
            name for name in ring.waves[number - 1] if view.hosts[name].state is HostState.PENDING
        ]
        if names:
            started: list[Event] = []
            if number != ring.wave:
                started.append(WaveStarted(ring=ring.name, wave=number, hosts=len(names)))
            return [*started, *(begun(view, name) for name in names)]
    if deferred.waiting(view, ring):
        return deferred.next_events(view, ring)
    return _ring_over(view, ring, now)


def _ring_over(view: RunView, ring: RingView, now: int) -> list[Event]:
    names = list(view.rings)
    later = [view.rings[name] for name in names[names.index(ring.name) + 1 :]]
    tried = ring.counters[HostState.SKIPPED] + ring.counters[HostState.DEFERRED] < ring.size
    if ring.policy.soak_s and tried and any(other.size for other in later):
        reason = soak.begins(ring, now)
        return [
            RingMoved(ring=ring.name, to=RingState.SOAKING, reason=reason),
            RunMoved(to=RunState.SOAKING, reason=reason),
        ]
    return [RingMoved(ring=ring.name, to=RingState.DONE)]


def _soaked(view: RunView, ring: RingView) -> list[Event]:
    early = soak.ended_early(ring)
    return [
        RingMoved(ring=ring.name, to=RingState.DONE, reason=early),
        RunMoved(to=RunState.PROMOTING, reason=early or f"ring {ring.name} is done"),
    ]
