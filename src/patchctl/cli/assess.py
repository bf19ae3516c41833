"""`patchctl assess`: parse, assess the newest discovery, print findings or actions."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..models.words import more
from ..report.formats import Format
from . import output
from .options import Limit, Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.assessment.assess import AssessmentRun

_HELP = """Which vulnerability is on which host, how urgent it is, and by when.

\b
Examples:
  patchctl assess                               what to do, most urgent first
  patchctl assess --findings --limit web1       every CVE of a host
  patchctl assess -o json | jq '.actions[0]'
  patchctl assess --fail-on kev,overdue         for a pipeline: exit 1 where there is one

\b
Compares what the last discovery found with the feeds that are held; asks no host and no network.
`patchctl explain CVE` tells why.
Exit codes: 0 assessed, 1 --fail-on fits or the last look at every host failed, 2 no feed speaks of
these hosts, or the findings could not be kept in the history.
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=_HELP)
@reaches_hosts
def assess(
    ctx: typer.Context,
    workspace: "Workspace",
    limit: Limit = "",
    findings: Annotated[
        bool, typer.Option("--findings", help="A line for each finding, not each action.")
    ] = False,
    all_actions: Annotated[
        bool, typer.Option("--all", help="Every action, also where they fill more than a screen.")
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULES",
            help="Exit 1 where a finding fits: act, overdue, kev, cvss>=9; several with commas.",
        ),
    ] = None,
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="Reckon due dates as of this day; default: today.")
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    from ..report.assessment_view import SCREEN, AssessmentView
    from ..wiring.assess import assess as begin

    running = begin(workspace, limit, fail_on or (), as_of)
    most = None if all_actions or not sys.stdout.isatty() else SCREEN
    view = AssessmentView(running, by_finding=findings, most=most)
    output.show(view, form, quiet=state(ctx).quiet)
    raise typer.Exit(_code(running))


def _code(running: "AssessmentRun") -> int:
    gate = running.gate
    if running.unrecorded is not None:
        output.error(f"the history of findings was not written: {running.unrecorded}")
        return running.unrecorded.exit_code
    if not gate.failed:
        return 0 if running.looked_at else 1
    for host, finding, rule in gate.shown:
        due = f", due {finding.due}" if finding.due else ""
        output.error(f"{rule}: {host}: {finding.cve} in {finding.package}{due}")
    if gate.failed > len(gate.shown):
        output.error(more(gate.failed - len(gate.shown), "finding"))
    return 1
