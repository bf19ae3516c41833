"""Another attempt for hosts that failed and were mended, wave by wave; then the run stands where it
stood. Hosts that were deferred are asked again with them, in the attempt that was put off.

The count of the budget is not touched: a host that was counted keeps its place, and a run that
halted goes on by `resume` alone. A host that fails again is not counted twice; a ring with more of
these than its budget allows ends the retry before the next wave begins.
"""

from collections.abc import Sequence

from ..errors import ConflictError, NotFoundError
from ..models.rollout import (
    CommandKind,
    CommandTaken,
    Event,
    HostMoved,
    HostState,
    RunMoved,
    RunState,
)
from ..models.states import COUNTED, MAY_RETRY, OVER, RETRIED
from ..models.words import count
from .blockers import over_budget
from .deferred import asked_once_more
from .lost import back
from .transactions import begun
from .view import HostView, RingView, RunView


def open_attempts(view: RunView, by: str, reason: str, *, hosts: Sequence[str]) -> list[Event]:
    """Events that begin the retry of what `chosen` gives. The attempts themselves are opened wave
    by wave, so that a host that is not begun any more keeps the end that it had."""
    names = chosen(view, hosts)
    return [
        CommandTaken(command=CommandKind.RETRY, by=by, reason=reason, hosts=tuple(names)),
        RunMoved(to=RunState.RETRYING, reason=reason or f"retried by {by}"),
    ]


def chosen(view: RunView, hosts: Sequence[str]) -> list[str]:
    """The hosts that are tried again: these, or all that may be, where none is named.

    Raises ConflictError where the run or a named host may not be, or no host is left to try again,
    NotFoundError for a host that is not in the run.
    """
    if view.state not in MAY_RETRY:
        raise ConflictError(
            f"run {view.run} is {view.state.value.replace('_', ' ')}", hint=_instead(view)
        )
    for name in hosts:
        if name not in view.hosts:
            raise NotFoundError(f"{name} is not in run {view.run}")
        if why := refusal(view, view.hosts[name]):
            raise ConflictError(f"host {name} is not tried again: {why}")
    names = hosts or [host.name for host in view.hosts.values() if not refusal(view, host)]
    if not names:
        raise ConflictError(
            f"run {view.run} has no host that failed and may be tried again",
            hint=f"see `patchctl rollout status {view.run}`",
        )
    return sorted(set(names))


def refusal(view: RunView, host: HostView) -> str:
    """Why the host gets no other attempt; empty where it may have one."""
    said = host.state.value.replace("_", " ")
    if host.state is HostState.ROLLBACK_FAILED:
        return f"its undo failed; undo it with `patchctl rollback {view.run} --host {host.name}`"
    if host.state not in RETRIED:
        return f"it is {said}"
    return ""


def _instead(view: RunView) -> str:
    if view.state in OVER:
        return "begin another run with `patchctl rollout`"
    return f"go on with `patchctl rollout resume {view.run}`"


def next_events(view: RunView) -> list[Event]:
    """The next wave of hosts, rings in their order, or back to where the run stood."""
    if view.in_flight():
        return []
    stopped = _failed_again(view)
    if not stopped:
        for ring in view.rings.values():
            for wave in ring.waves:
                if names := [name for name in wave if name in view.to_retry]:
                    return [event for name in names for event in _begin(view, view.hosts[name])]
    if view.at_work():
        return []
    return _looked_at(view) or [_end(view, stopped)]


def _begin(view: RunView, host: HostView) -> list[HostMoved]:
    if host.state is HostState.UNKNOWN and host.stage is not None:
        return [back(host, host.stage, look=False)]
    if host.state is HostState.DEFERRED:
        return asked_once_more(view, host)
    attempt = host.attempt + 1
    # What the update left there is finished and verified under the id that can undo it.
    transaction = host.transaction if host.touched else ""
    return [
        HostMoved(host=host.name, attempt=attempt, to=HostState.PENDING),
        begun(view, host.name, attempt, transaction),
    ]


def _looked_at(view: RunView) -> list[Event]:
    """Hosts that were lost in this retry are looked at once more before it ends."""
    return [
        back(host, host.stage, look=True)
        for host in (view.hosts[name] for name in sorted(view.retried))
        if host.state is HostState.UNKNOWN and host.stage is not None and not host.reconciled
    ]


def _failed_again(view: RunView) -> str:
    """Why no further wave is begun, or nothing."""
    for ring in view.rings.values():
        failed = _again(view, ring)
        if len(failed) > ring.policy.budget.of(ring.size):
            return f"{count(len(failed), 'host')} of ring {ring.name} failed again"
    return ""


def _again(view: RunView, ring: RingView) -> list[str]:
    return [
        name
        for wave in ring.waves
        for name in wave
        if name in view.retried and view.hosts[name].state in COUNTED
    ]


def _end(view: RunView, stopped: str) -> RunMoved:
    state, reason = view.retried_from
    stuck = over_budget(view) if state is RunState.HALTED else []
    said = [stuck[0].reason if stuck else reason]
    if view.to_retry:
        left = len(view.to_retry)
        said.append(f"{stopped}, so {left} {'was' if left == 1 else 'were'} not tried again")
    return RunMoved(to=state, reason="; ".join(filter(None, said)))
