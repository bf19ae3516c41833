"""Hooks of rings: their stage, their file and the hosts that they see."""

from .base import Record
from .words import plural

# Stands in `sees` for every host of the inventory: Ansible's own group of all.
EVERYTHING = "all"


class RingHook(Record):
    """A hook of a ring: at which stage (`drain`, `undrain`), its task file, and the groups whose
    hosts it sees."""

    stage: str
    file: str
    sees: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The setting that names what it sees."""
        return f"hooks.{self.stage}.sees"

    @property
    def sight(self) -> str:
        """The hosts that it sees besides those that it works on, in words."""
        if not self.sees:
            return "no other host"
        if EVERYTHING in self.sees:
            return "every host of the inventory"
        return f"{plural('group', len(self.sees))} {', '.join(self.sees)}"
