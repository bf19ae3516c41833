"""Build what runs, steers and shows rollouts."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from ..adapters import processes
from ..adapters.clock import SystemClock
from ..adapters.host_output import HostOutputs
from ..models.fleet import Fleet
from ..models.host_log import HostLog
from ..models.plan import Plan
from ..models.rollout import Stage
from ..models.states import OVER
from ..workflows.rollout.host_logs import log_of
from ..workflows.rollout.reading import find_run
from ..workflows.rollout.runs import Rollouts
from . import guards
from .fleet import load
from .workspace import Workspace

if TYPE_CHECKING:
    from ..executors.hooks import PlannedHooks
    from ..rollout.interfaces import Executor


def existing(workspace: Workspace) -> Rollouts:
    """Return the runs of an existing state. Raises NotFoundError where there is no state."""
    workspace.database(create=False)
    return rollouts(workspace)


def outputs(workspace: Workspace) -> HostOutputs:
    """Return the store of what hosts printed in runs."""
    return HostOutputs(workspace.state / "output")


def host_log(workspace: Workspace, run: str, host: str, stage: Stage | None) -> HostLog:
    """Return what a run's host answered and printed. Raises NotFoundError."""
    database = workspace.database(create=False)
    ident = find_run(database, run or None)
    return log_of(database, outputs(workspace).read, ident, host, stage)


def rollouts(workspace: Workspace, fleet: Callable[[], Fleet] | None = None) -> Rollouts:
    """Return the runs of this workspace. `fleet` gives its hosts; without it the inventory is read
    when a run needs them."""
    hosts = cache(fleet or (lambda: load(workspace).fleet))
    return Rollouts(
        database=workspace.database(),
        executor=lambda plan: _executor(workspace, hosts, plan),
        fleet=hosts,
        clock=SystemClock(),
        process=processes.own(),
        alive=processes.is_alive,
        by=workspace.caller.actor,
        audit=workspace.audit_files,
        check=workspace.store.check,
        hooks=lambda plan: _planned_hooks(workspace, hosts, plan).check(),
    )


def _planned_hooks(workspace: Workspace, fleet: Callable[[], Fleet], plan: Plan) -> "PlannedHooks":
    from ..executors.hooks import PlannedHooks
    from ..inventory import export

    def judge(paths: Iterable[str]) -> None:
        if not workspace.trusted:
            guards.check_paths(workspace.root, paths, workspace.caller)

    return PlannedHooks(
        root=workspace.root,
        body=plan.body,
        judge=judge,
        known=lambda: export.group_names(fleet()),
        beside=lambda hosts, hook: export.beside(fleet(), hosts, hook),
    )


def _executor(workspace: Workspace, fleet: Callable[[], Fleet], plan: Plan) -> "Executor":
    from ..executors.ansible import AnsibleExecutor
    from ..executors.patience import answers_of
    from ..inventory.export import generate

    runs = workspace.database().runs.list(500)
    runs_of_plan = [run.id for run in runs if run.plan == plan.digest]
    return AnsibleExecutor(
        plan=plan,
        inventory=lambda hosts: generate(fleet(), hosts),
        runner=workspace.runner,
        store=workspace.store,
        hooks=_planned_hooks(workspace, fleet, plan),
        over=[run.id for run in runs if run.state in OVER],
        keep=lambda run, work, stage, lines: outputs(workspace).keep(
            run, work.host, work.attempt, stage, lines
        ),
        earlier=answers_of(runs_of_plan, workspace.database().journal_reader().read),
    )
