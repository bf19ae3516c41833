"""What readers of feeds need of the world: the files at a path, as streams."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from ...models.feeds import Skipped


class Member(Protocol):
    """One plain file, decompressed."""

    @property
    def place(self) -> str:
        """Its place as shown to people."""

    @property
    def open(self) -> Callable[[], BinaryIO]:
        """Opens it, once, before the next member is taken. Reading may raise CorruptFileError."""


class Archive(Protocol):
    """What belongs together: one archive, one file, or the loose files of a folder."""

    @property
    def place(self) -> str:
        """Its place as shown to people."""

    @property
    def is_archive(self) -> bool:
        """Is it one archive?"""

    def members(self) -> Iterator[Member | Skipped]:
        """Everything in it, in the same order each time; may be called again. Raises
        InvalidInputError where the archive is broken or a limit is reached."""


# The archives and files at a path, under the limits of who gives it.
Archives = Callable[[Path], Iterable[Archive | Skipped]]
