"""Discover hosts, or import them from a file."""

from collections.abc import Callable, Collection
from pathlib import Path

from ..adapters.clock import SystemClock, now_ms
from ..models.fleet import Fleet
from ..models.snapshot import Snapshot
from ..report.discovery_view import Narrator
from ..workflows.discovery import discover as workflow
from ..workflows.discovery import import_hosts as importing
from .workspace import Workspace


def discover(
    workspace: Workspace,
    fleet: Fleet,
    hosts: Collection[str] | None,
    *,
    refresh: bool,
    say: Callable[[str], None],
    timeout_s: int = 0,
) -> Snapshot:
    """Discover the named hosts (None: all) now and store the snapshot. `say` takes lines of
    progress; `timeout_s` is for each host, 0: that of the settings."""
    request = workflow.Request(
        hosts=None if hosts is None else tuple(hosts),
        refresh=refresh,
        timeout_s=timeout_s or workspace.settings.discovery_timeout_s,
    )
    return workflow.discover(
        fleet,
        request,
        runner=workspace.runner,
        clock=SystemClock(),
        prepare=workspace.database,
        save=lambda snapshot: workspace.database().snapshots.save(snapshot),
        progress=Narrator(say),
    )


def import_hosts(workspace: Workspace, path: Path) -> Snapshot:
    """Store a snapshot of the hosts in a file, which patchctl cannot reach itself."""
    return importing.import_hosts(
        path, now_ms=now_ms, save=lambda taken: workspace.database().snapshots.save(taken)
    )
