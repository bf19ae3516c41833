"""Declare what the readers of feeds need: the files at a path, as streams."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from ...models.feeds import Skipped


class Member(Protocol):
    """One plain file, decompressed."""

    @property
    def place(self) -> str:
        """Its location as shown to people."""

    @property
    def open(self) -> Callable[[], BinaryIO]:
        """Open it, once, before the next member is read. Reading may raise CorruptFileError."""


class Archive(Protocol):
    """Files that belong together: one archive, one file, or the loose files of a folder."""

    @property
    def place(self) -> str:
        """Its location as shown to people."""

    @property
    def is_archive(self) -> bool:
        """Whether it is one archive."""

    def members(self) -> Iterator[Member | Skipped]:
        """Everything in it, in the same order each time; may be called again. Raises
        InvalidInputError where the archive is broken or a limit is reached."""


# path -> the archives and files there, read under the caller's limits
Archives = Callable[[Path], Iterable[Archive | Skipped]]
