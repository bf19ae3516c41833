"""Lost hosts are asked again: once before a run is over, and whenever a person says so."""

from ..models.journal import Event, HostMoved
from ..models.rollout import HostState, RunState, Stage
from . import states
from .view import HostView, RunView


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
            events.append(back(host, host.stage, look=once))
    return events


def back(host: HostView, stage: Stage, *, look: bool) -> HostMoved:
    """The host goes back to the stage in which it was lost."""
    return HostMoved(
        host=host.name,
        attempt=host.attempt,
        to=HostState.ROLLING_BACK if host.undoing else states.STATE_OF_STAGE[stage],
        stage=stage,
        reason="asked once more after it was lost",
        look=look,
    )
