"""May the plan that is named on the command line run?"""

import shlex
from typing import TYPE_CHECKING

import typer

from ..models.rollout import PlanTrust
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace
    from ..workflows.plan.make_plan import FoundPlan


def judged(
    ctx: typer.Context,
    workspace: "Workspace",
    found: "FoundPlan | None",
    name: str,
    digest: str,
    *,
    yes: bool,
) -> PlanTrust:
    """Why the plan may run; `name` and `digest` are what the command line says of it.

    Raises UsageError where `digest` is not that of the plan, InvalidInputError, with the command
    to give, where nothing vouches for it.
    """
    from ..wiring.plan import judge
    from ..workflows.plan.trust import check_named

    if found is None:  # it is about to be made here
        if digest:
            check_named(digest, None)
        return PlanTrust.STATE
    command = _command(ctx, workspace, name, yes=yes)
    return judge(workspace).judge(found, digest, command)


def _command(ctx: typer.Context, workspace: "Workspace", name: str, *, yes: bool) -> str:
    """The command that was given, without options for access: one of them may be a secret."""
    options = state(ctx)
    words = ["patchctl"]
    if options.directory is not None:
        words += ["-C", str(options.directory)]
    words += ["rollout", "start", name]
    for source in workspace.access.sources:
        words += ["-i", source]
    return shlex.join([*words, "--yes"] if yes else words)
