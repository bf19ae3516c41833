"""Build the labs: throw-away hosts in containers."""

from ..lab.labs import DEFAULT_NAME, Labs, offers
from .caller import Caller

__all__ = ["DEFAULT_NAME", "labs", "offers"]


def labs(caller: Caller) -> Labs:
    """Return the labs of this machine, found by the caller's environment."""
    return Labs(caller.environment)
