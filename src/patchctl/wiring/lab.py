"""Builds what keeps throw-away hosts."""

from ..lab.labs import DEFAULT_NAME, Labs, offers
from .caller import Caller

__all__ = ["DEFAULT_NAME", "labs", "offers"]


def labs(caller: Caller) -> Labs:
    """The labs of this machine, as the caller's environment has them."""
    return Labs(caller.environment)
