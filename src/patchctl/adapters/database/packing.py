"""Lists of records as numbers. Pure: bytes in and out.

Every distinct record (a package, a pending update, a repository) is stored once, as JSON, many of
them in a page. What a host has is then a few hundred numbers, which pack to about a byte each:
lists of hosts differ in few places, so most numbers follow the one before them.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from operator import sub

PAGE = 500
_LISTS = 3
_LENGTHS = struct.Struct(f"<{_LISTS}I")
# JSON escapes every control character, so none stands in a record.
_END = b"\n"

Numbers = tuple[tuple[int, ...], ...]


def pack(lists: Sequence[Sequence[int]]) -> bytes:
    """Three lists of numbers, compressed: their lengths, then each number less the one before.

    Raises ValueError for another number of lists, struct.error for a number past 31 bits.
    """
    if len(lists) != _LISTS:
        raise ValueError(f"{len(lists)} lists")
    numbers = list(chain.from_iterable(lists))
    steps = map(sub, numbers, chain((0,), numbers))
    # Little-endian, so that machines of any kind may share a database server.
    body = struct.pack(f"<{len(numbers)}i", *steps)
    return zlib.compress(_LENGTHS.pack(*map(len, lists)) + body)


def unpack(data: bytes) -> Numbers:
    """What `pack` was given. Raises ValueError where the data are not what it made; a number may
    still be wrong, which only the content's digest tells."""
    try:
        raw = zlib.decompress(data)
        lengths = _LENGTHS.unpack_from(raw)
        if len(raw) != _LENGTHS.size + 4 * sum(lengths):
            raise ValueError("another size than its lengths say")
        steps = struct.unpack_from(f"<{sum(lengths)}i", raw, _LENGTHS.size)
    except (zlib.error, struct.error) as error:
        raise ValueError(str(error)) from error
    numbers = tuple(accumulate(steps))
    ends = tuple(accumulate(lengths))
    return tuple(numbers[end - size : end] for size, end in zip(lengths, ends, strict=True))


def pages(records: Sequence[bytes], first: int) -> Iterator[tuple[int, bytes]]:
    """(number of its first record, data) of every page that these records fill."""
    for start in range(0, len(records), PAGE):
        yield first + start, zlib.compress(_END.join(records[start : start + PAGE]))


def records_of(data: bytes) -> list[bytes]:
    """The records of a page. Raises ValueError where it is damaged beyond reading."""
    try:
        return zlib.decompress(data).split(_END)
    except zlib.error as error:
        raise ValueError(str(error)) from error


class Texts(dict[int, bytes]):
    """Records by number. A page is fetched when one of its records is first asked for.

    `firsts` are the pages' first numbers, ascending; `fetch` gives a page by that. Raises KeyError
    for a number that is on no page, ValueError for a page that cannot be read.
    """

    def __init__(self, firsts: Sequence[int], fetch: Callable[[int], bytes]) -> None:
        super().__init__()
        self._firsts = firsts
        self._fetch = fetch

    def __missing__(self, number: int) -> bytes:
        place = bisect_right(self._firsts, number) - 1
        if place < 0:
            raise KeyError(number)
        first = self._firsts[place]
        found = dict(enumerate(records_of(self._fetch(first)), first))
        self.update(found)
        return found[number]


class Numbering:
    """Gives each distinct record a number, the known ones theirs; `new` are the others in order,
    of which the first has the number `next_free`."""

    def __init__(self, known: Mapping[bytes, int], next_free: int) -> None:
        self._numbers = dict(known)
        self.next_free = next_free
        self.new: list[bytes] = []

    def of(self, lists: Iterable[Iterable[bytes]]) -> Numbers:
        """The numbers of three lists of records."""
        return tuple(tuple(map(self._number, records)) for records in lists)

    def _number(self, record: bytes) -> int:
        found = self._numbers.get(record)
        if found is None:
            found = self._numbers[record] = self.next_free + len(self.new)
            self.new.append(record)
        return found
