"""Build the fleet of a workspace: its inventory with the rings."""

from collections.abc import Callable

from ..adapters import known_names
from ..models.fleet import Fleet
from ..workflows.inventory.show import Loaded, hosts_of, load_fleet
from .workspace import Workspace

Say = Callable[[str], None]


def load(workspace: Workspace) -> Loaded:
    """Return the merged inventory with its rings, and the warnings of Ansible and patchctl."""
    loaded = load_fleet(workspace.settings, workspace.reader(cached=True), workspace.sources)
    if not workspace.access.sources:
        hosts, groups = loaded.fleet.hosts, loaded.fleet.groups
        known_names.remember(
            workspace.state, (host.name for host in hosts), (group.name for group in groups)
        )
    return loaded


def fleet_of(workspace: Workspace, warn: Say) -> Fleet:
    """Return the fleet; `warn` takes a line for each warning."""
    loaded = load(workspace)
    for line in loaded.warnings:
        warn(f"warning: {line}")
    return loaded.fleet


def limited(workspace: Workspace, fleet: Fleet, limit: str) -> tuple[str, ...]:
    """Return the names of the hosts of `--limit`, all where it is empty. Raises UsageError where a
    part of it fits no host."""
    return hosts_of(fleet, limit, workspace.caller.folder)
