"""Code that the verbs of a rollout share: output during a run and at its end."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

import typer

from ..models.journal import CommandKind
from ..models.run_status import RunStatus
from ..report.formats import RENDERERS, Format
from ..report.rollout_view import NothingToRollOutView, RequestView, RunView
from . import output
from .progress import Follower, LiveTable, PlainLines
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.rollout.advance import Ended, Load, Screen
    from ..workflows.rollout.runs import Rollouts
    from ..workflows.rollout.start import NothingToDo


class Terminal:
    """Shows progress during a run, and at its end the result, the exit code and the next step."""

    def __init__(self, ctx: typer.Context, form: Format) -> None:
        self._state = state(ctx)
        self._form = form
        self._live = RENDERERS[form].live
        self._follower: Follower | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._follower is not None:
            self._follower.close()

    def say(self, line: str) -> None:
        """Print a line of progress."""
        self._state.say(line)

    def screen(self) -> "Screen":
        """Return what shows a run on this terminal."""
        from ..workflows.rollout.advance import Screen

        return Screen(sinks=self._sinks, warn=output.error)

    def _sinks(self, load: "Load") -> Sequence[Follower]:
        """Return what shows the run: nothing, plain lines, or a live table."""
        if self._state.quiet:
            return ()
        plain = self._state.verbose or self._state.debug
        if self._live and not plain and sys.stderr.isatty():
            from rich.console import Console

            console = Console(stderr=True, no_color=not self._state.color, highlight=False)
            self._follower = LiveTable(load, console)
        else:
            self._follower = PlainLines(load)
        return (self._follower,)

    def nothing(self, end: "NothingToDo") -> NoReturn:
        """Say why no host has anything to do, and exit."""
        view = NothingToRollOutView(
            exit_code=end.exit_code,
            left_out=end.left_out,
            could_not_look=end.could_not_look,
            exclusions=end.exclusions,
            all_looked_at=end.all_looked_at,
        )
        output.show(view, self._form)
        raise typer.Exit(end.exit_code)

    def finish(self, ended: "Ended") -> NoReturn:
        """Show the state of the run and exit with its code."""
        self._close()
        output.show(RunView(ended.status), self._form)
        if ended.why:
            output.error(ended.why)
        raise typer.Exit(ended.exit_code)


def opened(workspace: "Workspace", run: str) -> tuple["Rollouts", str]:
    """Return the runs of a workspace, and the id of the run that is meant (the newest where `run`
    is empty).
    """
    from ..wiring.runs import existing

    rollouts = existing(workspace)
    return rollouts, rollouts.find(run or None)


def look(ctx: typer.Context, run: str) -> RunStatus:
    """Return the state of a run, read from the journal."""
    rollouts, ident = opened(state(ctx).workspace(), run)
    return rollouts.status(ident)


def steer(
    ctx: typer.Context, run: str, command: CommandKind, *, ring: str, reason: str, form: Format
) -> None:
    """Put a request into the run's mailbox and say when it takes effect."""
    rollouts, ident = opened(state(ctx).workspace(), run)
    lives = rollouts.request(ident, command, ring=ring, reason=reason)
    status = None if lives else rollouts.status(ident)
    output.show(RequestView(ident, command, status), form)


def follow(ctx: typer.Context, run: str, form: Format) -> NoReturn:
    """Show a run of another process until it stops, then exit with its code."""
    from ..workflows.rollout import advance

    rollouts, ident = opened(state(ctx).workspace(), run)
    with Terminal(ctx, form) as terminal:
        terminal.finish(advance.follow(terminal.screen().of(rollouts), ident))
