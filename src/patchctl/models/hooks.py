"""Hooks of rings: what runs when, and which hosts it sees."""

from .base import Record
from .words import plural

# What a hook sees that sees every host of the inventory: Ansible's own group of all.
EVERYTHING = "all"


class RingHook(Record):
    """A hook of a ring: at which stage (`drain`, `undrain`), its task file, and the groups whose
    hosts it sees."""

    stage: str
    file: str
    sees: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The setting that says what it sees."""
        return f"hooks.{self.stage}.sees"

    @property
    def sight(self) -> str:
        """What it sees besides the hosts that it works on, in words."""
        if not self.sees:
            return "no other host"
        if EVERYTHING in self.sees:
            return "every host of the inventory"
        return f"{plural('group', len(self.sees))} {', '.join(self.sees)}"
