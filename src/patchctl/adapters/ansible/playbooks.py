"""Map a stage to the playbook that runs it, and to the part of its role."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import content

# Not a stage: the worker that asks hosts for many jobs.
TOGETHER = "together"
# Stage -> (playbook, part of its role; empty for the main one).
_SHIPPED: Mapping[str, tuple[str, str]] = {
    "discover": ("discover", ""),
    "resolve": ("resolve", ""),
    "fetch": ("fetch", ""),
    "feeds": ("feeds", ""),
    "host": ("host", ""),
    "preflight": ("apply", "preflight"),
    "prepare": ("apply", "prepare"),
    "push": ("apply", "push"),
    "drain": ("hook", "drain"),
    "apply": ("apply", "apply"),
    "restart": ("apply", "restart"),
    "reboot": ("reboot", ""),
    "verify": ("verify", ""),
    "undrain": ("hook", "undrain"),
    "undo": ("rollback", ""),
    "verify_undo": ("verify", ""),
    "release": ("release", ""),
    TOGETHER: ("together", ""),
}


@dataclass(frozen=True)
class Playbook:
    """A playbook and the part of its role, "" for the whole of it (`patch_stage`)."""

    path: Path
    part: str = ""

    @property
    def variables(self) -> Mapping[str, str]:
        return {"patch_stage": self.part} if self.part else {}


def shipped(stage: str) -> Playbook:
    """The playbook of a stage. Raises KeyError for a stage that Ansible cannot bring to hosts."""
    name, part = _SHIPPED[stage]
    return Playbook(content.playbook(name), part)
