"""`patchctl status`: parse, put together what is stored of the fleet, print."""

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..models.fleet_status import HostOrder, Need
from ..report.formats import Format
from . import output
from .options import Limit, RowsOutput, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace

_HELP = """The whole fleet by what is stored: asks no host and no network.

\b
Examples:
  patchctl status                             counts, then the hosts that are worst
  patchctl status --needs reboot --all        every host that needs a reboot
  patchctl status --ring production --sort patched-at
  patchctl status -o json | jq '.hosts[] | select(.overdue > 0) | .name'
  patchctl status --all -o csv > fleet.csv    for a spreadsheet

\b
A host is well where it needs nothing and all is known of it. What is not known (a host that was
never looked at, a look that failed, a feed that is missing or too old) is counted as unknown, and
shown as ?. --needs attention: overdue or to act on now, never looked at, the last look failed, or
in a run that waits for a person. Counts are of all hosts of --ring, --group and --limit.
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=_HELP)
@reaches_hosts
def status(
    ctx: typer.Context,
    workspace: "Workspace",
    ring: Annotated[str, typer.Option(metavar="RING", help="Only hosts of this ring.")] = "",
    group: Annotated[
        str, typer.Option(metavar="GROUP", help="Only hosts of this group of the inventory.")
    ] = "",
    limit: Limit = "",
    needs: Annotated[Need | None, typer.Option(help="List only hosts that need this.")] = None,
    order: Annotated[
        HostOrder, typer.Option("--sort", help="Order of the hosts; the worst first.")
    ] = HostOrder.URGENCY,
    all_hosts: Annotated[
        bool, typer.Option("--all", help="Every host, also where they fill more than a screen.")
    ] = False,
    form: RowsOutput = Format.TABLE,
) -> None:
    from ..report.fleet_status_view import FleetStatusView, Space
    from ..wiring.status import status as known

    options = state(ctx)
    fleet_status = known(
        workspace, options.say, limit=limit, ring=ring, group=group, needs=needs, order=order
    )
    space = None
    if sys.stdout.isatty() and not all_hosts:
        width, height = shutil.get_terminal_size()
        space = Space(lines=height, columns=width)
    output.show(FleetStatusView(fleet_status, space), form, quiet=options.quiet)
