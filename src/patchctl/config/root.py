"""Find the workspace: the folder that holds patchctl.yml."""

from pathlib import Path

from ..errors import InvalidInputError
from .settings import FILE_NAME


def find_workspace(start: Path, cwd: Path) -> Path:
    """The nearest folder at or above `start`, relative to `cwd`, that holds patchctl.yml.

    An inventory alone makes no workspace: inventories are code that runs, and a command must not
    run code just because it was started beside it. Raises InvalidInputError.
    """
    here = (cwd / start).resolve()
    if not here.is_dir():
        raise InvalidInputError("no such folder", where=str(start))
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    hint = "go into a workspace, or name one with -C DIR"
    if (here / "inventory").is_dir():
        hint = f"an empty {FILE_NAME} beside inventory/ makes it one, with the default rings"
    raise InvalidInputError(f"no {FILE_NAME} here or in a folder above", where=str(here), hint=hint)
