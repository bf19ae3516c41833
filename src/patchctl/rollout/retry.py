"""Try failed and fixed hosts again, wave by wave; then the run is in its earlier state again.
Deferred hosts are asked again with them, in the attempt that was deferred.

The budget's count stays: a counted host stays counted, and a halted run goes on only by `resume`. A
host that fails again is not counted twice; a ring where more hosts fail again than its budget
allows ends the retry before the next wave begins.
"""

from collections.abc import Sequence

from ..errors import ConflictError, NotFoundError
from ..models.journal import CommandKind, CommandTaken, Event, HostMoved, RunMoved
from ..models.rollout import HostState, RunState
from ..models.states import COUNTED, MAY_RETRY, OVER, RETRIED
from ..models.words import count
from .blockers import over_budget
from .deferred import asked_once_more
from .lost import back
from .transactions import begun
from .view import HostView, RingView, RunView


def open_attempts(view: RunView, by: str, reason: str, *, hosts: Sequence[str]) -> list[Event]:
    """Return events that begin the retry of the hosts of `chosen`, with its errors. Attempts are
    opened wave by wave, so that a host that is not begun any more keeps its earlier end."""
    names = chosen(view, hosts)
    return [
        CommandTaken(command=CommandKind.RETRY, by=by, reason=reason, hosts=tuple(names)),
        RunMoved(to=RunState.RETRYING, reason=reason or f"retried by {by}"),
    ]


def chosen(view: RunView, hosts: Sequence[str]) -> list[str]:
    """Return the sorted hosts to try again: those named, or else all that may be tried again.

    Raises ConflictError where the run or a named host may not be tried again, or no host is left,
    NotFoundError for a host that is not in the run.
    """
    if view.state not in MAY_RETRY:
        raise ConflictError(
            f"run {view.run} is {view.state.value.replace('_', ' ')}", hint=_hint(view)
        )
    for name in hosts:
        if name not in view.hosts:
            raise NotFoundError(f"{name} is not in run {view.run}")
        if refused := refusal(view, view.hosts[name]):
            raise ConflictError(f"host {name} is not tried again: {refused}")
    names = hosts or [host.name for host in view.hosts.values() if not refusal(view, host)]
    if not names:
        raise ConflictError(
            f"run {view.run} has no host that failed and may be tried again",
            hint=f"see `patchctl rollout status {view.run}`",
        )
    return sorted(set(names))


def refusal(view: RunView, host: HostView) -> str:
    """Return why the host gets no other attempt, or "" where it may have one."""
    state = host.state.value.replace("_", " ")
    if host.state is HostState.ROLLBACK_FAILED:
        return f"its undo failed; undo it with `patchctl rollback {view.run} --host {host.name}`"
    if host.state not in RETRIED:
        return f"it is {state}"
    return ""


def _hint(view: RunView) -> str:
    if view.state in OVER:
        return "begin another run with `patchctl rollout`"
    return f"go on with `patchctl rollout resume {view.run}`"


def next_events(view: RunView) -> list[Event]:
    """Begin the next wave of hosts, rings in their order, or return to the run's earlier state."""
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
    return _look_again(view) or [_end(view, stopped)]


def _begin(view: RunView, host: HostView) -> list[HostMoved]:
    if host.state is HostState.UNKNOWN and host.stage is not None:
        return [back(host, host.stage, look=False)]
    if host.state is HostState.DEFERRED:
        return asked_once_more(view, host)
    attempt = host.attempt + 1
    # An update that has begun is finished and verified under the same id, which can undo it.
    transaction = host.transaction if host.touched else ""
    return [
        HostMoved(host=host.name, attempt=attempt, to=HostState.PENDING),
        begun(view, host.name, attempt, transaction),
    ]


def _look_again(view: RunView) -> list[Event]:
    """Ask the hosts that were lost in this retry once more before it ends."""
    return [
        back(host, host.stage, look=True)
        for host in (view.hosts[name] for name in sorted(view.retried))
        if host.state is HostState.UNKNOWN and host.stage is not None and not host.reconciled
    ]


def _failed_again(view: RunView) -> str:
    """Return why no further wave may begin, or ""."""
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
    reasons = [stuck[0].reason if stuck else reason]
    if view.to_retry:
        left = len(view.to_retry)
        reasons.append(f"{stopped}, so {left} {'was' if left == 1 else 'were'} not tried again")
    return RunMoved(to=state, reason="; ".join(filter(None, reasons)))
