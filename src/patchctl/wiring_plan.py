"""Builds what makes plans from a workspace."""

from collections.abc import Callable

from .adapters import git, hook_files
from .adapters.ansible import task_file
from .adapters.clock import now_ms
from .inventory.export import generate
from .wiring import Workspace, operator
from .wiring_assess import parts_of_snapshot
from .wiring_feeds import stale
from .workflows.make_plan import PlanMaker
from .workflows.plan_findings import PlanAssessing


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
