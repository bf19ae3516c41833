"""The interface of an output format. A format is a module of its own, registered in `formats.py`,
where `-o` finds it.
"""

from typing import Protocol

from .view import View


class Screen(Protocol):
    """The target of a renderer: stdout for the result, stderr for all else."""

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where stdout is not a terminal, so that nothing is cut."""

    @property
    def quiet(self) -> bool:
        """Whether the user asked to print no notes."""

    def clean(self, text: str) -> str:
        """Return the text with characters escaped that a terminal would obey. All text for people
        passes it.
        """

    def write(self, text: str) -> None:
        """Write a part of the result, unchanged."""

    def encoded(self, part: bytes) -> None:
        """Write a part of the result in UTF-8, which programs get whatever the locale is."""

    def note(self, text: str) -> None:
        """Write a line that is not part of the result. The screen cleans it."""

    def problem(self, text: str) -> None:
        """Write a line that says what is wrong. The screen cleans it."""


class Renderer(Protocol):
    """Writes any view in one format."""

    @property
    def live(self) -> bool:
        """Whether the format is for a person, who may watch a run while it goes on."""

    @property
    def rows_only(self) -> bool:
        """Whether it can only render a `RowsView`."""

    def render(self, view: View, screen: Screen) -> None:
        """Write the whole view."""
