"""`patchctl discover`: parse, look at the hosts or at what is known, print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..models.words import moment
from . import completing, output
from .groups import DefaultGroup
from .options import Limit, Output, reaches_hosts
from .output import Format
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
    epilog="`patchctl discover start --help` shows the options of a discovery itself.",
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
    from ..report import discovery_text as text
    from ..wiring import discovery
    from ..wiring.fleet import fleet_of, limited

    quiet = state(ctx).quiet
    say = (lambda _: None) if quiet else output.note
    if file is not None:
        if limit or refresh or timeout:
            raise UsageError(
                "--import asks no host", hint="leave --limit, --refresh, --timeout out"
            )
        found = discovery.import_hosts(workspace, file)
    else:
        fleet = fleet_of(workspace, say)
        hosts = limited(workspace, fleet, limit)
        found = discovery.discover(
            workspace, fleet, hosts, refresh=refresh, say=say, timeout_s=timeout
        )
    if form is Format.TABLE:
        output.table(text.HEADER, text.rows(found))
        if not quiet:
            output.note(text.closing(found))
    else:
        output.data(text.summary(found), form)
    raise typer.Exit(_code(found, fail_on))


def _code(found: "Snapshot", fail_on: FailOn) -> int:
    answered = sum(host.facts is not None for host in found.hosts)
    failed = len(found.hosts) - answered
    if fail_on is FailOn.ANY:
        return int(failed > 0)
    return int(fail_on is FailOn.ALL and failed > 0 and answered == 0)


@app.command()
def show(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="Name in the inventory.", autocompletion=completing.hosts
        ),
    ],
    packages: Annotated[bool, typer.Option("--packages", help="List its packages.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """All that is known of one host, from the newest discovery that could read it."""
    from ..report import discovery_text as text
    from ..wiring.stored import known

    found = known(state(ctx).workspace(), host)
    if form is not Format.TABLE:
        output.data(found, form)
    elif found.facts is None:
        output.table(["WHAT", "VALUE"], [("host", host), ("status", found.reason)])
    elif packages:
        rows = [(it.name, it.version, it.arch, it.source) for it in found.facts.packages]
        output.table(["PACKAGE", "VERSION", "ARCH", "SOURCE"], rows)
    else:
        head = [("host", host), ("seen", moment(found.taken)), ("snapshot", found.snapshot)]
        last = [("last try", f"{found.status.value}: {found.reason}")] if found.reason else []
        output.table(["WHAT", "VALUE"], [*head, *last, *text.details(found.facts)])


@app.command("list")
def list_snapshots(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Option(metavar="HOST", help="Only this host's.", autocompletion=completing.hosts),
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    """Earlier discoveries, newest first."""
    from ..wiring import stored

    workspace = state(ctx).workspace()
    if host:
        seen = stored.history(workspace, host)
        rows = [(it.snapshot, moment(it.taken), it.status.value, it.reason) for it in seen]
        header = ["SNAPSHOT", "TAKEN", "STATUS", "REASON"]
    else:
        taken = stored.snapshots(workspace)
        rows = [
            (it.id, moment(it.taken), f"{it.ok} ok", f"{it.unreachable + it.failed} not")
            for it in taken
        ]
        header = ["SNAPSHOT", "TAKEN", "HOSTS", ""]
    if form is Format.TABLE:
        output.table(header, rows)
    else:
        output.data({"snapshots": seen if host else taken}, form)
