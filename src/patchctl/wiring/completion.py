"""Give shell completion the names that it may offer."""

from pathlib import Path

from ..adapters.known_names import KnownNames
from .caller import Caller
from .workspace import open_workspace

__all__ = ["KnownNames", "known_names"]


def known_names(directory: Path | None, caller: Caller, *, trusted: bool = False) -> KnownNames:
    """Return the names that completion may offer in the workspace; runs nothing of it."""
    opened = open_workspace(directory, caller, trusted=trusted)
    return KnownNames(opened.state, opened.settings.ring_names)
