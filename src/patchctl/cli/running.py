"""Code that the verbs of a rollout share: output during a run and at its end."""

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

import typer

from ..errors import PatchctlError
from ..models.journal import CommandKind
from ..models.run_status import RunStatus
from ..report.formats import RENDERERS, Format
from ..report.rollout_view import NothingToRollOutView, RequestView
from ..report.run_end_view import RunEndView
from . import output
from .progress import Follower, PlainLines
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.rollout.advance import Ended, Screen
    from ..workflows.rollout.runs import Rollouts
    from ..workflows.rollout.start import NothingToDo
    from .live_actions import RunActions


class Terminal:
    """Progress while a run goes, and a clean end: result, exit code, how to go on.

    `carries` is the workspace of a run that this process carries, None where it only watches one;
    `wait` is what it was told about soaks and approvals.
    """

    def __init__(
        self,
        ctx: typer.Context,
        form: Format,
        carries: "Workspace | None" = None,
        *,
        wait: bool = True,
    ) -> None:
        self._state = state(ctx)
        self._form = form
        self._live = RENDERERS[form].live
        self._carries = carries
        self._wait = wait
        self._follower: Follower | None = None
        self._rollouts: Rollouts | None = None
        self._actions: RunActions | None = None

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
        if self._actions is not None:
            self._actions.over = True
        if self._follower is not None:
            self._follower.close()

    @property
    def left(self) -> bool:
        """Did the person leave the run with a key?"""
        return self._actions is not None and self._actions.left

    def say(self, line: str) -> None:
        """Print a line of progress."""
        self._state.say(line)

    def begin(self, run: str) -> None:
        """Show a run as it is stored, before it has news."""
        if self._follower is not None:
            self._follower.begin(run)

    def screen(self) -> "Screen":
        """Return what shows a run on this terminal."""
        from ..workflows.rollout.advance import Screen

        return Screen(sinks=self._sinks, warn=self._warn)

    def _warn(self, message: str) -> None:
        if self._follower is not None:
            self._follower.warn(message)
        else:
            output.error(message)

    def _sinks(self, rollouts: "Rollouts") -> Sequence[Follower]:
        """Who shows the run: nobody, plain lines, or the live screen."""
        from ..workflows.rollout.watching import onlooker

        if self._state.quiet:
            return ()
        self._rollouts = rollouts
        plain = self._state.verbose or self._state.debug
        if self._live and not plain and _has_screen():
            from .live import LiveScreen

            self._follower = LiveScreen(
                onlooker(rollouts),
                rollouts.clock,
                color=self._state.color,
                actions=self._make_actions if sys.stdin.isatty() else None,
            )
        else:
            self._follower = PlainLines(onlooker(rollouts))
        return (self._follower,)

    def _make_actions(self, run: str) -> "RunActions":
        from ..wiring.carry_on import cannot_carry_on
        from .live_actions import RunActions

        assert self._rollouts is not None
        stays = cannot_carry_on(self._carries) if self._carries is not None else ""
        self._actions = RunActions(
            self._rollouts, run, carries=self._carries is not None, stays=stays
        )
        return self._actions

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
        """Show where the run stands, exit with its code. Not through a pager: whoever comes back
        to the terminal after an hour sees the end, and what comes next."""
        self._close()
        output.no_page()
        if self.left and self._carries is not None and self._rollouts is not None:
            ended = self._carry_on(self._carries, self._rollouts, ended)
        output.show(RunEndView(ended.status, ended.took_ms), self._form)
        if ended.why:
            output.error(ended.why)
        raise typer.Exit(ended.exit_code)

    def _carry_on(self, workspace: "Workspace", rollouts: "Rollouts", ended: "Ended") -> "Ended":
        """Have the run carried on in the background. Where that cannot be, it stands as after
        Ctrl-C."""
        from ..wiring.carry_on import carry_on
        from ..workflows.rollout import advance

        if not advance.may_be_carried_on(ended) or (self._actions and self._actions.stops):
            return ended
        run = ended.status.run
        self.say(f"run {run}: a process in the background takes it over")
        try:
            log = carry_on(workspace, rollouts, run, wait=self._wait)
        except PatchctlError as error:
            return advance.not_carried_on(ended, str(error))
        self.say(f"run {run} goes on in the background; what it says is in {log}")
        return advance.stands(rollouts, run, ended.took_ms)


def _has_screen() -> bool:
    """Can stderr show the live screen? A process in the background must leave the terminal
    alone."""
    from .keyboard import is_foreground

    return (
        sys.stderr.isatty()
        and os.environ.get("TERM", "dumb") != "dumb"
        and is_foreground(sys.stderr.fileno())
    )


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
        shown = terminal.screen().of(rollouts)
        terminal.begin(ident)
        terminal.finish(advance.follow(shown, ident, lambda: terminal.left))
