"""Builds what shell completion reads."""

from pathlib import Path

from ..adapters.known_names import KnownNames
from .caller import Caller
from .workspace import open_workspace

__all__ = ["KnownNames", "known_names"]


def known_names(directory: Path | None, caller: Caller, *, trusted: bool = False) -> KnownNames:
    """What shell completion may offer in the workspace; nothing of it is run."""
    opened = open_workspace(directory, caller, trusted=trusted)
    return KnownNames(opened.state, opened.settings.ring_names)
