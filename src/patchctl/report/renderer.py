"""What a format is: one interface. A format is added in a module of its own and registered in
`formats.py`, where `-o` finds it."""

from typing import Protocol

from .view import View


class Screen(Protocol):
    """Where a rendered view goes: stdout for the result, stderr for what stands beside it."""

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where stdout is none, and nothing has to be cut."""

    @property
    def quiet(self) -> bool:
        """Does nobody want to read notes?"""

    def clean(self, text: str) -> str:
        """What a terminal would obey, escaped; everything a person reads passes it."""

    def write(self, text: str) -> None:
        """A part of the result, as it is."""

    def encoded(self, part: bytes) -> None:
        """A part of the result in UTF-8, which programs get whatever the locale is."""

    def note(self, text: str) -> None:
        """A line beside the result; the screen cleans it."""

    def problem(self, text: str) -> None:
        """A line that says what is wrong; the screen cleans it."""


class Renderer(Protocol):
    """Writes any view in one format."""

    @property
    def live(self) -> bool:
        """Is it for a person who may watch a run while it goes?"""

    def render(self, view: View, screen: Screen) -> None:
        """Write the whole view."""
