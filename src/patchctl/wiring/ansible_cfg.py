"""Report what patchctl does with an `ansible.cfg` in a workspace."""

from pathlib import Path

from ..config import ansible_cfg
from ..errors import Problem
from ..models.settings import Settings


def not_used(root: Path, settings: Settings | None = None) -> tuple[Problem, ...]:
    """Return what of the folder's ansible.cfg is not used, and what replaces it."""
    try:
        text = _text(root)
    except (OSError, UnicodeDecodeError) as error:
        hint = "make it readable, as UTF-8"
        message = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        return (Problem(path=ansible_cfg.FILE_NAME, message=str(message), hint=hint),)
    return ansible_cfg.unused(text, settings)


def inventory_of(root: Path) -> tuple[str, ...]:
    """Return the inventory sources that the folder's ansible.cfg names; none if unreadable."""
    try:
        return ansible_cfg.inventory_of(_text(root))
    except (OSError, UnicodeDecodeError):
        return ()


def _text(root: Path) -> str:
    """Return the file's text, or "" where there is no such file."""
    try:
        return (root / ansible_cfg.FILE_NAME).read_text("utf-8-sig")
    except FileNotFoundError:
        return ""
