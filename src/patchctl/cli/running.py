"""What the verbs of a rollout share: the terminal around a run, and its end."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

import typer

from ..models.plan import Plan
from ..models.rollout import CommandKind, RunStatus
from ..report import rollout_text
from ..rollout import states
from ..rollout.status import exit_code, status
from ..rollout.view import RunView
from . import output
from .output import Format
from .progress import Follower, LiveTable, PlainLines
from .state import state
from .summary import show_status

if TYPE_CHECKING:
    from ..rollout.interfaces import EventSink
    from ..wiring import Workspace
    from ..workflows.rollout import Rollouts


class Terminal:
    """Progress while a run goes, and a clean end: result, exit code, how to go on."""

    def __init__(self, ctx: typer.Context, form: Format) -> None:
        self._state = state(ctx)
        self._form = form
        self._follower: Follower | None = None
        self._old: object = None

    def __enter__(self) -> Self:
        # A pipeline that cancels sends SIGTERM; the run must stay resumable then, too.
        self._old = signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._old)  # type: ignore[arg-type]
        if self._follower is not None:
            self._follower.close()

    def make_plan(self, workspace: "Workspace") -> Plan | None:
        """Fresh discovery and a plan of the pending security updates."""
        from .planning import fresh_plan

        return fresh_plan(workspace, quiet=self._state.quiet)

    def open(self, workspace: "Workspace", run: str) -> tuple["Rollouts", str]:
        """The runs of the workspace, shown as they go, and the run that is meant."""
        workspace.database(create=False)
        rollouts = workspace.rollouts()
        ident = rollouts.find(run or None)
        return replace(rollouts, sinks=self.sinks(rollouts)), ident

    def sinks(self, rollouts: "Rollouts") -> Sequence["EventSink"]:
        """Who shows the run: nobody, plain lines, or a live table."""
        if self._state.quiet:
            return ()
        load = rollouts.view

        if sys.stderr.isatty() and self._form is Format.TABLE:
            from rich.console import Console

            console = Console(stderr=True, no_color=not self._state.color, highlight=False)
            self._follower = LiveTable(load, console)
        else:
            self._follower = PlainLines(load)
        return (self._follower,)

    def finish(self, rollouts: "Rollouts", run: str, action: Callable[[], RunView]) -> NoReturn:
        """Carry out, show where the run stands, exit with its code."""
        code = 0
        try:
            view = action()
            code = exit_code(view)
        except KeyboardInterrupt:
            view = rollouts.view(run)
            code = 130
        if self._follower is not None:
            self._follower.close()
        show_status(status(view), self._form)
        if code == 130:
            output.error(f"interrupted; go on with `patchctl rollout resume {run}`")
        raise typer.Exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
        while view.state not in states.TERMINAL_RUNS or view.in_flight():
            new = rollouts.news(view)
            for entry in new:
                for sink in sinks:
                    sink.on_entry(entry)
            if not new and not rollouts.controller(ident):
                break
            time.sleep(0 if new else 0.5)
    show_status(rollouts.status(ident), form)
    raise typer.Exit(exit_code(view))
