"""`patchctl plan`: parse, make or find plans, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..models.plan import Plan, Selection, SelectionMode
from . import completing, output
from .options import Limit, Output, reaches_hosts
from .output import Format
from .state import state

if TYPE_CHECKING:
    from ..wiring import Workspace

_HELP = """Freeze pending updates into a reviewable plan.

\b
Examples:
  patchctl plan create                          pending security updates
  patchctl plan create --all --limit 'web*'     every pending update of some hosts
  patchctl plan create --package openssl --package curl=7.88.1-10+deb12u8
  patchctl plan show                            the newest plan
  patchctl plan diff plans/old.lock 4f3a9c      a file and a stored plan

\b
PLAN is a file, or the start (4 digits or more) of a stored plan's digest.
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, help=_HELP)

PlanName = Annotated[
    str,
    typer.Argument(
        metavar="[PLAN]", help="File or digest; none: newest.", autocompletion=completing.plans
    ),
]


@app.command()
@reaches_hosts
def create(
    ctx: typer.Context,
    workspace: "Workspace",
    security: Annotated[
        bool, typer.Option("--security", help="Pending security updates (the default).")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every pending update.")] = False,
    package: Annotated[
        list[str] | None,
        typer.Option(
            "--package",
            metavar="NAME[=VERSION]",
            help="This package, by binary or source name; may be repeated.",
        ),
    ] = None,
    limit: Limit = "",
    snapshot: Annotated[
        str,
        typer.Option(
            metavar="ID|latest",
            help="Plan from this snapshot; none: discover now.",
            autocompletion=completing.snapshots,
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; default plans/….lock.")
    ] = None,
    comment: Annotated[str, typer.Option(help="Why; kept in the plan.")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Look at the hosts, let each resolve its updates, fetch the files, freeze the plan.

    Writes no file where no host has anything to do; exits 0 then, or 1 where some host could not
    be looked at or may not be patched.
    """
    from ..report import plan_text
    from ..workflows import make_plan
    from . import planning

    selection = _selection(security=security, every=every, packages=package or [], limit=limit)
    if out is not None:
        make_plan.check_writable(out)
    quiet = state(ctx).quiet
    made = planning.make(workspace, selection, quiet=quiet, snapshot=snapshot, comment=comment)
    path = None
    if made.plan is not None:
        path = make_plan.write_plan(
            made.plan, out or make_plan.default_path(workspace.root, made.plan)
        )
    if form is not Format.TABLE:
        output.data(planning.summary(made, path), form)
    elif made.plan is not None:
        output.lines(output.clean(line) for line in plan_text.show(made.plan))
        output.error_lines(["", f"written to {path}", f"next: patchctl rollout {path}"])
    else:
        output.lines(output.clean(line) for line in plan_text.left_out(made.left_out))
        output.note("nothing to do: no plan was written")
    if made.plan is None and not planning.nothing_wrong(made):
        raise typer.Exit(1)


def _selection(*, security: bool, every: bool, packages: list[str], limit: str) -> Selection:
    if security + every + bool(packages) > 1:
        raise UsageError("--security, --all and --package exclude each other", hint="give one")
    mode = SelectionMode.SECURITY
    if every or packages:
        mode = SelectionMode.ALL if every else SelectionMode.PACKAGE
    return Selection(mode=mode, packages=tuple(packages), limit=limit)


@app.command()
def show(
    ctx: typer.Context,
    plan: PlanName = "",
    full: Annotated[bool, typer.Option("--full", help="Cut no list.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """A plan for a person; all of it with -o json."""
    from ..report import plan_text

    found = _find(ctx, plan)
    if form is not Format.TABLE:
        output.data(found, form)
        return
    output.lines(output.clean(line) for line in plan_text.show(found, full=full))


@app.command()
def diff(
    ctx: typer.Context,
    before: Annotated[
        str, typer.Argument(metavar="A", help="File or digest.", autocompletion=completing.plans)
    ],
    after: Annotated[
        str, typer.Argument(metavar="B", help="File or digest.", autocompletion=completing.plans)
    ],
    form: Output = Format.TABLE,
) -> None:
    """What plan B changes against plan A."""
    from ..report import plan_diff_text
    from ..workflows.make_plan import compare

    found = compare(_find(ctx, before), _find(ctx, after))
    if form is not Format.TABLE:
        output.data(found, form)
        return
    output.lines(output.clean(line) for line in plan_diff_text.show(found))


@app.command("list")
def list_plans(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    """Stored plans, newest first."""
    from ..report.plan_text import short, when

    plans = state(ctx).workspace().database(create=False).plans.list()
    if form is not Format.TABLE:
        output.data({"plans": plans}, form)
        return
    output.table(
        ["PLAN", "CREATED", "HOSTS", "CHANGES", "BY", "COMMENT"],
        [
            (
                short(one.digest),
                when(one.created),
                str(one.hosts),
                str(one.transitions),
                one.author,
                one.comment,
            )
            for one in plans
        ],
    )


def _find(ctx: typer.Context, name: str) -> Plan:
    """A file needs no workspace, so that a plan can be reviewed anywhere."""
    from ..workflows import make_plan

    if name and Path(name).is_file():
        return make_plan.read_plan(Path(name))
    return state(ctx).workspace().find_plan(name)
