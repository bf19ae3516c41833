"""What the verbs of a rollout share: the terminal around a run, and its end."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

import typer

from ..errors import CutShortError
from ..models.plan import Plan
from ..models.rollout import CommandKind, RunStatus
from ..models.states import STANDING
from ..report import plan_text, rollout_text
from ..rollout.status import exit_code
from ..rollout.view import RunView
from . import output
from .output import Format
from .progress import Follower, LiveTable, PlainLines
from .state import state
from .summary import show_status

if TYPE_CHECKING:
    from ..rollout.interfaces import EventSink
    from ..wiring.workspace import Workspace
    from ..workflows.rollout.runs import Rollouts


class Terminal:
    """Progress while a run goes, and a clean end: result, exit code, how to go on."""

    def __init__(self, ctx: typer.Context, form: Format) -> None:
        self._state = state(ctx)
        self._form = form
        self._follower: Follower | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._follower is not None:
            self._follower.close()

    def make_plan(self, workspace: "Workspace") -> Plan:
        """Fresh discovery and a plan of the pending security updates.

        Where no host has anything to do, say why and exit: 0 where all are up to date, 1 where
        some could not be looked at or may not be patched.
        """
        from .planning import fresh_plan, nothing_wrong

        made = fresh_plan(workspace, quiet=self._state.quiet)
        if made.plan is not None:
            return made.plan
        if self._form is Format.TABLE:
            output.lines(output.clean(line) for line in plan_text.left_out(made.left_out))
            output.note("nothing to do")
        else:
            nothing = {"run": None, "plan": None, "state": "done", "reason": "nothing to do"}
            output.data({**nothing, "rings": [], "hosts": [], "blockers": []}, self._form)
        raise typer.Exit(0 if nothing_wrong(made) else 1)

    def open(self, workspace: "Workspace", run: str) -> tuple["Rollouts", str]:
        """The runs of the workspace, shown as they go, and the run that is meant."""
        workspace.database(create=False)
        rollouts = workspace.rollouts()
        ident = rollouts.find(run or None)
        return self.shown(rollouts), ident

    def shown(self, rollouts: "Rollouts") -> "Rollouts":
        """The same runs, told to the terminal as they go."""
        return replace(rollouts, sinks=self.sinks(rollouts), warn=output.error)

    def sinks(self, rollouts: "Rollouts") -> Sequence["EventSink"]:
        """Who shows the run: nobody, plain lines, or a live table."""
        if self._state.quiet:
            return ()
        load = rollouts.view

        live = self._form is Format.TABLE and not self._state.verbose and not self._state.debug
        if live and sys.stderr.isatty():
            from rich.console import Console

            console = Console(stderr=True, no_color=not self._state.color, highlight=False)
            self._follower = LiveTable(load, console)
        else:
            self._follower = PlainLines(load)
        return (self._follower,)

    def finish(self, rollouts: "Rollouts", run: str, action: Callable[[], RunView]) -> NoReturn:
        """Carry out, show where the run stands, exit with its code."""
        code, why = 0, f"interrupted; go on with `patchctl rollout resume {run}`"
        try:
            view = action()
            code = exit_code(view)
        except (KeyboardInterrupt, CutShortError) as error:
            view = rollouts.view(run)
            code = 130
            if isinstance(error, CutShortError):
                why = str(error)
        if self._follower is not None:
            self._follower.close()
        show_status(rollouts.standing(view), self._form)
        if code == 130:
            output.error(why)
        raise typer.Exit(code)


def runs(ctx: typer.Context, run: str) -> tuple["Rollouts", str]:
    """The runs of a workspace that has some, and the one that is meant."""
    workspace = state(ctx).workspace()
    workspace.database(create=False)
    rollouts = workspace.rollouts()
    return rollouts, rollouts.find(run or None)


def look(ctx: typer.Context, run: str) -> RunStatus:
    """Where a run stands, read from the journal."""
    rollouts, ident = runs(ctx, run)
    return rollouts.status(ident)


def steer(
    ctx: typer.Context, run: str, command: CommandKind, *, ring: str, reason: str, form: Format
) -> None:
    """Leave a request in the run's mailbox and say when it takes effect."""
    rollouts, ident = runs(ctx, run)
    lives = rollouts.request(ident, command, ring=ring, reason=reason)
    if form is not Format.TABLE:
        output.data({"run": ident, "command": command.value, "controller": lives}, form)
    elif lives:
        output.note(f"run {ident}: {command.value} is asked for; its controller takes it")
    else:
        standing = rollouts.status(ident)
        output.note(rollout_text.headline(standing))
        output.error_lines(rollout_text.next_step(standing).splitlines())


def follow(ctx: typer.Context, run: str, form: Format) -> NoReturn:
    """Show a run that another process carries until it stands; exit with its code."""
    rollouts, ident = runs(ctx, run)
    with Terminal(ctx, form) as terminal:
        sinks = terminal.sinks(rollouts)
        view = rollouts.view(ident)
        while view.state not in STANDING or view.in_flight():
            new = rollouts.news(view)
            for entry in new:
                for sink in sinks:
                    sink.on_entry(entry)
            if not new and not rollouts.controller(ident):
                rollouts.news(view)  # what it wrote between the two looks
                break
            time.sleep(0 if new else 0.5)
    show_status(rollouts.status(ident), form)
    raise typer.Exit(exit_code(view))
