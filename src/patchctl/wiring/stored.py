"""List the stored plans, runs and earlier discoveries, and find one. All raise NotFoundError where
there is no state. What makes plans and discoveries is not loaded for that."""

from ..models.run_list import ListedRun
from ..models.snapshot import SnapshotSummary
from ..models.state import HostHistory, Known, PlanSummary
from ..workflows.plan import plan_files
from ..workflows.plan.plan_files import FoundPlan
from .workspace import Workspace


def plans(workspace: Workspace) -> list[PlanSummary]:
    """Return stored plans, newest first."""
    return workspace.database(create=False).plans.list()


def find_plan(workspace: Workspace, name: str) -> FoundPlan:
    """Return the plan of a file, with its bytes, or of a unique digest prefix; the newest plan
    where `name` is empty."""
    return plan_files.find_plan(
        name,
        lambda: workspace.database(create=False),
        workspace.caller.folder,
        workspace.root,
    )


def runs(workspace: Workspace) -> list[ListedRun]:
    """Return all runs with what came of them, newest first."""
    from ..workflows.rollout.listing import listed

    return list(listed(workspace.database(create=False)))


def snapshots(workspace: Workspace) -> list[SnapshotSummary]:
    """Return earlier discoveries, newest first."""
    return workspace.database(create=False).snapshots.list()


def history(workspace: Workspace, host: str) -> list[HostHistory]:
    """Return the result of each discovery of the host, newest first."""
    return workspace.database(create=False).snapshots.history(host)


def known(workspace: Workspace, host: str) -> Known:
    """Return all that is known of a host. Raises NotFoundError where it was never discovered."""
    from ..workflows.discovery.discover import known

    return known(workspace.database(create=False).snapshots, host)
