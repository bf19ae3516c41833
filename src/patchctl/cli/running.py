"""What the verbs of a rollout share: the terminal around a run, and its end."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

import typer

from ..models.journal import CommandKind
from ..models.rollout import RunState
from ..models.run_status import RunStatus
from ..report import plan_text, rollout_text
from . import output
from .output import Format
from .progress import Follower, LiveTable, PlainLines
from .state import state
from .summary import show_status

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.rollout.advance import Ended, Load, Screen
    from ..workflows.rollout.runs import Rollouts
    from ..workflows.rollout.start import NothingToDo


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
        self._close()

    def _close(self) -> None:
        if self._follower is not None:
            self._follower.close()

    def say(self, line: str) -> None:
        """A line of progress."""
        if not self._state.quiet:
            output.note(line)

    def screen(self) -> "Screen":
        """Shows a run here."""
        from ..workflows.rollout.advance import Screen

        return Screen(sinks=self._sinks, warn=output.error)

    def _sinks(self, load: "Load") -> Sequence[Follower]:
        """Who shows the run: nobody, plain lines, or a live table."""
        if self._state.quiet:
            return ()
        live = self._form is Format.TABLE and not self._state.verbose and not self._state.debug
        if live and sys.stderr.isatty():
            from rich.console import Console

            console = Console(stderr=True, no_color=not self._state.color, highlight=False)
            self._follower = LiveTable(load, console)
        else:
            self._follower = PlainLines(load)
        return (self._follower,)

    def nothing(self, found: "NothingToDo") -> NoReturn:
        """Say why no host has anything to do, and exit."""
        rows = found.could_not_look
        why = plan_text.nothing_planned(rows, found.left_out, all_looked_at=found.all_looked_at)
        if self._form is Format.TABLE:
            output.lines(map(output.clean, plan_text.not_planned(rows, found.left_out)))
            output.note(why)
        else:
            ended = RunState.HALTED if found.exit_code else RunState.DONE
            nothing = {"run": None, "plan": None, "state": ended.value, "reason": why}
            lists = {"rings": [], "hosts": [], "blockers": [], "could_not_look": rows}
            plan = {
                "left_out": output.whole(found.left_out),
                "exclusions": output.whole(found.exclusions),
            }
            output.data({**nothing, **lists, **plan}, self._form)
        raise typer.Exit(found.exit_code)

    def finish(self, ended: "Ended") -> NoReturn:
        """Show where the run stands, exit with its code."""
        self._close()
        show_status(ended.status, self._form)
        if ended.why:
            output.error(ended.why)
        raise typer.Exit(ended.exit_code)


def opened(workspace: "Workspace", run: str) -> tuple["Rollouts", str]:
    """The runs of a workspace that has some, and the one that is meant."""
    from ..wiring.runs import existing

    rollouts = existing(workspace)
    return rollouts, rollouts.find(run or None)


def look(ctx: typer.Context, run: str) -> RunStatus:
    """Where a run stands, read from the journal."""
    rollouts, ident = opened(state(ctx).workspace(), run)
    return rollouts.status(ident)


def steer(
    ctx: typer.Context, run: str, command: CommandKind, *, ring: str, reason: str, form: Format
) -> None:
    """Leave a request in the run's mailbox and say when it takes effect."""
    rollouts, ident = opened(state(ctx).workspace(), run)
    lives = rollouts.request(ident, command, ring=ring, reason=reason)
    if form is not Format.TABLE:
        output.data({"run": ident, "command": command.value, "controller": lives}, form)
    elif lives:
        output.note(f"run {ident}: {command.value} is asked for; its controller takes it")
    else:
        status = rollouts.status(ident)
        output.note(rollout_text.headline(status))
        output.error_lines(rollout_text.next_step(status).splitlines())


def follow(ctx: typer.Context, run: str, form: Format) -> NoReturn:
    """Show a run that another process carries until it stands; exit with its code."""
    from ..workflows.rollout import advance

    rollouts, ident = opened(state(ctx).workspace(), run)
    with Terminal(ctx, form) as terminal:
        terminal.finish(advance.follow(terminal.screen().of(rollouts), ident))
