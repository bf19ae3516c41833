"""Carry a run as far as it goes, and say where it stands then."""

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
"""Gives a run as its journal tells it, by its id."""

_INTERRUPTED = 130
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Who shows a run: `sinks` makes them when the run begins; `warn` is told what an operator
    should know though it stops nothing."""

    sinks: Callable[[Load], Sequence[EventSink]] = lambda _: ()
    warn: Callable[[str], None] = lambda _: None

    def of(self, rollouts: Rollouts) -> Rollouts:
        """The same runs, shown."""
        return replace(rollouts, sinks=self.sinks(rollouts.view), warn=self.warn)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Where a run stands when a command lets go of it. `exit_code` is what product.md promises for
    that; `why` says how to go on where the command was interrupted or cut short."""

    status: RunStatus
    exit_code: int
    why: str = ""


def perform(rollouts: Rollouts, run: str, action: Callable[[], RunView]) -> Ended:
    """Do it, and say where the run stands. That it is interrupted, or cut short by this machine, is
    a result: hosts may have changed, and the run goes on later."""
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
    """Go on with a run that was interrupted, paused or halted, which nobody carries now."""
    return perform(
        rollouts,
        run,
        lambda: rollouts.resume(run, reason=reason, accept_failures=accept_failures, wait=wait),
    )


def retry(rollouts: Rollouts, run: str, *, reason: str, hosts: Sequence[str], wait: bool) -> Ended:
    """Try hosts of a run again that failed, or all that did."""
    return perform(
        rollouts, run, lambda: rollouts.retry(run, reason=reason, hosts=hosts, wait=wait)
    )


def roll_back(
    rollouts: Rollouts, run: str, *, reason: str, hosts: Sequence[str], force: bool
) -> Ended:
    """Return hosts of a run, or all, to their state before."""
    return perform(
        rollouts, run, lambda: rollouts.roll_back(run, reason=reason, hosts=hosts, force=force)
    )


def follow(rollouts: Rollouts, run: str) -> Ended:
    """Show a run that another process carries until it stands, or nobody carries it any more."""
    view = rollouts.view(run)
    while view.state not in TERMINAL or view.in_flight():
        new = rollouts.news(view)
        for entry in new:
            for sink in rollouts.sinks:
                sink.on_entry(entry)
        if not new and not rollouts.controller(run):
            rollouts.news(view)  # what it wrote between the two looks
            break
        rollouts.clock.sleep(0 if new else _LOOK_AGAIN_S)
    return Ended(status=rollouts.status(run), exit_code=exit_code(view))
