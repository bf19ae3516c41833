"""Carry a run as far as it goes, and return its status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import CutShortError
from ...models.rollout import RunState
from ...models.run_status import RunStatus
from ...models.states import TERMINAL
from ...rollout.interfaces import EventSink
from ...rollout.status import exit_code
from ...rollout.view import RunView
from .runs import Rollouts

_INTERRUPTED = 130
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What shows a run: `sinks` makes the event sinks when the run begins, for a run of these;
    `warn` takes warnings for the operator that stop nothing."""

    sinks: Callable[[Rollouts], Sequence[EventSink]] = lambda _: ()
    warn: Callable[[str], None] = lambda _: None

    def of(self, rollouts: Rollouts) -> Rollouts:
        """Return the runs with this screen's sinks and warnings."""
        return replace(rollouts, sinks=self.sinks(rollouts), warn=self.warn)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The status of a run when a command ends. `exit_code` is the documented one for it; `why`
    tells how to go on where the command was interrupted or cut short. `took_ms` is how long it
    took: the command, or the whole run where a command only followed it."""

    status: RunStatus
    exit_code: int
    why: str = ""
    took_ms: int = 0


def perform(rollouts: Rollouts, run: str, action: Callable[[], RunView]) -> Ended:
    """Do the action and return the run's status. An interrupt, or an error of this machine, is a
    result too: hosts may have changed, and the run goes on later."""
    began = rollouts.clock.now_ms()
    try:
        view = action()
    except KeyboardInterrupt:
        why = f"interrupted; go on with `patchctl rollout resume {run}`"
    except CutShortError as error:
        why = str(error)
    else:
        return Ended(
            status=rollouts.status_of_view(view),
            exit_code=exit_code(view),
            took_ms=rollouts.clock.now_ms() - began,
        )
    return Ended(
        status=rollouts.status_of_view(rollouts.view(run)),
        exit_code=_INTERRUPTED,
        why=why,
        took_ms=rollouts.clock.now_ms() - began,
    )


def may_be_carried_on(ended: Ended) -> bool:
    """Would another process carry on the run of an interrupted command? Whoever took over a paused
    run would lift its pause."""
    state = ended.status.state
    return (
        ended.exit_code == _INTERRUPTED and state not in TERMINAL and state is not RunState.PAUSED
    )


def not_carried_on(ended: Ended, why: str) -> Ended:
    """The end of a command whose run nobody carries on."""
    return replace(ended, why=why)


def stands(rollouts: Rollouts, run: str, took_ms: int) -> Ended:
    """Where a run stands that another process carries."""
    code = exit_code(rollouts.view(run))
    return Ended(status=rollouts.status(run), exit_code=code, took_ms=took_ms)


def resume(
    rollouts: Rollouts, run: str, *, reason: str, accept_failures: bool, wait: bool
) -> Ended:
    """Go on with a run that was interrupted, paused or halted and has no controller now."""
    return perform(
        rollouts,
        run,
        lambda: rollouts.resume(run, reason=reason, accept_failures=accept_failures, wait=wait),
    )


def retry(rollouts: Rollouts, run: str, *, reason: str, hosts: Sequence[str], wait: bool) -> Ended:
    """Try failed hosts of a run again, all where `hosts` is empty."""
    return perform(
        rollouts, run, lambda: rollouts.retry(run, reason=reason, hosts=hosts, wait=wait)
    )


def roll_back(
    rollouts: Rollouts, run: str, *, reason: str, hosts: Sequence[str], force: bool
) -> Ended:
    """Undo the run on these hosts, on all where `hosts` is empty."""
    return perform(
        rollouts, run, lambda: rollouts.roll_back(run, reason=reason, hosts=hosts, force=force)
    )


def follow(rollouts: Rollouts, run: str, leave: Callable[[], bool] = lambda: False) -> Ended:
    """Show a run of another process until it ends or has no controller any more, or the person who
    watches wants to `leave`."""
    view = rollouts.view(run)
    while (view.state not in TERMINAL or view.in_flight()) and not leave():
        entries = rollouts.news(view)
        for entry in entries:
            for sink in rollouts.sinks:
                sink.on_entry(entry)
        if not entries and not rollouts.controller(run):
            rollouts.news(view)  # entries that it wrote since the last read
            break
        rollouts.clock.sleep(0 if entries else _LOOK_AGAIN_S)
    until = view.since if view.state in TERMINAL else rollouts.clock.now_ms()
    created = rollouts.database.runs.get(run).created * 1000
    return Ended(
        status=rollouts.status(run),
        exit_code=exit_code(view),
        took_ms=max(0, until - created),
    )
