"""Carry a run as far as it goes, and return its status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import CutShortError
from ...models.run_status import RunStatus
from ...models.states import TERMINAL
from ...rollout.interfaces import EventSink
from ...rollout.status import exit_code
from ...rollout.view import RunView
from .runs import Rollouts

Load = Callable[[str], RunView]
"""Loads the view of a run by its id."""

_INTERRUPTED = 130
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What shows a run: `sinks` makes the event sinks when the run begins; `warn` takes warnings
    for the operator that stop nothing."""

    sinks: Callable[[Load], Sequence[EventSink]] = lambda _: ()
    warn: Callable[[str], None] = lambda _: None

    def of(self, rollouts: Rollouts) -> Rollouts:
        """Return the runs with this screen's sinks and warnings."""
        return replace(rollouts, sinks=self.sinks(rollouts.view), warn=self.warn)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The status of a run when a command ends. `exit_code` is the documented one for it; `why`
    tells how to go on where the command was interrupted or cut short."""

    status: RunStatus
    exit_code: int
    why: str = ""


def perform(rollouts: Rollouts, run: str, action: Callable[[], RunView]) -> Ended:
    """Do the action and return the run's status. An interrupt, or an error of this machine, is a
    result too: hosts may have changed, and the run goes on later."""
    try:
        view = action()
    except KeyboardInterrupt:
        why = f"interrupted; go on with `patchctl rollout resume {run}`"
    except CutShortError as error:
        why = str(error)
    else:
        return Ended(status=rollouts.status_of_view(view), exit_code=exit_code(view))
    return Ended(
        status=rollouts.status_of_view(rollouts.view(run)), exit_code=_INTERRUPTED, why=why
    )


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


def follow(rollouts: Rollouts, run: str) -> Ended:
    """Show a run of another process until it ends or has no controller any more."""
    view = rollouts.view(run)
    while view.state not in TERMINAL or view.in_flight():
        entries = rollouts.news(view)
        for entry in entries:
            for sink in rollouts.sinks:
                sink.on_entry(entry)
        if not entries and not rollouts.controller(run):
            rollouts.news(view)  # entries that it wrote since the last read
            break
        rollouts.clock.sleep(0 if entries else _LOOK_AGAIN_S)
    return Ended(status=rollouts.status(run), exit_code=exit_code(view))
