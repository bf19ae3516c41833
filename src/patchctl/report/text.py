"""The format for people: the parts of a view with a blank line between them."""

from collections.abc import Iterator

from . import columns
from .renderer import Screen
from .view import Figures, Lines, Note, Problem, Table, Title, View

_FIGURES = ("WHAT", "VALUE")


class TextRenderer:
    """Writes tables in columns. Cleans each cell and line here, and only here."""

    live = True
    rows_only = False

    def render(self, view: View, screen: Screen) -> None:
        """Write results to stdout as they are made, and notes and problems to stderr."""
        begun = False
        for part in view.parts():
            match part:
                case Note(text, kept):
                    if kept or not screen.quiet:
                        screen.note(text)
                case Problem(text):
                    screen.problem(text)
                case _:
                    begun |= _below(_lines(part, screen), screen, apart=begun)


def _below(lines: Iterator[str], screen: Screen, *, apart: bool) -> bool:
    """Write a part, after a blank line if `apart`. Returns False where the part is empty."""
    written = False
    for line in lines:
        screen.write(f"\n{line}\n" if apart and not written else f"{line}\n")
        written = True
    return written


def _lines(part: Title | Lines | Figures | Table, screen: Screen) -> Iterator[str]:
    match part:
        case Title(text):
            yield screen.clean(text)
        case Lines(rows):
            yield from map(screen.clean, rows)
        case Figures(rows):
            yield from _lines(Table(_FIGURES, rows), screen)
        case Table(header, rows):
            body = [[screen.clean(cell) for cell in row] for row in rows]
            yield from columns.layout(header, body, screen.width)
