"""Show or remove the files that patchctl keeps on hosts."""

import contextlib
from collections.abc import Iterator, Sequence

from ..adapters.clock import now_ms
from ..errors import NotFoundError
from ..inventory.export import generate
from ..models.fleet import Fleet
from ..models.host_storage import HostKeeps
from ..protocol.replies import parse
from ..workflows.rollout import host_clean as workflow
from ..workflows.rollout.host_clean import Action
from ..workflows.rollout.leasing import refuse_to_clean
from .workspace import Workspace


def keep_or_clean(
    workspace: Workspace, fleet: Fleet, action: Action, hosts: Sequence[str]
) -> Iterator[HostKeeps]:
    """Show or remove what patchctl keeps on hosts; yield a result for each host as it answers."""
    return workflow.keep_or_clean(
        action,
        hosts,
        runner=workspace.runner,
        inventory=lambda names: generate(fleet, names),
        read=parse,
        job=f"host-{now_ms()}",
    )


def check_free(workspace: Workspace, hosts: Sequence[str]) -> None:
    """Raise ConflictError where an unfinished run of this workspace has one of the hosts."""
    with contextlib.suppress(NotFoundError):
        refuse_to_clean(workspace.database(create=False), hosts)
