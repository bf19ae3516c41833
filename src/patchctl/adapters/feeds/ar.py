"""Read a member of an ar archive, ar(5), which Debian packages are."""

import io
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AR_MAGIC = b"!<arch>\n"


def ar_member(stream: BinaryIO, prefix: bytes) -> "_Slice | None":
    """The first member of an ar archive whose name has this prefix, as a stream, or None."""
    offset = len(AR_MAGIC)
    for _ in range(16):
        stream.seek(offset)
        header = stream.read(60)
        if len(header) < 60 or header[58:] != b"`\n":
            return None
        size = int(header[48:58])
        if header.startswith(prefix):
            return _Slice(stream, offset + 60, size)
        offset += 60 + size + size % 2
    return None


class _Slice(io.RawIOBase):
    """A part of a file as a stream."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(0, min(len(view), self._size - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
