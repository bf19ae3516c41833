"""Builds what writes a new workspace."""

from pathlib import Path

from ..adapters import files
from ..config import schema
from ..workflows import init as workflow


def init(root: Path) -> list[Path]:
    """Write a commented workspace; the answer is what was written."""
    return workflow.init(root, schema.text(), files)
