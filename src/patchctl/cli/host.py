"""`patchctl host`: show and remove what patchctl stores on hosts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..models.host_storage import HostKeeps
from ..report.formats import Format
from ..workflows.rollout.host_clean import Action
from . import completion, output
from .options import Output, changes_hosts, confirm, reaches_hosts

if TYPE_CHECKING:
    from ..models.fleet import Fleet
    from ..wiring.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="""What patchctl keeps on a host, under /var/lib/patchctl: which run holds it, and the
package files, the state before and the log of the last two transactions.

\b
Examples:
  patchctl host show               every host of the inventory
  patchctl host clean web1 --yes   free web1 and remove all that is kept there
""",
)

Hosts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[HOST]...",
        help="Hosts or Ansible's patterns; none: all.",
        autocompletion=completion.limit,
    ),
]


@app.command()
@reaches_hosts
def show(
    ctx: typer.Context,
    workspace: "Workspace",
    hosts: Hosts = None,
    form: Output = Format.TABLE,
) -> None:
    """Show the claim and the transactions of hosts."""
    from ..wiring.fleet import fleet_of

    fleet = fleet_of(workspace, output.note)
    _print(_ask(workspace, fleet, Action.SHOW, _named(workspace, fleet, hosts)), form)


@app.command()
@changes_hosts
def clean(
    ctx: typer.Context,
    workspace: "Workspace",
    hosts: Hosts = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also hosts that a run of this workspace holds.")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    """Free hosts and remove everything that patchctl keeps there.

    What was installed stays; it cannot be undone from there any more. Refused while a transaction
    runs there, and while a run holds the host.
    """
    from ..wiring.fleet import fleet_of
    from ..wiring.host import check_free

    fleet = fleet_of(workspace, output.note)
    names = _named(workspace, fleet, hosts)
    if not force:
        check_free(workspace, names)
    confirm("remove what patchctl keeps on these hosts, old package versions too?", yes=yes)
    _print(_ask(workspace, fleet, Action.CLEAN, names), form)


def _named(workspace: "Workspace", fleet: "Fleet", hosts: list[str] | None) -> tuple[str, ...]:
    from ..wiring.fleet import limited

    return limited(workspace, fleet, ",".join(hosts or ()))


def _ask(
    workspace: "Workspace", fleet: "Fleet", action: Action, names: Sequence[str]
) -> list[HostKeeps]:
    from ..wiring.host import keep_or_clean

    return sorted(keep_or_clean(workspace, fleet, action, names), key=lambda host: host.name)


def _print(hosts: list[HostKeeps], form: Format) -> None:
    from ..report.host_view import HostStorageView

    output.show(HostStorageView(hosts), form)
    raise typer.Exit(4 if any(host.error for host in hosts) else 0)
