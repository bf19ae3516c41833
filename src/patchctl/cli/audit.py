"""`patchctl audit`: what happened, and proof that nobody changed the story."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..models.words import count
from . import completing, output
from .options import Output, confirm
from .output import Format
from .state import state

if TYPE_CHECKING:
    from ..models.audit import AuditNote

_HELP = """Show and verify the audit log.

\b
Examples:
  patchctl audit show --since 2h
  patchctl audit show --run ab12 --host web-3
  patchctl audit verify -o json

\b
Exit codes of verify: 0 whole and unchanged, 6 not.
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, help=_HELP)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def show(
    ctx: typer.Context,
    run: Annotated[
        str,
        typer.Option(
            "--run", help="Beginning or end of a run's id.", autocompletion=completing.runs
        ),
    ] = "",
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Only what concerns this host.", autocompletion=completing.hosts
        ),
    ] = "",
    since: Annotated[str, typer.Option("--since", help="2h, 3d, 2026-11-23T11:45 (UTC).")] = "",
    form: Output = Format.TABLE,
) -> None:
    """The log, oldest first."""
    from ..wiring import audit

    wanted = audit.wanted(run=run, host=host, since=since)
    workspace = state(ctx).workspace()
    if form is Format.TABLE:
        # One line an event, fields apart by two spaces, so that awk and grep are enough.
        output.lines(_line(note) for note in audit.notes(workspace, wanted))
    else:
        output.data(list(audit.records(workspace, wanted)), form)


@app.command()
def verify(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    """Check every record, their order, the end, and that they agree with the journal."""
    from ..wiring import audit

    verdict = audit.verify(state(ctx).workspace())
    if form is not Format.TABLE:
        output.data(verdict, form)
    elif verdict.ok:
        output.lines([f"ok: {count(verdict.records, 'record')}, head {verdict.head or 'none'}"])
    if not verdict.ok:
        output.error(f"the audit log is not whole: {verdict.error}")
    elif verdict.behind:
        output.note(f"{verdict.behind} newer events are in the journal and not yet in the log")
    raise typer.Exit(0 if verdict.ok else 6)


@app.command()
def rebuild(ctx: typer.Context, yes: Yes = False, form: Output = Format.TABLE) -> None:
    """Write a damaged log anew from the journal; the damaged files are kept beside it."""
    from ..wiring import audit

    workspace = state(ctx).workspace()
    confirm("Write the audit log anew?", yes=yes)
    written, aside = audit.rebuild(workspace)
    if form is Format.TABLE:
        output.note(f"{count(written, 'record')} written; the old files are in {aside}")
    else:
        output.data({"records": written, "old_files": str(aside)}, form)


def _line(note: "AuditNote") -> str:
    event = f"{note.event}: {note.reason}" if note.reason else note.event
    return "  ".join(map(output.clean, (note.at, note.run, note.host or "-", event)))
