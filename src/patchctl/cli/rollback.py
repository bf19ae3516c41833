"""`patchctl rollback`: return the hosts of a run to their earlier state."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..report.formats import Format
from . import completion, output
from .options import Output, changes_hosts, confirm

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@changes_hosts
def rollback(
    ctx: typer.Context,
    workspace: "Workspace",
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]", help="Run; none: the newest.", autocompletion=completion.runs
        ),
    ] = "",
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Only this host; repeatable.",
            autocompletion=completion.hosts,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Undo also what the plan calls unsafe to undo.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Return the hosts of a run to their state before, the newest ring first.

    Shows hosts, packages and versions before it asks.

    \b
    Examples:
      patchctl rollback                      undo the newest run
      patchctl rollback --host web1 --yes    one host of it

    Exit codes: 0 all undone, 4 some could not be undone, 2 nothing to undo.
    """
    from ..report.undo_view import UndoQuestionView
    from ..workflows.rollout import advance
    from .running import Terminal, opened

    with Terminal(ctx, form, workspace) as terminal:
        rollouts, ident = opened(workspace, run)
        # Raises where there is nothing to undo, so that nobody is asked for nothing.
        groups = rollouts.before_undo(ident, hosts=host or (), force=force)
        output.show(UndoQuestionView(ident, rollouts.view(ident).plan.digest, groups), form)
        confirm(f"Undo run {ident}?", yes=yes)
        # Only now: a live table would overwrite the question.
        shown = terminal.screen().of(rollouts)
        terminal.begin(ident)
        terminal.finish(
            advance.roll_back(shown, ident, reason=reason, hosts=host or (), force=force)
        )
