"""Tell when a ring's soak ends, and whether an operator may end it early."""

from ..errors import ConflictError
from ..models.rollout import RingState
from ..models.states import GOES_FORWARD
from ..models.words import duration, moment, until
from .view import RingView, RunView


def ends(ring: RingView) -> int | None:
    """Return when the ring's soak ends by time, in epoch ms; None where it does not soak, or its
    soak was ended early."""
    if ring.state is not RingState.SOAKING or ring.promoted_by:
        return None
    return ring.since + ring.policy.soak_s * 1000


def begins(ring: RingView, now: int) -> str:
    """Return the reason with which the soak of the ring begins; `now` is epoch ms."""
    end = now // 1000 + ring.policy.soak_s
    return f"{ring.name} soaks for {duration(ring.policy.soak_s)}, until {moment(end)}"


def told(ring: RingView, now: int) -> str:
    """Return where the soak of a ring stands at `now`, in epoch ms."""
    end = ends(ring)
    if end is None:
        return ended_early(ring)
    if now >= end:
        return f"the soak of {ring.name} ended {moment(end // 1000)}"
    if now < ring.since:  # a time that cannot be: nobody knows how long it is until then
        return f"{ring.name} soaks until {moment(end // 1000)}"
    return f"{ring.name} soaks {until(end // 1000, now // 1000)}"


def ended_early(ring: RingView) -> str:
    """Return by whom and why the soak of the ring was ended; "" where nobody did."""
    if not ring.promoted_by:
        return ""
    why = f": {ring.promoted_why}" if ring.promoted_why else ""
    return f"{ring.promoted_by} ended the soak of {ring.name} early{why}"


def soaking(view: RunView, now: int) -> RingView:
    """Return the ring that soaks at `now`, in epoch ms. Raises ConflictError where none does."""
    ring = view.current_ring()
    end = None if ring is None else ends(ring)
    if ring is None or end is None or view.state not in GOES_FORWARD:
        state = view.state.value.replace("_", " ")
        early = "" if ring is None else ended_early(ring)
        raise ConflictError(f"nothing soaks in run {view.run}: {early or f'it is {state}'}")
    if now >= end:
        raise ConflictError(
            f"nothing soaks in run {view.run}: {told(ring, now)}",
            hint=f"go on with `patchctl rollout resume {view.run}`",
        )
    return ring
