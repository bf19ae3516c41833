"""Hooks of rings: their stage, their file and the hosts that they may see."""

from .base import Record
from .words import plural

# In `sees` it means all hosts of the inventory, like Ansible's group of that name.
EVERYTHING = "all"


class RingHook(Record):
    """A hook of a ring: its stage (`drain`, `undrain`), its task file, and the groups whose hosts
    it may see."""

    stage: str
    file: str
    sees: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name of the setting that has its groups."""
        return f"hooks.{self.stage}.sees"

    @property
    def sight(self) -> str:
        """The hosts that it may see besides those that it works on, in words."""
        if not self.sees:
            return "no other host"
        if EVERYTHING in self.sees:
            return "every host of the inventory"
        return f"{plural('group', len(self.sees))} {', '.join(self.sees)}"
