"""Find the workspace: the folder that holds patchctl.yml."""

from pathlib import Path

from ..errors import InvalidInputError
from .settings import FILE_NAME


def find_workspace(start: Path, cwd: Path) -> Path:
    """Return the nearest folder at or above `start` that has a patchctl.yml. `start` is relative to
    `cwd`.

    A folder with an inventory only is no workspace: an inventory is code, and a command must not
    run code just because it was started beside it. Raises InvalidInputError where there is none.
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
