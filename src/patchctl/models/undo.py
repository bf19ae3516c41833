"""What an undo of a run would change, for the question before it."""

from .base import Model
from .plan import Transition


class UndoGroup(Model):
    """Hosts of one ring that would return to the same versions.

    `transitions` are those of the run, which the undo turns round. `unsafe` are packages of it that
    must not be undone without a person: where it names one, these hosts stay as they are.
    """

    ring: str
    hosts: tuple[str, ...]
    transitions: tuple[Transition, ...]
    unsafe: tuple[str, ...] = ()
