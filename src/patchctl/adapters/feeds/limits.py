"""Limit what archives and decompressors give, with streams that enforce the limits."""

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ...errors import CorruptFileError, InvalidInputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MB = 1024 * 1024
# The ratio counts only above this much output: short files full of blanks compress very well.
_RATIO_FROM = 8 * _MB
# A zip's list of members is held in memory, about ten times as large as in the file.
_DIRECTORY_BYTES = 64 * _MB
# The end record with the longest comment, and the two records of zip64 before it.
_ZIP_TAIL = 65_557 + 76


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes after unpacking. The largest known inputs are cvelistV5 (320,000 records,
    2.5 GB), Ubuntu's OSV zip (2 GB) and the Debian tracker (one file of 90 MB)."""

    member_bytes: int = 1024 * _MB
    total_bytes: int = 16 * 1024 * _MB
    members: int = 500_000
    ratio: int = 250

    def too_large(self, size: int, packed: int) -> str:
        """Why a member of this size is refused; empty where it is not."""
        if size > self.member_bytes:
            return f"{size} bytes, more than the {self.member_bytes} allowed for one file"
        if size > _RATIO_FROM and size > self.ratio * max(packed, 1):
            return f"unpacks to more than {self.ratio} times its size"
        return ""


# One file of metadata as a host gives it: the largest, SUSE's and Fedora's, unpack to less than a
# tenth of these limits.
ONE_FILE = Limits(member_bytes=1024 * _MB, total_bytes=1024 * _MB, members=1)


class Budget:
    """Counts what one archive or folder has used of its limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._bytes = 0
        self._members = 0

    def member(self, location: str) -> None:
        """Count a member. Raises InvalidInputError above the limit."""
        self._members += 1
        if self._members > self.limits.members:
            raise InvalidInputError(f"more than {self.limits.members} files inside", where=location)

    def take(self, count: int, location: str) -> None:
        """Count unpacked bytes. Raises InvalidInputError above the limit."""
        self._bytes += count
        if self._bytes > self.limits.total_bytes:
            raise InvalidInputError(
                f"unpacks to more than {self.limits.total_bytes} bytes", where=location
            )

    def directory(self, stream: BinaryIO, location: str) -> None:
        """Refuse a zip with a huge list of members before it is loaded, because `zipfile` makes an
        object of half a kilobyte for each."""
        start, size = _directory_of(stream)
        if size > _DIRECTORY_BYTES:
            raise InvalidInputError("more files inside than can be read", where=location)
        stream.seek(max(0, start))
        self.headers(_directory_entries(stream.read(size)), location)
        stream.seek(0)

    def headers(self, entries: Iterable[object], location: str) -> None:
        """Refuse an archive with more entries than the limit, without reading their content."""
        most = self.limits.members
        if any(count > most for count, _ in enumerate(entries, 1)):
            raise InvalidInputError(f"more than {most} files inside", where=location)


def _directory_of(stream: BinaryIO) -> tuple[int, int]:
    """(start, size) of a zip's list of members, found as `zipfile` finds it; (0, 0) where there is
    none, which `zipfile` then reports."""
    end = stream.seek(0, os.SEEK_END)
    tail = stream.seek(max(0, end - _ZIP_TAIL))
    data = stream.read(end - tail)
    # Without a comment the record is the last one; its own numbers may look like another.
    plain = len(data) - 22
    if not (plain >= 0 and data.startswith(b"PK\x05\x06", plain) and data.endswith(b"\0\0")):
        plain = data.rfind(b"PK\x05\x06")
    if not 0 <= plain <= len(data) - 22:
        return 0, 0
    # 4.3.14: a zip64 end is right before its locator, and counts where there is one.
    wide = plain - 76
    if wide >= 0 and data.startswith(b"PK\x06\x06", wide):
        size = struct.unpack_from("<Q", data, wide + 40)[0]
        return tail + wide - size, size
    size = struct.unpack_from("<L", data, plain + 12)[0]
    return tail + plain - size, size


def _directory_entries(data: bytes) -> Iterator[int]:
    """The offset of each member's header, 4.3.12; ends at the first invalid one."""
    offset = 0
    while offset + 46 <= len(data):
        yield offset
        name, extra, comment = struct.unpack_from("<HHH", data, offset + 28)
        offset += 46 + name + extra + comment


# What libraries raise for broken archives and compressed data.
_BROKEN = (
    *(EOFError, OSError, ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError),
    *(zlib.error, lzma.LZMAError, struct.error, tarfile.TarError, zipfile.BadZipFile),
)


def broken(error: Exception, location: str) -> CorruptFileError:
    """An error with a library's message, on one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return CorruptFileError(
        f"is cut short or broken: {reason[:200]}", where=location, hint="fetch it again"
    )


@contextmanager
def translated(location: str) -> Iterator[None]:
    """Turn what archive libraries raise for broken input into CorruptFileError."""
    try:
        yield
    except _BROKEN as error:
        raise broken(error, location) from error


class BoundedStream(io.RawIOBase):
    """Reads another stream under limits; broken input and broken limits are InvalidInputError.

    `packed` tells how many bytes the decompressor below has consumed, for the ratio. `whole`: the
    limit for an archive holds, not that for a member. Where the same bytes pass two streams, only
    one of them is `counted`."""

    def __init__(
        self,
        stream: BinaryIO,
        location: str,
        budget: Budget,
        *,
        packed: Callable[[], int] | None = None,
        whole: bool = False,
        counted: bool = True,
        close: bool = False,
    ) -> None:
        self._stream, self._location, self._budget = stream, location, budget
        self._packed, self._counted, self._close = packed, counted, close
        limits = budget.limits
        self._most = limits.total_bytes if whole else limits.member_bytes
        self._bytes = 0
        self._error: CorruptFileError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        if self._error is not None:
            raise self._error
        try:
            data = self._stream.read(len(view))
        except _BROKEN as error:
            # Kept, because a decompressor that is read again would report the end of the stream.
            self._error = broken(error, self._location)
            raise self._error from error
        count = len(data)
        view[:count] = data
        self._bytes += count
        if self._bytes > self._most:
            raise InvalidInputError(
                f"unpacks to more than {self._most} bytes", where=self._location
            )
        if self._counted:
            self._budget.take(count, self._location)
        if self._packed is not None and self._bytes > _RATIO_FROM:
            ratio = self._budget.limits.ratio
            if self._bytes > ratio * max(self._packed(), 1):
                raise InvalidInputError(
                    f"unpacks to more than {ratio} times its size", where=self._location
                )
        return count

    def close(self) -> None:
        if self._close and not self.closed:
            self._stream.close()
        super().close()
