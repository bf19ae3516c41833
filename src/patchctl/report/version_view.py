"""What `patchctl version` shows."""

from collections.abc import Iterator
from typing import Any

from ..models.program_versions import ProgramVersions
from .view import Lines, Part, View


class VersionView(View):
    """A line each, patchctl first."""

    def __init__(self, versions: ProgramVersions) -> None:
        self._versions = versions

    def data(self) -> Any:
        """The model."""
        return self._versions

    def parts(self) -> Iterator[Part]:
        """Name and version, as `--version` of other programs has them."""
        names = self._versions.__struct_fields__
        yield Lines(
            f"{name.replace('_', '-')} {getattr(self._versions, name) or 'not installed'}"
            for name in names
        )
