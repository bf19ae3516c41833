"""`patchctl plan`: parse, make or find plans, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ..errors import UsageError
from ..models.plan import Plan, Selection, SelectionMode
from ..report.formats import Format
from . import completion, output
from .options import Exclude, ExcludeReason, Limit, Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..report.plan_result_view import PlanResultView
    from ..wiring.workspace import Workspace
    from ..workflows.plan.make_plan import Made

_HELP = """Freeze pending updates into a reviewable plan.

\b
Examples:
  patchctl plan create                          pending security updates
  patchctl plan create --all --limit 'web*'     every pending update of some hosts
  patchctl plan create --package openssl --package curl=7.88.1-10+deb12u8
  patchctl plan create --cve CVE-2024-6387      what removes a CVE, on every host that has it
  patchctl plan create --decision act --due-before 2026-02-01
  patchctl plan create --exclude 'postgresql*' --reason 'migration this week'
  patchctl plan show                            the newest plan
  patchctl plan diff plans/old.lock 4f3a9c      a file and a stored plan

\b
PLAN is a file, or the start (4 digits or more) of a stored plan's digest.
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, help=_HELP)

PlanName = Annotated[
    str,
    typer.Argument(
        metavar="[PLAN]", help="File or digest; none: newest.", autocompletion=completion.plans
    ),
]


Security = Annotated[bool, typer.Option("--security", help="Security updates (the default).")]
Every = Annotated[bool, typer.Option("--all", help="Every pending update.")]
Package = Annotated[
    list[str] | None,
    typer.Option(
        "--package",
        metavar="NAME[=VERSION]",
        help="This package, by binary or source name; may be repeated.",
    ),
]
Cve = Annotated[
    list[str] | None,
    typer.Option(
        "--cve",
        metavar="CVE",
        help="Updates that remove this CVE, security or not; may be repeated.",
    ),
]
Decision = Annotated[
    str | None,
    typer.Option(
        "--decision",
        metavar="act|out_of_cycle|scheduled",
        help="Updates that remove a finding which is that urgent or more.",
    ),
]
DueBefore = Annotated[
    str | None,
    typer.Option(
        "--due-before", metavar="DATE", help="Updates that remove a finding due before that day."
    ),
]
Phased = Annotated[
    bool,
    typer.Option(
        "--phased", help="Also updates that their repository does not bring to the host yet."
    ),
]
FromSnapshot = Annotated[
    str,
    typer.Option(
        "--snapshot",
        metavar="ID|latest",
        help="Plan from this snapshot; none: discover now.",
        autocompletion=completion.snapshots,
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where to write it; default plans/….lock.")
]


@app.command()
@reaches_hosts
def create(
    ctx: typer.Context,
    workspace: "Workspace",
    security: Security = False,
    every: Every = False,
    package: Package = None,
    cve: Cve = None,
    decision: Decision = None,
    due_before: DueBefore = None,
    phased: Phased = False,
    exclude: Exclude = None,
    reason: ExcludeReason = "",
    limit: Limit = "",
    snapshot: FromSnapshot = "",
    out: Out = None,
    comment: Annotated[str, typer.Option(help="Why; kept in the plan.")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Look at the hosts, let each resolve its updates, fetch the files, freeze the plan.

    --cve, --decision and --due-before select by findings, of which all that are given must hold;
    they need feeds, and exclude --security, --all and --package.

    Writes no file where no host has anything to do; exits 0 then, or 1 where some host could not
    be looked at or may not be patched.
    """
    from ..wiring.plan import make_file as make
    from ..workflows.exclusions import of_options

    kind = _kind(security=security, every=every, packages=bool(package))
    if not cve and decision is due_before is None:
        mode = kind or SelectionMode.SECURITY
        selection = Selection(mode=mode, packages=tuple(package or ()), limit=limit)
    else:
        selection = _by_findings(kind, cve or [], decision, due_before, limit)
    selection = msgspec.structs.replace(selection, phased=phased)
    made, path = make(
        workspace,
        selection,
        state(ctx).say,
        snapshot=snapshot,
        comment=comment,
        out=out,
        exclude=of_options(exclude or (), reason),
    )
    output.show(plan_result(made, path), form)
    raise typer.Exit(made.exit_code)


def _kind(*, security: bool, every: bool, packages: bool) -> SelectionMode | None:
    """Return the kind of updates that the options name, None where they name none. Raises
    UsageError for more than one.
    """
    given = {
        SelectionMode.SECURITY: security,
        SelectionMode.ALL: every,
        SelectionMode.PACKAGE: packages,
    }
    chosen = [mode for mode, is_given in given.items() if is_given]
    if len(chosen) > 1:
        raise UsageError("--security, --all and --package exclude each other", hint="give one")
    return chosen[0] if chosen else None


def _by_findings(
    kind: SelectionMode | None,
    cves: list[str],
    decision: str | None,
    due_before: str | None,
    limit: str,
) -> Selection:
    from ..workflows.plan.findings import by_findings

    if kind is not None:
        raise UsageError(
            "--cve, --decision and --due-before exclude --security, --all and --package",
            hint="a finding tells which packages; give the one or the other",
        )
    return by_findings(cves, decision, due_before, limit=limit)


@app.command()
def show(
    ctx: typer.Context,
    plan: PlanName = "",
    full: Annotated[bool, typer.Option("--full", help="Cut no list.")] = False,
    hosts: Annotated[
        bool, typer.Option("--hosts", help="Which host in which wave, instead of what changes.")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    """A plan for a person, with all that it runs; the rest of it with -o json."""
    from ..report.plan_view import PlanView

    output.show(PlanView(_find(ctx, plan), full=full, by_host=hosts), form)


@app.command()
def diff(
    ctx: typer.Context,
    before: Annotated[
        str, typer.Argument(metavar="A", help="File or digest.", autocompletion=completion.plans)
    ],
    after: Annotated[
        str, typer.Argument(metavar="B", help="File or digest.", autocompletion=completion.plans)
    ],
    form: Output = Format.TABLE,
) -> None:
    """What plan B changes against plan A."""
    from ..report.plan_diff_view import PlanDiffView
    from ..workflows.plan.plan_files import compare

    output.show(PlanDiffView(compare(_find(ctx, before), _find(ctx, after))), form)


@app.command("list")
def list_plans(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    """Stored plans, newest first."""
    from ..report.plan_view import PlansView
    from ..wiring import stored

    output.show(PlansView(stored.plans(state(ctx).workspace())), form)


def plan_result(made: "Made", path: Path | None) -> "PlanResultView":
    """Return the view of a new plan. `path` is where it was written, None where there is none."""
    from ..report.plan_result_view import PlanResultView

    return PlanResultView(
        plan=made.plan,
        path=str(path) if path else None,
        snapshot=made.snapshot,
        left_out=made.left_out,
        could_not_look=made.could_not_look,
        exclusions=made.exclusions,
        all_looked_at=made.all_looked_at,
    )


def _find(ctx: typer.Context, name: str) -> Plan:
    """Return a stored plan, or one in a file. A file needs no workspace, so that a plan can be
    reviewed anywhere.
    """
    if name and Path(name).is_file():
        from ..workflows.plan.plan_files import read_plan

        return read_plan(Path(name))
    from ..wiring.stored import find_plan

    return find_plan(state(ctx).workspace(), name).plan
