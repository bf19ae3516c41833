"""Hosts that were put off, since somebody else worked with their package manager, are asked once
more at their ring's end, and whenever a person says so."""

from ..models.journal import Event, HostMoved
from ..models.rollout import HostState
from .transactions import begun
from .view import HostView, RingView, RunView


def waiting(view: RunView, ring: RingView) -> list[str]:
    """Deferred hosts of the ring that were not asked again yet; none once its budget is used up."""
    if ring.over_budget:
        return []
    names = (name for wave in ring.waves for name in wave)
    return [
        name
        for name in names
        if view.hosts[name].state is HostState.DEFERRED and not view.hosts[name].asked_again
    ]


def next_events(view: RunView, ring: RingView) -> list[Event]:
    """Begin as many of them as the ring takes at once; nothing while a host of it is at work or
    still has to give back what the run took there."""
    owing = any(view.hosts[name].owes_release for wave in ring.waves for name in wave)
    if ring.in_flight() or owing:
        return []
    names = waiting(view, ring)[: max(1, ring.policy.max_concurrent.of(ring.size))]
    return [event for name in names for event in asked_once_more(view, view.hosts[name])]


def asked_once_more(view: RunView, host: HostView) -> list[HostMoved]:
    """Begin a deferred host again, in the attempt that was put off: nothing came of it yet."""
    return [
        HostMoved(
            host=host.name,
            attempt=host.attempt,
            to=HostState.PENDING,
            reason="asked once more after it was deferred",
        ),
        begun(view, host.name, host.attempt, host.transaction),
    ]
