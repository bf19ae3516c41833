"""Show a new workspace to people and programs. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .view import Lines, Part, View


@dataclass(frozen=True)
class NewWorkspaceView(View):
    """`init`: the folder, the files that were written, and the settings of an ansible.cfg that are
    not used.
    """

    root: str
    written: Sequence[str]
    not_used: Sequence[str]

    def data(self) -> dict[str, Any]:
        """Folder, files, and settings that are not used."""
        return {"workspace": self.root, "written": self.written, "not_used": self.not_used}

    def parts(self) -> Iterator[Part]:
        """A line for each file."""
        yield Lines(self.written)
