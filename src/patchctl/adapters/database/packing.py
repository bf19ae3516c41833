"""Pack lists of records as numbers. Pure: bytes in and out.

Every distinct record (a package, a pending update, a repository) is stored once, as JSON, many of
them in a page. A host's list is then a few hundred numbers, which pack to about a byte each: lists
of hosts differ in few places, so most numbers follow the one before them.
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
    """Compress three lists of numbers: their lengths, then each number less the one before.

    Raises ValueError for another count of lists, struct.error for a number past 31 bits.
    """
    if len(lists) != _LISTS:
        raise ValueError(f"{len(lists)} lists")
    numbers = list(chain.from_iterable(lists))
    steps = map(sub, numbers, chain((0,), numbers))
    # Little-endian, so that machines of any kind may share a database server.
    body = struct.pack(f"<{len(numbers)}i", *steps)
    return zlib.compress(_LENGTHS.pack(*map(len, lists)) + body)


def unpack(data: bytes) -> Numbers:
    """The lists that `pack` was given. Raises ValueError for data that `pack` did not make; a
    number may still be wrong, which only the content's digest reveals."""
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
    """Records by number. A page is fetched when one of its records is first used.

    `firsts` are the pages' first numbers, ascending; `fetch` returns the page of a first number.
    Raises KeyError for a number that is on no page, ValueError for a page that cannot be read.
    """

    def __init__(self, firsts: Sequence[int], fetch: Callable[[int], bytes]) -> None:
        super().__init__()
        self._firsts = firsts
        self._fetch = fetch

    def __missing__(self, number: int) -> bytes:
        index = bisect_right(self._firsts, number) - 1
        if index < 0:
            raise KeyError(number)
        first = self._firsts[index]
        records = dict(enumerate(records_of(self._fetch(first)), first))
        self.update(records)
        return records[number]


class Numbering:
    """Gives each distinct record a number. Known records keep theirs; `new` has the others in
    order, the first of which gets the number `next_free`."""

    def __init__(self, known: Mapping[bytes, int], next_free: int) -> None:
        self._numbers = dict(known)
        self.next_free = next_free
        self.new: list[bytes] = []

    def of(self, lists: Iterable[Iterable[bytes]]) -> Numbers:
        """The numbers of three lists of records."""
        return tuple(tuple(map(self._number, records)) for records in lists)

    def _number(self, record: bytes) -> int:
        number = self._numbers.get(record)
        if number is None:
            number = self._numbers[record] = self.next_free + len(self.new)
            self.new.append(record)
        return number
