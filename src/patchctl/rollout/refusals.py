"""Refuse what would have no effect on a run, before it is written down as if it had one."""

from ..errors import ConflictError
from ..models.journal import CommandKind
from ..models.rollout import RunState
from ..models.states import RING_BEGUN
from . import states
from .view import RunView

_LEADS_TO = {CommandKind.PAUSE: RunState.PAUSED, CommandKind.ABORT: RunState.ABORTING}


def refuse_without_effect(view: RunView, command: CommandKind, ring: str) -> None:
    """Raise ConflictError where the request changes nothing of the run as it is now. `ring` is the
    ring to approve."""
    state = view.state.value.replace("_", " ")
    leads_to = _LEADS_TO.get(command)
    if leads_to is not None and leads_to not in states.RUN[view.state]:
        already = " already" if view.state is leads_to else ""
        raise ConflictError(
            f"run {view.run} is {state}{already}, so there is nothing to {command.value}",
            hint=f"see `patchctl rollout status {view.run}`",
        )
    if command is CommandKind.RESUME and view.state is not RunState.PAUSED:
        raise ConflictError(f"run {view.run} is {state}, so there is nothing to resume")
    if command is CommandKind.APPROVE and ring in view.rings:
        if view.rings[ring].state in RING_BEGUN:
            now = view.rings[ring].state.value
            raise ConflictError(f"ring {ring} of run {view.run} is {now}, it needs no approval")
        if view.rings[ring].approved:
            raise ConflictError(f"ring {ring} of run {view.run} is approved already")
