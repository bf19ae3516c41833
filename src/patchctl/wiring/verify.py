"""Builds what verifies a workspace's hosts."""

from collections.abc import Callable

from ..workflows.rollout.verify import Verifier
from .assess import parts_of_snapshot
from .workspace import Workspace


def verifier(workspace: Workspace, say: Callable[[str], None]) -> Verifier:
    """Verifies this workspace's hosts; `say` takes lines of progress. Raises NotFoundError where
    nothing was ever done here."""
    return Verifier(
        fleet=workspace.fleet,
        database=workspace.database(create=False),
        discover=lambda hosts: workspace.discover(hosts, refresh=False, say=say),
        parts=lambda snapshot: parts_of_snapshot(workspace, snapshot),
        feeds=workspace.feeds.list,
    )
