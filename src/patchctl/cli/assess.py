"""`patchctl assess`: parse, assess what is known, print findings or actions."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..models.words import more
from . import output
from .options import Limit, Output, reaches_hosts
from .output import Format
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.assessment.assess import Running

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
these hosts.
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
    from ..wiring.assess import assess as begin

    running = begin(workspace, limit, fail_on or (), as_of)
    if form is Format.JSON:
        _json(running)
    elif form is Format.YAML:
        _yaml(running)
    elif findings:
        _findings(running)
    else:
        _actions(running, everything=all_actions, quiet=state(ctx).quiet)
    raise typer.Exit(_code(running))


def _json(running: "Running") -> None:
    from ..report.assessment_text import JsonWriter

    writer = JsonWriter()
    output.chunk(writer.head())
    first = True
    for name, found in running.hosts():
        output.chunk(writer.host(name, found, first=first))
        first = first and not found
    output.chunk(writer.tail(running.done()) + b"\n")


def _yaml(running: "Running") -> None:
    import msgspec

    from ..report.assessment_text import plain

    found = [{"host": name, **plain(one)} for name, some in running.hosts() for one in some]
    output.data({"findings": found, **msgspec.to_builtins(running.done())}, Format.YAML)


def _findings(running: "Running") -> None:
    from ..report import assessment_text as text

    rows = [text.finding_row(name, one) for name, some in running.hosts() for one in some]
    output.table(text.FINDINGS, rows)
    _say(running)


def _actions(running: "Running", *, everything: bool, quiet: bool) -> None:
    from ..report import assessment_text as text

    found = running.done()
    shown = found.actions if everything or not sys.stdout.isatty() else found.actions[: text.SCREEN]
    if found.actions:
        output.table(text.ACTIONS, text.action_rows(shown))
    if quiet:
        return
    if len(shown) < len(found.actions):
        output.note(f"{more(len(found.actions) - len(shown), 'action')}: --all shows them")
    _say(running)


def _say(running: "Running") -> None:
    from ..report import assessment_text as text

    found = running.done()
    output.note(text.headline(found, running.total))
    output.error_lines(line for line in (text.states_line(found), text.feeds_line(found)) if line)
    output.error_lines(output.clean(line) for line in text.compliance(found, running.total))
    output.error_lines(text.cautions(found))


def _code(running: "Running") -> int:
    gate = running.gate
    if not gate.failed:
        return 0 if running.looked_at else 1
    for host, finding, rule in gate.shown:
        due = f", due {finding.due}" if finding.due else ""
        output.error(f"{rule}: {host}: {finding.cve} in {finding.package}{due}")
    if gate.failed > len(gate.shown):
        output.error(more(gate.failed - len(gate.shown), "finding"))
    return 1
