"""Builds what keeps throw-away hosts."""

from ..workflows.lab import Labs
from .caller import Caller


def labs(caller: Caller) -> Labs:
    """The labs of this machine, as the caller's environment has them."""
    return Labs(caller.environment)
