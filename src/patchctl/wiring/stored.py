"""Builds what lists the state: plans, runs and earlier discoveries."""

from ..models.snapshot import SnapshotSummary
from ..models.state import HostHistory, Known, PlanSummary, RunSummary
from .workspace import Workspace


def plans(workspace: Workspace) -> list[PlanSummary]:
    """Stored plans, newest first. Like the others, raises NotFoundError where there is no state."""
    return workspace.database(create=False).plans.list()


def runs(workspace: Workspace) -> list[RunSummary]:
    """All runs, newest first."""
    return workspace.database(create=False).runs.list()


def snapshots(workspace: Workspace) -> list[SnapshotSummary]:
    """Earlier discoveries, newest first."""
    return workspace.database(create=False).snapshots.list()


def history(workspace: Workspace, host: str) -> list[HostHistory]:
    """What each discovery said about the host, newest first."""
    return workspace.database(create=False).snapshots.history(host)


def known(workspace: Workspace, host: str) -> Known:
    """All that is known of a host. Raises NotFoundError where nobody has looked at it."""
    from ..workflows.discovery.discover import known

    return known(workspace.database(create=False).snapshots, host)
