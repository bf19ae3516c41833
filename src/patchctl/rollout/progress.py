"""Where a run goes next: rings, waves, soak, budget. Pure: view and time in, events out.

Why it may not go there yet is told by `blockers`.
"""

from collections.abc import Sequence

from ..models.journal import Event, HostMoved, RingMoved, RunMoved, WaveStarted
from ..models.rollout import HostState, RingState, RunState, Stage
from ..models.run_status import Blocker, BlockerKind
from ..models.states import BEFORE_UPDATE, RING_ACTIVE, RING_BEGUN, RING_WALKED, TERMINAL
from . import deferred, retry, undo
from .blockers import PAUSES, Proven, blockers, held_hosts
from .decisions import NOT_BEGUN
from .lost import ask_again
from .transactions import begun
from .view import RingView, RunView


def next_events(view: RunView, now: int, proven: Proven) -> list[Event]:
    """The next step of the run as a whole, or nothing. `now` is epoch ms; call until empty."""
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
        return _over(view, [RunMoved(to=RunState.ABORTED, reason=view.reason)])
    if view.state is RunState.HALTING:
        return _over(view, _halted(view, ring))
    held = blockers(view, now, proven)
    if stuck := _to_halt(view, held):
        return [RunMoved(to=RunState.HALTING, reason=stuck.reason)]
    if any(one.kind in PAUSES for one in held):
        return []
    for walked in view.rings.values():
        if walked.state not in RING_WALKED:
            continue
        if deferred.waiting(view, walked):
            return deferred.next_events(view, walked)
        if walked.in_flight():  # how it ends may use up the budget of its ring
            return []
    if ring is None:
        return _over(view, [RunMoved(to=RunState.DONE)])
    return _go_on(view, ring, [one.reason for one in held if one.what == ring.name], proven)


def _to_halt(view: RunView, held: Sequence[Blocker]) -> Blocker | None:
    """The budget that ends the run's way. Not in a retry that is paused: where that ends, the run
    stands again where it stood, and halts there if it must."""
    if view.state is RunState.PAUSED and view.paused_from is RunState.RETRYING:
        return None
    return next((one for one in held if one.kind is BlockerKind.BUDGET), None)


def _go_on(view: RunView, ring: RingView, held: list[str], proven: Proven) -> list[Event]:
    """The ring's next step; `held` are the reasons why it may not take it yet."""
    if held:
        return _wait(view, ring, held[0])
    match ring.state:
        case RingState.PENDING if not ring.size:
            return [RingMoved(ring=ring.name, to=RingState.DONE, reason="no hosts in the plan")]
        case state if state not in RING_BEGUN:
            return _open(view, ring, proven)
        case RingState.RUNNING:
            return _walk(view, ring)
        case RingState.SOAKING:
            return _soaked(view, ring)
        case _:
            return []


def _over(view: RunView, end: list[Event]) -> list[Event]:
    """The end, once no host is at work; but first lost hosts are looked at once more. One that
    answers gets its real state and, where that is bad, its undo."""
    if view.at_work():
        return []
    return ask_again(view, once=True) or end


def _held_back(view: RunView) -> list[Event]:
    """Hosts that an aborted run does not begin: not handed out, and not updating yet."""
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


def _wait(view: RunView, ring: RingView, why: str) -> list[Event]:
    waits = RunMoved(to=RunState.WAITING, reason=why)
    if ring.state is RingState.PENDING:
        return [RingMoved(ring=ring.name, to=RingState.WAITING, reason=why), waits]
    # The run halted while the ring waited, and goes on.
    again = ring.state is RingState.WAITING and view.state is RunState.RUNNING
    return [waits] if again else []


def _open(view: RunView, ring: RingView, proven: Proven) -> list[Event]:
    events: list[Event] = [RingMoved(ring=ring.name, to=RingState.RUNNING)]
    if view.state is not RunState.RUNNING:
        events.append(RunMoved(to=RunState.RUNNING))
    for held in held_hosts(view, ring, proven):
        events.append(
            HostMoved(
                host=held.what,
                attempt=view.hosts[held.what].attempt,
                to=HostState.SKIPPED,
                reason=held.reason,
            )
        )
    return events


def _walk(view: RunView, ring: RingView) -> list[Event]:
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
    return _ring_over(view, ring)


def _ring_over(view: RunView, ring: RingView) -> list[Event]:
    names = list(view.rings)
    later = [view.rings[name] for name in names[names.index(ring.name) + 1 :]]
    tried = ring.counters[HostState.SKIPPED] + ring.counters[HostState.DEFERRED] < ring.size
    if ring.policy.soak_s and tried and any(other.size for other in later):
        why = f"ring {ring.name} soaks for {ring.policy.soak_s} s"
        return [
            RingMoved(ring=ring.name, to=RingState.SOAKING, reason=why),
            RunMoved(to=RunState.SOAKING, reason=why),
        ]
    return [RingMoved(ring=ring.name, to=RingState.DONE)]


def _soaked(view: RunView, ring: RingView) -> list[Event]:
    return [
        RingMoved(ring=ring.name, to=RingState.DONE),
        RunMoved(to=RunState.PROMOTING, reason=f"ring {ring.name} is done"),
    ]
