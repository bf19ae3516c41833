"""Builds what makes plans from a workspace."""

import contextlib
from collections.abc import Callable

from ..adapters import git, git_head, hook_files
from ..adapters.ansible import task_file
from ..adapters.clock import now_ms
from ..errors import NotFoundError
from ..inventory.export import generate
from ..workflows.plan.findings import PlanAssessing
from ..workflows.plan.make_plan import PlanMaker
from ..workflows.plan.trust import PlanJudge
from .assess import parts_of_snapshot
from .feeds import stale
from .workspace import Workspace, operator


def judge(workspace: Workspace) -> PlanJudge:
    """Judges whether a plan may be run here."""

    def made(digest: str) -> bool:
        with contextlib.suppress(NotFoundError):
            return workspace.database(create=False).plans.load(digest) is not None
        return False

    return PlanJudge(
        made=made,
        committed=lambda path, data: git_head.at_head(
            workspace.root, path, data, trusted=workspace.trusted
        ),
    )


def planner(workspace: Workspace, say: Callable[[str], None]) -> PlanMaker:
    """Makes plans of this workspace; `say` takes lines of progress."""
    hooks = [name for name in workspace.hooks() if name]
    task_file.check_all(workspace.root, hooks)
    return PlanMaker(
        settings=workspace.settings,
        fleet=workspace.fleet,
        database=workspace.database(),
        store=workspace.store,
        runner=workspace.runner,
        inventory=lambda hosts: generate(workspace.fleet, hosts),
        discover=lambda hosts: workspace.discover(hosts, refresh=True, say=say),
        now=lambda: now_ms() // 1000,
        revision=lambda: git.revision(workspace.root),
        by=operator(),
        say=say,
        assessing=PlanAssessing(
            parts=lambda snapshot: parts_of_snapshot(workspace, snapshot),
            feeds=workspace.feeds.list,
            refuse_stale=lambda: stale(workspace),
            say=say,
        ),
        hooks=hook_files.read(workspace.root, hooks).files,
    )
