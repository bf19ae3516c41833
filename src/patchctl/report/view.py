"""What a verb has to show. A view is made of models once; every format renders it.

Looking to add a report? Write a view here beside its models' others, and show it with
`cli.output.show`. Looking to add a format? See `formats.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Title:
    """What it is about and how that stands, in one line."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Prepared lines, in their order."""

    rows: Iterable[str]


@dataclass(frozen=True)
class Figures:
    """What is known of one thing, as (name, value); a value that goes on has an empty name."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows below their header. `columns.py` says which columns may be cut on a narrow terminal."""

    header: Sequence[str]
    rows: Iterable[Sequence[str]]


@dataclass(frozen=True)
class Note:
    """Something beside the result for the person who asked. `--quiet` drops it, unless it is
    `kept`: the answer itself, where there is nothing else to show."""

    text: str
    kept: bool = False


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and part of the result."""

    text: str


Part = Title | Lines | Figures | Table | Note | Problem


class View(ABC):
    """What came of a verb. Text in it is as hosts said it: renderers clean it for a terminal."""

    @abstractmethod
    def data(self) -> Any:
        """What programs read, as a model or builtins. Fields are added, never renamed."""

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """What people read, in its order."""


class StreamedView(View):
    """A result that is too large to be held: its JSON is written as it is made."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The JSON of `data`, part by part."""


class Aside(View):
    """What is told to people in between and is no result: programs get nothing."""

    def data(self) -> None:
        """Nothing."""


def whole(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Each model with all of its fields, those without a value too: a script reads them by name."""
    return [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows]


def all_notes(lines: Iterable[str], *, kept: bool = False) -> Iterator[Note]:
    """A note for each line."""
    return (Note(line, kept=kept) for line in lines)
