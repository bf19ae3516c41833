"""`patchctl audit`: show what happened, and check that nobody changed the log."""

from functools import partial
from typing import Annotated

import typer

from ..report.formats import Format
from . import completion, output
from .options import Output, confirm
from .state import state

_HELP = """Show and verify the audit log.

\b
Examples:
  patchctl audit show --since 2h            who decided what
  patchctl audit show --run ab12 --host web-3   every step of a host
  patchctl audit show --all                 every record
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
            "--run", help="Beginning or end of a run's id.", autocompletion=completion.runs
        ),
    ] = "",
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Only what concerns this host.", autocompletion=completion.hosts
        ),
    ] = "",
    since: Annotated[str, typer.Option("--since", help="2h, 3d, 2026-11-23T11:45 (UTC).")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also the steps that carry the decisions out.")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    """The decisions in the log, oldest first.

    \b
    Decisions are what somebody asked for, how runs and rings went on, the
    start of each wave, and the hosts that did not go as planned. --all and
    --host show every step too; -o json and yaml always have every record.
    """
    from ..report.audit_view import AuditLogView
    from ..wiring import audit

    wanted = audit.record_filter(run=run, host=host, since=since)
    workspace = state(ctx).workspace()
    view = AuditLogView(
        records=partial(audit.records, workspace, wanted),
        notes=partial(audit.notes, workspace, wanted, every=every),
    )
    output.show(view, form)


@app.command()
def verify(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    """Check every record, their order, the end, and that they agree with the journal."""
    from ..report.audit_view import AuditVerdictView
    from ..wiring import audit

    verdict = audit.verify(state(ctx).workspace())
    output.show(AuditVerdictView(verdict), form)
    if not verdict.ok:
        output.error(f"the audit log is not whole: {verdict.error}")
    elif verdict.behind:
        output.note(f"{verdict.behind} newer events are in the journal and not yet in the log")
    raise typer.Exit(0 if verdict.ok else 6)


@app.command()
def rebuild(ctx: typer.Context, yes: Yes = False, form: Output = Format.TABLE) -> None:
    """Write a damaged log anew from the journal; the damaged files are kept beside it."""
    from ..report.audit_view import AuditRebuiltView
    from ..wiring import audit

    workspace = state(ctx).workspace()
    confirm("Write the audit log anew?", yes=yes)
    written, aside = audit.rebuild(workspace)
    output.show(AuditRebuiltView(written, str(aside)), form)
