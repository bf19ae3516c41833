"""Builds the fleet of a workspace: its inventory with the rings."""

from collections.abc import Callable

from ..adapters import known_names
from ..models.fleet import Fleet
from ..workflows.inventory.show import Loaded, hosts_of, load_fleet
from .workspace import Workspace

Say = Callable[[str], None]


def load(workspace: Workspace) -> Loaded:
    """The merged inventory with its rings, and what Ansible warned about."""
    loaded = load_fleet(workspace.settings, workspace.reader(cached=True), workspace.sources)
    if not workspace.access.sources:
        hosts, groups = loaded.fleet.hosts, loaded.fleet.groups
        known_names.remember(
            workspace.state, (host.name for host in hosts), (group.name for group in groups)
        )
    return loaded


def fleet_of(workspace: Workspace, warn: Say) -> Fleet:
    """The same; `warn` takes a line for each warning."""
    loaded = load(workspace)
    for line in loaded.warnings:
        warn(f"warning: {line}")
    return loaded.fleet


def limited(workspace: Workspace, fleet: Fleet, limit: str) -> tuple[str, ...]:
    """Names of the hosts that `--limit` means, all where it is empty. Raises UsageError."""
    return hosts_of(fleet, limit, workspace.caller.folder)
