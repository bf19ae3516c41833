"""List the stored plans, runs and earlier discoveries. All raise NotFoundError where there is no
state."""

from ..models.run_list import ListedRun
from ..models.snapshot import SnapshotSummary
from ..models.state import HostHistory, Known, PlanSummary
from .workspace import Workspace


def plans(workspace: Workspace) -> list[PlanSummary]:
    """Return stored plans, newest first."""
    return workspace.database(create=False).plans.list()


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
