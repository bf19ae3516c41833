"""`patchctl verify`: parse, compare hosts with the expected state of runs, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..report.formats import Format
from . import completion, output
from .options import Limit, Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace

_HELP = """Does every host still have what was promised, and is it effective?

\b
Examples:
  patchctl verify                               the newest succeeded run of each host
  patchctl verify --limit production -o json
  patchctl verify r-20261125-194501-ab12        what one run promised
  patchctl verify --snapshot latest             by the last discovery, without asking hosts

\b
A host is
  ok             the promised versions, or newer ones, are there and run
  broken         one is missing, older, or not fully installed
  not effective  installed, but old code runs: a reboot or restart is missing
  CVEs open      the feeds by now find a promised CVE in the new version
  unreachable, unknown   it could not be looked at

\b
With feeds, promised CVEs that are open are named. A run that was undone promises nothing. Nothing
on a host is changed.
Exit codes: 0 all ok, 1 some host is not or nothing is promised, 2 wrong usage or no run yet.
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=_HELP)
@reaches_hosts
def verify(
    ctx: typer.Context,
    workspace: "Workspace",
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="A run's id or a unique part of it; none: the newest of each host.",
            autocompletion=completion.runs,
        ),
    ] = "",
    limit: Limit = "",
    snapshot: Annotated[
        str,
        typer.Option(
            metavar="ID|latest",
            help="Go by this snapshot; none: look at the hosts now.",
            autocompletion=completion.snapshots,
        ),
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    from ..models.verification import VerifiedState
    from ..report.verify_view import VerificationView
    from ..wiring.fleet import fleet_of, limited
    from ..wiring.verify import verifier

    options = state(ctx)
    fleet = fleet_of(workspace, options.say)
    hosts = limited(workspace, fleet, limit) if limit else None
    verdict = verifier(workspace, fleet, options.say).verify(run, hosts, snapshot)
    output.show(VerificationView(verdict), form, quiet=options.quiet)
    all_ok = all(host.state is VerifiedState.OK for host in verdict.hosts)
    if not (verdict.hosts and all_ok):
        raise typer.Exit(1)
