"""Tell decisions, and what called for them, from the steps that carry them out. Pure."""

from typing import Any

from ..models.states import AS_PLANNED

# Events of later versions are not among these, so they are shown.
_STEPS = frozenset(
    {"stage-answered", "shard-started", "shard-process", "shard-over", "controller-took"}
)


def is_decision(event: dict[str, Any]) -> bool:
    """Whether the event is a request, a move of the run or of a ring, the start of a wave, or a
    host that did not go as planned."""
    kind = event.get("kind")
    if kind == "host-moved":
        return event.get("to") not in AS_PLANNED
    return kind not in _STEPS
