"""What a verb shows. A view is made from models once, and every format can render it.

Looking to add a report? Write a view here beside those of the same models, and show it with
`cli.output.show`. Looking to add a format? See `formats.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Title:
    """The subject and its state, in one line."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Prepared lines, in their order."""

    rows: Iterable[str]


@dataclass(frozen=True)
class Figures:
    """Facts about one subject, as (name, value). A value that continues the row above has an empty
    name.
    """

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows and their header. `columns.py` knows which columns may be cut on a narrow terminal."""

    header: Sequence[str]
    rows: Iterable[Sequence[str]]


@dataclass(frozen=True)
class Note:
    """A remark that is not part of the result. `--quiet` leaves it out unless it is `kept`: then it
    is the only answer there is.
    """

    text: str
    kept: bool = False


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and part of the result."""

    text: str


Part = Title | Lines | Figures | Table | Note | Problem


class View(ABC):
    """The result of a verb. Its text may come from hosts: renderers clean it for a terminal."""

    @abstractmethod
    def data(self) -> Any:
        """Return what programs read, as a model or builtins. Fields may be added, never renamed."""

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Return what people read, in its order."""


class StreamedView(View):
    """A result that is too large for memory: its JSON is written while it is made."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Return the JSON of `data`, part by part."""


Cell = str | int | float | bool | None


class RowsView(View):
    """A result that is rows of equal fields, so that it can be CSV too."""

    @abstractmethod
    def fields(self) -> Sequence[str]:
        """Return the names of the fields. Fields may be added at the end, never renamed."""

    @abstractmethod
    def rows(self) -> Iterable[Sequence[Cell]]:
        """Return the values of each row; None where there is no value or it is not known."""


class Aside(View):
    """Text for people that is not a result. Programs get nothing."""

    def data(self) -> None:
        """Nothing."""


def whole(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Return each model with all its fields, also those without a value: scripts need them."""
    return [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows]


def all_notes(lines: Iterable[str], *, kept: bool = False) -> Iterator[Note]:
    """Return a note for each line."""
    return (Note(line, kept=kept) for line in lines)
