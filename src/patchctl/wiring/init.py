"""Write a new workspace."""

from pathlib import Path
from typing import NamedTuple

from ..adapters import files
from ..config import schema
from ..config import settings as settings_file
from ..errors import Problem
from ..workflows import init as workflow
from . import ansible_cfg


class Begun(NamedTuple):
    """The files that were written, and what of an existing ansible.cfg will not be used."""

    written: tuple[Path, ...]
    not_used: tuple[Problem, ...]


def init(root: Path) -> Begun:
    """Write a commented workspace into `root`, which may have an inventory already."""
    named = ansible_cfg.inventory_of(root)
    written = workflow.init(root, schema.text(), files, named)
    settings = settings_file.load(root / settings_file.FILE_NAME)
    return Begun(tuple(written), ansible_cfg.not_used(root, settings))
