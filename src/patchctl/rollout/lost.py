"""Ask lost hosts again: once before a run is over, and whenever an operator resumes the run."""

from ..models.journal import Event, HostMoved
from ..models.rollout import HostState, RunState, Stage
from . import states
from .view import HostView, RunView


def ask_again(view: RunView, *, once: bool = False) -> list[Event]:
    """Return events that ask each lost host again for its stage; with `once` only hosts that were
    not asked again before."""
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
    """Send the host back to the stage in which it was lost; `look`: only to learn its state."""
    return HostMoved(
        host=host.name,
        attempt=host.attempt,
        to=HostState.ROLLING_BACK if host.undoing else states.STATE_OF_STAGE[stage],
        stage=stage,
        reason="asked once more after it was lost",
        look=look,
    )
