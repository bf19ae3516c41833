"""Turn what an operator asks of a run into events, or refuse it in the run's present state."""

from ..errors import ConflictError, HaltedError
from ..models.journal import Command, CommandKind, CommandTaken, Event, RingMoved, RunMoved
from ..models.rollout import HostState, RingState, RunState
from ..models.states import BEGINS_NOTHING, NOT_RESUMABLE
from . import states
from .blockers import over_budget
from .lost import ask_again
from .view import RunView

# They are said to one ring and lift what keeps that one.
OF_RINGS = frozenset({CommandKind.APPROVE, CommandKind.PROMOTE})


def resume(view: RunView, by: str, reason: str, *, accept_failures: bool) -> list[Event]:
    """Return the events that end a pause or a halt and ask lost and deferred hosts once more.

    Raises ConflictError for a run that is over, HaltedError where a budget is used up and the
    failures are not accepted: the count survives restarts.
    """
    lost_events = [] if view.state in BEGINS_NOTHING else ask_again(view)
    deferred = any(host.state is HostState.DEFERRED for host in view.hosts.values())
    opened = view.state is RunState.DONE and (lost_events or deferred)
    if view.state in NOT_RESUMABLE and not opened:
        raise ConflictError(f"run {view.run} is {view.state.value.replace('_', ' ')}")
    if (opened or view.state is RunState.HALTED) and not accept_failures:
        _refuse_over_budget(view)
    events: list[Event] = [
        CommandTaken(command=CommandKind.RESUME, by=by, reason=reason, force=accept_failures)
    ]
    ring = view.current_ring()
    if opened:
        kinds = " and ".join(
            filter(None, ("lost" if lost_events else "", "deferred" if deferred else ""))
        )
        events.append(RunMoved(to=RunState.RUNNING, reason=f"{kinds} hosts are asked again"))
    elif view.state is RunState.HALTED:
        if ring is not None and ring.state is RingState.HALTED:
            events.append(RingMoved(ring=ring.name, to=RingState.RUNNING))
        events.append(RunMoved(to=RunState.RUNNING))
    elif view.state is RunState.PAUSED:
        events.append(RunMoved(to=_after_pause(view)))
    return [*events, *lost_events]


def _refuse_over_budget(view: RunView) -> None:
    for stuck in over_budget(view):
        raise HaltedError(
            stuck.reason,
            hint=f"undo with `patchctl rollback {view.run}`, or go on in spite of it with"
            " --accept-failures",
        )


def take(view: RunView, command: Command) -> list[Event]:
    """Return the events for a request from the mailbox. A request that does not fit the state is
    only recorded."""
    ring = command.ring or _meant_ring(view, command.command)
    if command.command in OF_RINGS and ring not in view.rings:
        return []
    taken = CommandTaken(command=command.command, by=command.by, ring=ring, reason=command.reason)
    step: RunMoved | None = None
    match command.command:
        case CommandKind.PAUSE:
            step = RunMoved(to=RunState.PAUSED, reason=command.reason or f"paused by {command.by}")
        case CommandKind.ABORT:
            step = RunMoved(
                to=RunState.ABORTING, reason=command.reason or f"aborted by {command.by}"
            )
        case CommandKind.RESUME:
            if view.state is RunState.PAUSED:
                step = RunMoved(to=_after_pause(view))
        case CommandKind.APPROVE | CommandKind.PROMOTE | CommandKind.ROLLBACK | CommandKind.RETRY:
            pass
    if step is None or step.to not in states.RUN[view.state]:
        return [taken]
    return [taken, step]


def _meant_ring(view: RunView, command: CommandKind) -> str:
    """Return the ring that a request means which names none."""
    match command:
        case CommandKind.APPROVE:
            return waiting_ring(view)
        case CommandKind.PROMOTE:
            ring = view.current_ring()
            return ring.name if ring is not None else ""
        case _:
            return ""


def waiting_ring(view: RunView) -> str:
    """Return the name of the ring that waits for an approval, or ""."""
    return next((r.name for r in view.rings.values() if r.state is RingState.WAITING), "")


def _after_pause(view: RunView) -> RunState:
    before = view.paused_from
    return before if before in states.RUN[RunState.PAUSED] else RunState.RUNNING
