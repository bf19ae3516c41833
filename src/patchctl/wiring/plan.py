"""Make, find and judge plans."""

import contextlib
from pathlib import Path

from ..adapters import files, git, git_head, hook_files
from ..adapters.ansible import task_file
from ..adapters.clock import now_ms
from ..errors import NotFoundError
from ..inventory.export import generate
from ..models.exclusions import Exclusion
from ..models.fleet import Fleet
from ..models.plan import Selection, SelectionMode
from ..workflows.plan import plan_files
from ..workflows.plan.findings import PlanAssessing
from ..workflows.plan.make_plan import Made, PlanMaker, PlanRequest
from ..workflows.plan.trust import PlanJudge
from .assess import parts_of_snapshot
from .discovery import discover
from .feeds import stale
from .fleet import Say, fleet_of, limited
from .workspace import Workspace


def judge(workspace: Workspace) -> PlanJudge:
    """Return the judge that decides whether a plan may run here."""

    def made(digest: str) -> bool:
        with contextlib.suppress(NotFoundError):
            return workspace.database(create=False).plans.load(digest) is not None
        return False

    return PlanJudge(
        made=made,
        committed=lambda path, data: git_head.at_head(
            workspace.root, path, data, workspace.caller.environment, trusted=workspace.trusted
        ),
    )


def make_file(
    workspace: Workspace,
    selection: Selection,
    say: Say,
    *,
    snapshot: str,
    comment: str,
    out: Path | None,
    exclude: tuple[Exclusion, ...] = (),
) -> tuple[Made, Path | None]:
    """Make a plan of the selection, whose limit is a host pattern, and write it to `out` or into
    `plans/`. Returns the result and the path of the file, None where no plan was written. `say`
    takes warnings and lines of progress; `exclude` are exclusions of this plan alone.

    Raises InvalidInputError, before any host is asked, where `out` cannot be written to.
    """
    cwd = workspace.caller.folder
    if out is not None:
        plan_files.check_writable(out, cwd)
    fleet = fleet_of(workspace, say)
    request = PlanRequest(
        selection=selection,
        hosts=limited(workspace, fleet, selection.limit) if selection.limit else None,
        snapshot=snapshot,
        comment=comment,
        exclude=exclude,
    )
    made = planner(workspace, fleet, say).make(request)
    if made.plan is None:
        return made, None
    path = cwd / out if out is not None else plan_files.default_path(workspace.root, made.plan)
    return made, plan_files.write_plan(made.plan, path, files)


def pending(
    workspace: Workspace, fleet: Fleet, say: Say, exclude: tuple[Exclusion, ...] = ()
) -> Made:
    """Discover now and plan the pending security updates; `exclude` are exclusions of this plan."""
    request = PlanRequest(selection=Selection(mode=SelectionMode.SECURITY), exclude=exclude)
    return planner(workspace, fleet, say).make(request)


def planner(workspace: Workspace, fleet: Fleet, say: Say) -> PlanMaker:
    """Return the plan maker of this workspace; `say` takes lines of progress."""
    hooks = [name for name in workspace.hooks() if name]
    task_file.check_all(workspace.root, hooks)
    return PlanMaker(
        settings=workspace.settings,
        fleet=fleet,
        database=workspace.database(),
        store=workspace.store,
        runner=workspace.runner,
        inventory=lambda hosts: generate(fleet, hosts),
        discover=lambda hosts: discover(workspace, fleet, hosts, refresh=True, say=say),
        now=lambda: now_ms() // 1000,
        revision=lambda: git.revision(workspace.root, workspace.caller.environment),
        by=workspace.caller.actor,
        say=say,
        assessing=PlanAssessing(
            parts=lambda snapshot: parts_of_snapshot(workspace, fleet, snapshot),
            feeds=workspace.feeds.list,
            refuse_stale=lambda: stale(workspace),
            say=say,
        ),
        hooks=hook_files.read(workspace.root, hooks).files,
    )
