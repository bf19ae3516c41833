"""Say what came of a run and of each of its rings. `states.RESULT` has what each result means."""

from collections import Counter

from ..models.rollout import HostState, Result, RingState, RunState
from ..models.states import COUNTED, OVER, UNDOING
from .view import RingView, RunView

_OF_STATE = {
    RunState.HALTED: Result.HALTED,
    RunState.NEEDS_HUMAN: Result.NEEDS_HUMAN,
    RunState.ABORTED: Result.ABORTED,
    RunState.ROLLED_BACK: Result.ROLLED_BACK,
}


def of_run(view: RunView) -> Result | None:
    """Return what came of the run; None while it goes on."""
    if view.state is not RunState.DONE:
        return _OF_STATE.get(view.state)
    hosts = Counter[HostState]()
    for ring in view.rings.values():
        hosts.update(ring.counters)
    result = _of_hosts(hosts)
    held_back = result is Result.SUCCEEDED and view.plan.body.holds_back
    return Result.PARTIAL if held_back else result


def of_ring(view: RunView, ring: RingView) -> Result | None:
    """Return what came of the ring; None while it may still change by itself."""
    if ring.in_flight():
        return None
    over = view.state in OVER
    if ring.state is RingState.HALTED and not over:
        return Result.HALTED
    if ring.state is not RingState.DONE and not over:
        return None
    undone = ring.counters[HostState.ROLLED_BACK] and not ring.counters[HostState.SUCCEEDED]
    if undone and view.state in UNDOING:
        return Result.ROLLED_BACK
    return _of_hosts(ring.counters)


def _of_hosts(hosts: Counter[HostState]) -> Result:
    size, succeeded = sum(hosts.values()), hosts[HostState.SUCCEEDED]
    if not size:
        return Result.NOTHING_TO_DO
    if succeeded == size:
        return Result.SUCCEEDED
    if succeeded:
        return Result.PARTIAL
    return Result.FAILED if any(hosts[state] for state in COUNTED) else Result.SKIPPED
