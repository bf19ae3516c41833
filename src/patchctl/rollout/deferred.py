"""Ask deferred hosts, whose package manager another process was using, once more: at the end of
their ring, and whenever an operator resumes the run."""

from ..models.journal import Event, HostMoved
from ..models.rollout import HostState
from .transactions import begun
from .view import HostView, RingView, RunView


def waiting(view: RunView, ring: RingView) -> list[str]:
    """Return the ring's deferred hosts that were not asked again; none once its budget is used
    up."""
    if ring.over_budget:
        return []
    names = (name for wave in ring.waves for name in wave)
    return [
        name
        for name in names
        if view.hosts[name].state is HostState.DEFERRED and not view.hosts[name].asked_again
    ]


def next_events(view: RunView, ring: RingView) -> list[Event]:
    """Begin as many deferred hosts as the ring works on at once; none while a host of the ring is
    at work or has not yet released what the run holds there."""
    owing = any(view.hosts[name].owes_release for wave in ring.waves for name in wave)
    if ring.in_flight() or owing:
        return []
    names = waiting(view, ring)[: max(1, ring.policy.max_concurrent.of(ring.size))]
    return [event for name in names for event in asked_once_more(view, view.hosts[name])]


def asked_once_more(view: RunView, host: HostView) -> list[HostMoved]:
    """Begin a deferred host again in the same attempt, which has changed nothing yet."""
    return [
        HostMoved(
            host=host.name,
            attempt=host.attempt,
            to=HostState.PENDING,
            reason="asked once more after it was deferred",
        ),
        begun(view, host.name, host.attempt, host.transaction),
    ]
