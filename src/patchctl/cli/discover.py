"""`patchctl discover`: parse, look at the hosts or at stored discoveries, print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..report.formats import Format
from . import completion, output
from .groups import DefaultGroup
from .options import Limit, Output, RowsOutput, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..models.snapshot import Snapshot
    from ..wiring.workspace import Workspace

_HELP = """Learn everything about every host in one round trip.

\b
Examples:
  patchctl discover                        every host of the inventory
  patchctl discover --limit web --refresh  some hosts, after fetching their package lists
  patchctl discover -o json | jq '.hosts[] | select(.reboot_required)'
  patchctl discover --import hosts.json    hosts that nobody can reach, from a file
  patchctl discover show                   the last look at every host
  patchctl discover show web1              all that is known of a host
  patchctl discover list                   earlier discoveries

\b
Nothing on a host changes (but for its package lists with --refresh), and nothing but a POSIX
shell is needed there.
"""


class FailOn(StrEnum):
    """When hosts that could not be discovered make the exit code 1."""

    NEVER = "never"
    ANY = "any"
    ALL = "all"


app = typer.Typer(
    cls=DefaultGroup,
    rich_markup_mode=None,
    add_completion=False,
    help=_HELP,
)


@app.command("start")
@reaches_hosts
def start(
    ctx: typer.Context,
    workspace: "Workspace",
    limit: Limit = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Hosts fetch their package lists first.")
    ] = False,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, help="Longest for a host; 0: the settings'.")
    ] = 0,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit 1 where any or all hosts could not be discovered.")
    ] = FailOn.ALL,
    file: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Take hosts from FILE; ask none."),
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """Look at every host and keep what is found (what `patchctl discover` does by itself)."""
    from ..report.discovery_view import DiscoveryView
    from ..wiring import discovery
    from ..wiring.fleet import fleet_of, limited

    options = state(ctx)
    if file is not None:
        if limit or refresh or timeout:
            raise UsageError(
                "--import asks no host", hint="leave --limit, --refresh, --timeout out"
            )
        snapshot = discovery.import_hosts(workspace, file)
    else:
        fleet = fleet_of(workspace, options.say)
        hosts = limited(workspace, fleet, limit)
        snapshot = discovery.discover(
            workspace, fleet, hosts, refresh=refresh, say=options.say, timeout_s=timeout
        )
    output.show(DiscoveryView(snapshot), form, quiet=options.quiet)
    raise typer.Exit(_code(snapshot, fail_on))


def _code(snapshot: "Snapshot", fail_on: FailOn) -> int:
    answered = sum(host.facts is not None for host in snapshot.hosts)
    failed = len(snapshot.hosts) - answered
    if fail_on is FailOn.ANY:
        return int(failed > 0)
    return int(fail_on is FailOn.ALL and failed > 0 and answered == 0)


@app.command()
def show(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Argument(
            metavar="[HOST]", help="Name in the inventory.", autocompletion=completion.hosts
        ),
    ] = "",
    packages: Annotated[bool, typer.Option("--packages", help="List its packages.")] = False,
    form: RowsOutput = Format.TABLE,
) -> None:
    """All that is known of one host, from the newest discovery that could read it; without HOST
    the last look at every host."""
    from ..report.discovery_view import KnownHostView
    from ..report.last_looks_view import LastLooksView
    from ..wiring.status import last_looks
    from ..wiring.stored import known

    options = state(ctx)
    if host:
        known_host = known(options.workspace(), host)
        output.show(KnownHostView(known_host, packages=packages), form)
        return
    if packages:
        raise UsageError("--packages needs a host", hint="`patchctl discover show HOST --packages`")
    looks = last_looks(options.workspace(), options.say)
    output.show(LastLooksView(looks), form, quiet=options.quiet)


@app.command("list")
def list_snapshots(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Option(metavar="HOST", help="Only this host's.", autocompletion=completion.hosts),
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    """Earlier discoveries, newest first."""
    from ..report.discovery_view import HostHistoryView, SnapshotsView
    from ..wiring import stored

    workspace = state(ctx).workspace()
    if host:
        output.show(HostHistoryView(stored.history(workspace, host)), form)
    else:
        output.show(SnapshotsView(stored.snapshots(workspace)), form)
