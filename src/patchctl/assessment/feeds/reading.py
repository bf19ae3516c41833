"""From a path to feeds: what lies there, and the records of each feed, one at a time."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from ...models.advisory import FeedKind, FeedRecord


class Told:
    """What a feed says of itself while it is read. `dated`: epoch seconds UTC, 0 unknown."""

    def __init__(self) -> None:
        self.dated = 0

    def date(self, seconds: int) -> None:
        """Keep the newest date that was said."""
        self.dated = max(self.dated, seconds)


# A reader of one format: the stream, the name to show for it, and where to say the feed's date.
Reader = Callable[[BinaryIO, str, Told], Iterator[FeedRecord]]


class Feed:
    """One feed found at a path. Nothing is open until `records` is iterated."""

    def __init__(
        self, kind: FeedKind, name: str, place: str, records: Callable[[Told], Iterator[FeedRecord]]
    ) -> None:
        self.kind = kind
        self.name = name
        self.place = place
        self._records = records
        self._told = Told()

    @property
    def dated(self) -> int:
        """The newest date the feed states, epoch seconds UTC; right only after the records are
        read to their end. 0 where the format has none (the Debian tracker)."""
        return self._told.dated

    def records(self) -> Iterator[FeedRecord]:
        """Read from the beginning; may be called again. Raises InvalidInputError in the middle
        where the file is cut short or breaks a limit: then keep nothing of this reading."""
        self._told = Told()
        return self._records(self._told)
