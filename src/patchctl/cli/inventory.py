"""`patchctl inventory`: parse, load the fleet, print."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import UsageError
from ..report.formats import Format
from . import completion, output
from .groups import DefaultGroup
from .options import Limit, Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..models.fleet import Fleet
    from ..wiring.workspace import Workspace

_HELP = """The merged fleet and its rings.

\b
Examples:
  patchctl inventory                            every host with its ring
  patchctl inventory list --limit 'web:!ring_production'
  patchctl inventory show web1 -o yaml          all that the inventory says of a host
  patchctl inventory list -i other/hosts.ini    another source than the workspace's
  patchctl inventory graph                      rings and groups as a tree
  patchctl inventory lint                       what is wrong with it, and where
  patchctl inventory diff origin/main           what an edit changes

\b
Use the fleet in Ansible, rings as groups ring_NAME, by a script of one line:
  #!/bin/sh
  exec patchctl -C /path/to/workspace inventory export "$@"
  ansible-playbook -i that-script site.yml --limit ring_staging
Keep the script outside of inventory/, where it would read itself.
"""


_GRAPH_HELP = """The tree of rings and groups, as `ansible-inventory --graph` draws it.

Rings stand first, by the names of their groups in `inventory export`.

\b
Examples:
  patchctl inventory graph
  patchctl inventory graph --limit ring_staging
  patchctl inventory graph -o json              nodes with name, kind, hosts and children
"""

_LINT_HELP = """What is wrong with the inventory: file, line, and how to fix it.

Errors: no-ring, two-rings, unknown-ring, host-name, duplicate-address, duplicate-machine,
unknown-group, undefined-variable, broken-template, plain-password. Warnings: empty-ring,
os-not-early, role-not-early, role-in-one-ring. Operating systems and machine-ids are those of the
newest `patchctl discover`; no host is asked.

Exits 1 where there are errors, with --strict also where there are warnings.

\b
Examples:
  patchctl inventory lint
  patchctl inventory lint --strict -o json      for a pipeline
  patchctl inventory lint -i new-hosts.yml
"""


_DIFF_HELP = """What the working tree changes in the inventory of a git revision.

Hosts that appear, vanish, move between rings, change groups or variables, and plans (of plans/ and
of the state) that become invalid. Rings and rules are those of each side's patchctl.yml.

Exits 0 where nothing differs, 1 where something does.

Executable sources and plugin configurations are not run, on neither side, and are named as not
compared; where their files differ the exit code is 1. Vault passwords are those of the working
tree.

\b
Examples:
  patchctl inventory diff HEAD                  what is not committed yet
  patchctl inventory diff origin/main -o json   in the pipeline of a merge request
  patchctl inventory diff v1.4 --run-sources    REV is trusted: run its programs too
"""


class _ListFirst(DefaultGroup):
    default = "list"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # `list` takes no argument, so an unknown word is a misspelled command.
        if args and not args[0].startswith("-"):
            return TyperGroup.parse_args(self, ctx, args)
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListFirst, rich_markup_mode=None, add_completion=False, help=_HELP)


@app.command("list")
@reaches_hosts
def list_hosts(
    ctx: typer.Context, workspace: "Workspace", limit: Limit = "", form: Output = Format.TABLE
) -> None:
    """Every host with its ring and why it is in it."""
    from ..report.inventory_view import HostsView
    from ..workflows.inventory import show as workflow

    fleet = _fleet(ctx, workspace)
    listing = workflow.listing(fleet, _limited(workspace, fleet, limit))
    output.show(HostsView(listing), form, quiet=state(ctx).quiet)


@app.command()
@reaches_hosts
def show(
    ctx: typer.Context,
    workspace: "Workspace",
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="Name in the inventory.", autocompletion=completion.hosts
        ),
    ],
    form: Output = Format.TABLE,
) -> None:
    """All that the inventory says of one host, untemplated; secrets are hidden."""
    from ..report.inventory_view import HostView
    from ..workflows.inventory import show as workflow

    output.show(HostView(workflow.show(_fleet(ctx, workspace), host)), form)


@app.command(help=_GRAPH_HELP)
@reaches_hosts
def graph(
    ctx: typer.Context, workspace: "Workspace", limit: Limit = "", form: Output = Format.TABLE
) -> None:
    from ..report.inventory_view import GraphView
    from ..workflows.inventory import show as workflow

    fleet = _fleet(ctx, workspace)
    root = workflow.graph(fleet, _limited(workspace, fleet, limit))
    output.show(GraphView(root), form)


@app.command(help=_LINT_HELP)
@reaches_hosts
def lint(
    ctx: typer.Context,
    workspace: "Workspace",
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings too.")] = False,
    form: Output = Format.TABLE,
) -> None:
    from ..report.inventory_view import LintView
    from ..wiring.inventory import lint as find

    report, warnings = find(workspace)
    quiet = state(ctx).quiet
    if not quiet:
        output.notes(f"warning: {line}" for line in warnings)
    output.show(LintView(report), form, quiet=quiet)
    if report.errors or (strict and report.warnings):
        raise typer.Exit(1)


@app.command(help=_DIFF_HELP)
@reaches_hosts
def diff(
    ctx: typer.Context,
    workspace: "Workspace",
    revision: Annotated[str, typer.Argument(metavar="REV", help="Commit, branch or tag.")],
    run_sources: Annotated[
        bool, typer.Option("--run-sources", help="Run programs and plugins of REV too.")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    from ..report.inventory_view import InventoryDiffView
    from ..wiring.inventory import inventory_diff

    difference = inventory_diff(workspace, revision, run_sources=run_sources, warn=output.note)
    output.show(InventoryDiffView(difference), form)
    if difference.differs:
        raise typer.Exit(1)


@app.command()
@reaches_hosts
def export(
    ctx: typer.Context,
    workspace: "Workspace",
    every: Annotated[bool, typer.Option("--list", help="All hosts and groups.")] = False,
    host: Annotated[
        str,
        typer.Option("--host", metavar="NAME", help="One host.", autocompletion=completion.hosts),
    ] = "",
    limit: Limit = "",
) -> None:
    """The fleet as Ansible's dynamic-inventory JSON, with secrets as the inventory has them."""
    from ..report.inventory_view import AnsibleInventoryView
    from ..workflows.inventory import show as workflow

    if every and host:
        raise UsageError("give --list or --host, not both")
    fleet = _fleet(ctx, workspace)
    if host:
        document = workflow.ansible_host(fleet, host)
    else:
        document = workflow.ansible_listing(fleet, _limited(workspace, fleet, limit))
    output.show(AnsibleInventoryView(document), Format.JSON)


def _fleet(ctx: typer.Context, workspace: "Workspace") -> "Fleet":
    from ..wiring.fleet import fleet_of

    return fleet_of(workspace, state(ctx).say)


def _limited(workspace: "Workspace", fleet: "Fleet", limit: str) -> tuple[str, ...]:
    from ..wiring.fleet import limited

    return limited(workspace, fleet, limit)
