"""Build what verifies that a workspace's hosts are as the runs left them."""

from collections.abc import Callable

from ..models.fleet import Fleet
from ..workflows.rollout.verify import Verifier
from .assess import parts_of_snapshot
from .discovery import discover
from .workspace import Workspace


def verifier(workspace: Workspace, fleet: Fleet, say: Callable[[str], None]) -> Verifier:
    """Return the verifier of this workspace's hosts; `say` takes lines of progress. Raises
    NotFoundError where there is no state."""
    return Verifier(
        fleet=fleet,
        database=workspace.database(create=False),
        discover=lambda hosts: discover(workspace, fleet, hosts, refresh=False, say=say),
        parts=lambda snapshot: parts_of_snapshot(workspace, fleet, snapshot),
        feeds=workspace.feeds.list,
    )
