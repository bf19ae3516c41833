"""Undo a run when an operator asks for it: the newest ring first, wave by wave."""

from collections.abc import Sequence

from ..errors import ConflictError, NotFoundError
from ..models.journal import CommandKind, CommandTaken, Event, HostMoved, RunMoved
from ..models.rollout import HostState, RunState, Stage
from ..models.states import SETTLED
from ..models.undo import UndoGroup
from ..models.words import count, some
from .lost import ask_again
from .view import HostView, RingView, RunView


def open_attempts(
    view: RunView, by: str, reason: str, *, hosts: Sequence[str], force: bool
) -> list[Event]:
    """Return events that open an undo for each host that the run has changed and not yet undone.

    Raises what `changed_hosts` raises.
    """
    changed = changed_hosts(view, hosts=hosts, force=force)
    events: list[Event] = [
        CommandTaken(command=CommandKind.ROLLBACK, by=by, reason=reason, force=force),
        RunMoved(to=RunState.ROLLING_BACK, reason=reason or f"rolled back by {by}"),
    ]
    for host in changed:
        events.append(HostMoved(host=host.name, attempt=host.attempt + 1, to=HostState.PENDING))
    return events


def changed_hosts(view: RunView, *, hosts: Sequence[str], force: bool) -> list[HostView]:
    """Return the hosts that an undo would be opened for: those that the run has changed and not
    yet undone, of `hosts` only where some are named.

    Raises ConflictError where there is nothing to undo or a host is still at work, NotFoundError
    for a host that is not in the run.
    """
    for name in hosts:
        if name not in view.hosts:
            raise NotFoundError(f"{name} is not in run {view.run}")
    if view.state is RunState.ROLLING_BACK:
        raise ConflictError(
            f"run {view.run} is being rolled back already",
            hint=f"go on with `patchctl rollout resume {view.run}`",
        )
    if view.state is RunState.RETRYING:
        raise ConflictError(
            f"hosts of run {view.run} are being tried again",
            hint=f"go on with `patchctl rollout resume {view.run}`, then undo",
        )
    if busy := view.in_flight():
        raise ConflictError(
            f"run {view.run} still works on {count(busy, 'host')}",
            hint=f"stop it with `patchctl rollout abort {view.run}`, let them end with"
            f" `patchctl rollout resume {view.run}`, then undo",
        )
    changed = [
        host for host in view.hosts.values() if host.touched and (not hosts or host.name in hosts)
    ]
    if not changed:
        raise ConflictError(_nothing(view, hosts))
    if not force and all(view.unsafe(host) for host in changed):
        raise ConflictError(
            f"nothing of run {view.run} is safe to undo: {', '.join(view.unsafe(changed[0]))}",
            hint="--force undoes it all the same",
        )
    return changed


def groups_to_undo(
    view: RunView, *, hosts: Sequence[str] = (), force: bool = False
) -> list[UndoGroup]:
    """Return what an undo would change, in the order in which it would: the newest ring first.

    Raises what `changed_hosts` raises.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for host in changed_hosts(view, hosts=hosts, force=force):
        names.setdefault((host.ring, host.cohort), []).append(host.name)
    newest = list(reversed(view.rings))
    return [
        UndoGroup(
            ring=ring,
            hosts=tuple(sorted(group)),
            transitions=view.cohorts[cohort].transitions,
            unsafe=() if force else tuple(view.unsafe(view.hosts[group[0]])),
        )
        for (ring, cohort), group in sorted(
            names.items(), key=lambda item: (newest.index(item[0][0]), item[0][1])
        )
    ]


def _nothing(view: RunView, hosts: Sequence[str]) -> str:
    """Return why there is nothing to undo: all is undone, or nothing was changed."""
    states = [host.state for host in view.hosts.values() if not hosts or host.name in hosts]
    if HostState.ROLLED_BACK in states:
        return "nothing to undo: every changed host is already undone"
    named = f" on {some(hosts)}" if hosts else ""
    return f"nothing to undo: run {view.run} has changed nothing{named}"


def next_events(view: RunView) -> list[Event]:
    """Begin the next wave of undos, newest ring first, or end the run."""
    if view.in_flight():
        return []
    for ring in reversed(view.rings.values()):
        waiting = _waiting(view, ring)
        if waiting:
            size = max(1, ring.policy.max_concurrent.of(ring.size))
            return [_begin(view, name) for name in waiting[:size]]
    if view.at_work():
        return []
    return ask_again(view, once=True) or [_end(view)]


def _waiting(view: RunView, ring: RingView) -> list[str]:
    return [
        name
        for wave in reversed(ring.waves)
        for name in wave
        if view.hosts[name].touched
        and view.hosts[name].state is HostState.PENDING
        and view.hosts[name].undo_asked
    ]


def _begin(view: RunView, name: str) -> HostMoved:
    host = view.hosts[name]
    unsafe = [] if view.force_undo else view.unsafe(host)
    if unsafe:
        return HostMoved(
            host=name,
            attempt=host.attempt,
            to=HostState.SKIPPED,
            reason=f"unsafe to undo: {', '.join(unsafe)}; --force undoes it all the same",
        )
    stage = Stage.DRAIN if view.policy(host).drain and not host.drained else Stage.UNDO
    return HostMoved(
        host=name, attempt=host.attempt, to=HostState.ROLLING_BACK, stage=stage, reason=view.reason
    )


def _end(view: RunView) -> RunMoved:
    not_well = [
        host
        for host in view.hosts.values()
        if host.touched and host.state in SETTLED and host.undo_asked
    ]
    if not_well:
        drained = [host.name for host in not_well if _only_drained(host)]
        not_undone = [host.name for host in not_well if not _only_drained(host)]
        reasons = (
            _counted(not_undone, "not undone"),
            _counted(drained, "undone but still drained"),
        )
        return RunMoved(to=RunState.NEEDS_HUMAN, reason="; ".join(filter(None, reasons)))
    hosts_kept = sum(host.touched for host in view.hosts.values())
    keep = "keeps" if hosts_kept == 1 else "keep"
    note = f"; {count(hosts_kept, 'host')} {keep} what it brought" if hosts_kept else ""
    return RunMoved(to=RunState.ROLLED_BACK, reason=f"{view.reason}{note}")


def _only_drained(host: HostView) -> bool:
    """Return whether the host's packages are undone and well, and only its undrain hook failed."""
    return host.state is HostState.ROLLBACK_FAILED and host.final_stage is Stage.UNDRAIN


def _counted(names: Sequence[str], end: str) -> str:
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f"{count(len(names), 'host')} {verb} {end}: {some(names, 5)}"
