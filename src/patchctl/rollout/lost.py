"""Lost hosts are asked again: once before a run is over, and whenever a person says so."""

from ..models.rollout import Event, HostMoved, HostState, RunState
from . import states
from .view import RunView


def ask_again(view: RunView, *, once: bool = False) -> list[Event]:
    """Lost hosts go back to the stage in which they were lost; with `once` only those that were not
    asked again since."""
    events: list[Event] = []
    for host in view.hosts.values():
        if view.state is RunState.ROLLING_BACK and not host.undoing:
            continue
        if once and host.reconciled:
            continue
        if host.state is HostState.UNKNOWN and host.stage is not None:
            back = HostState.ROLLING_BACK if host.undoing else states.STATE_OF_STAGE[host.stage]
            events.append(
                HostMoved(
                    host=host.name,
                    attempt=host.attempt,
                    to=back,
                    stage=host.stage,
                    reason="asked once more after it was lost",
                    look=once,
                )
            )
    return events
