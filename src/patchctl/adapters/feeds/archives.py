"""Files, folders and archives that a user or a server gives, read as bounded streams.

Nothing is written to disk, so a name in an archive can lead nowhere. What is inside is decided by
magic bytes, never by a name. Limits hold for what comes out of a decompressor, not for what is
declared.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ...errors import AdapterError, CorruptFileError, InvalidInputError, NotFoundError
from ...models.feeds import Skipped
from .limits import BoundedStream, Budget, Limits, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3; an empty zip starts with its end.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_AR = b"!<arch>\n"
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_TAR_MAGIC_AT = 257
_HEAD = 512
# An archive in an archive (cvelistV5 publishes a zip in a zip), not deeper.
_NESTING = 1
_HEADER_BYTES = 1024 * 1024
# Long names and pax records, which stand before the entry that they belong to.
_EXTRA_HEADERS = (b"x", b"g", b"L", b"K")
_SKIP = 128 * 1024
# Debian policy 12.7; a native package's changelog has no "Debian" in its name.
_CHANGELOG = re.compile(r"(?:\./)?usr/share/doc/[^/]+/changelog(?:\.Debian)?(?:\.gz)?")


@dataclass(frozen=True)
class Member:
    """One plain file, decompressed. `open` it once, before the next member is taken."""

    place: str
    open: Callable[[], BinaryIO]


Found = Member | Skipped


@dataclass(frozen=True)
class Archive:
    """What belongs together: one archive, one file, or the loose files of a folder.

    `shown` is the name for people of a single file that lies elsewhere only for now.
    """

    place: str
    archive: bool
    limits: Limits
    _files: tuple[Path, ...] = field(repr=False)
    shown: str = ""

    def members(self) -> Iterator[Found]:
        """Everything in it, in the order of the archive or by name; may be called again. Raises
        InvalidInputError where the archive is broken or a limit is reached."""
        budget = Budget(self.limits)
        for path in self._files:
            place = self.shown or str(path)
            with open_file(path) as stream:
                try:
                    yield from _members(stream, place, budget, depth=0)
                except CorruptFileError as error:
                    if self.archive or len(self._files) == 1:
                        raise
                    yield Skipped(place=place, reason=error.reason)


def archives(
    path: Path, limits: Limits | None = None, *, shown: str = ""
) -> Iterator[Archive | Skipped]:
    """The archives and files at a path. A folder's loose files are one unit, which comes first.

    `shown` is what a single file is called, where its path is gone when that is read.
    Links out of the folder, device files and hidden entries are skipped and said. Raises
    NotFoundError, InvalidInputError (too many files), AdapterError (unreadable)."""
    limits = limits or Limits()
    if not path.is_dir():
        archive = _is_archive(path)
        yield Archive(shown or str(path), archive, limits, (path,), shown)
        return
    loose: list[Path] = []
    archives: list[Path] = []
    for found in _walk(path, limits):
        if isinstance(found, Skipped):
            yield found
        else:
            (archives if _is_archive(found) else loose).append(found)
    if loose:
        yield Archive(str(path), False, limits, tuple(loose))
    for one in archives:
        yield Archive(str(one), True, limits, (one,))


def open_file(path: Path) -> BinaryIO:
    """A regular file, opened so that a pipe or device in its place cannot hang us."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file or folder") from error
    except OSError as error:
        raise AdapterError(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InvalidInputError("is not a regular file", where=str(path))
    return cast(BinaryIO, os.fdopen(handle, "rb"))


def _is_lock(path: Path) -> bool:
    return path.name == "lock" and path.stat().st_size == 0


def _walk(root: Path, limits: Limits) -> Iterator[Path | Skipped]:
    """Regular files below a folder, by name. A link counts only where it stays inside."""
    inside = root.resolve()
    _refuse_many(root, limits)
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        here = Path(folder)
        for name in sorted(folders):
            if name.startswith(".") or (here / name).is_symlink():
                yield Skipped(place=str(here / name), reason="hidden folder or link to a folder")
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (here / name).is_symlink()
        )
        for name in sorted(names):
            path = here / name
            if name.startswith("."):
                yield Skipped(place=str(path), reason="hidden file")
            elif path.is_symlink() and not path.resolve().is_relative_to(inside):
                yield Skipped(place=str(path), reason="link out of the folder")
            elif not path.is_file():
                yield Skipped(place=str(path), reason="not a regular file")
            elif _is_lock(path):
                continue  # of a content store, whose packages tell what they fix
            else:
                yield path


def _refuse_many(root: Path, limits: Limits) -> None:
    """Raise InvalidInputError for too many files, before any is opened or its name kept."""
    count = 0
    waiting = [str(root)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        count += 1
                    elif not entry.name.startswith("."):
                        waiting.append(entry.path)
                    if count > limits.members:
                        raise InvalidInputError(
                            f"more than {limits.members} files",
                            where=str(root),
                            hint="give the feeds' own files",
                        )
        except OSError as error:
            _unreadable(error)


def _unreadable(error: OSError) -> None:
    raise AdapterError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _is_archive(path: Path) -> bool:
    """Whether a file holds files: a zip or a tar, compressed or not. A .deb is one changelog."""
    with open_file(path) as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        if head.startswith(_ZIP) or _is_tar(head):
            return True
        opened = _decompressed(stream, head)
        if opened is None:
            return False
        try:
            return _is_tar(opened.read(_HEAD))
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            return False  # Told with its reason when it is read.


def _is_tar(head: bytes) -> bool:
    return head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"


def _decompressed(stream: BinaryIO, head: bytes) -> BinaryIO | None:
    """A decompressor over the stream, None where its content is plain."""
    if head.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if head.startswith(_XZ):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    if head.startswith(_BZIP2):
        return cast(BinaryIO, bz2.BZ2File(stream))
    return None


def _members(stream: BinaryIO, place: str, budget: Budget, depth: int) -> Iterator[Found]:
    """The plain files in a seekable stream, which may be one itself."""
    with translated(place):
        head = stream.read(_HEAD)
        stream.seek(0)
    if head.startswith(_ZIP):
        yield from _deeper(_zip, stream, place, budget, depth)
    elif head.startswith(_AR):
        yield from _deb(stream, place, budget)
    elif _is_tar(head):
        with translated(place):
            budget.headers(_tar_headers(stream), place)
            stream.seek(0)
        yield from _deeper(_tar, stream, place, budget, depth)
    elif head.startswith((_GZIP, _XZ, _BZIP2)):
        yield from _compressed(stream, head, place, budget, depth)
    else:
        yield _Once(stream, place, budget).member()


def _deeper(
    walk: "Callable[[BinaryIO, str, Budget, int], Iterator[Found]]",
    stream: BinaryIO,
    place: str,
    budget: Budget,
    depth: int,
) -> Iterator[Found]:
    if depth > _NESTING:
        yield Skipped(place=place, reason="archive in an archive in an archive")
    else:
        yield from walk(stream, place, budget, depth)


def _compressed(
    stream: BinaryIO, head: bytes, place: str, budget: Budget, depth: int
) -> Iterator[Found]:
    """One compressed file, or a compressed tar."""
    with translated(place):
        opened = _decompressed(stream, head)
        assert opened is not None
        inner = opened.read(_HEAD)
        stream.seek(0)
        opened = _decompressed(stream, head)
        assert opened is not None
    if _is_tar(inner):
        apart = BoundedStream(opened, place, Budget(budget.limits), packed=stream.tell, whole=True)
        budget.headers(_tar_headers(io.BufferedReader(apart, _SKIP)), place)
        stream.seek(0)
        opened = _decompressed(stream, head)
        assert opened is not None
        bounded = BoundedStream(opened, place, budget, packed=stream.tell, whole=True)
        yield from _deeper(_tar, cast(BinaryIO, bounded), place, budget, depth)
    elif inner.startswith((*_ZIP, _AR, _GZIP, _XZ, _BZIP2)):
        yield Skipped(place=place, reason="compressed twice")
    else:
        yield _Once(opened, place, budget, packed=stream.tell).member()


class _Once:
    """Opens a stream that is already there, under the limits of one member."""

    def __init__(
        self,
        stream: BinaryIO,
        place: str,
        budget: Budget,
        packed: Callable[[], int] | None = None,
    ) -> None:
        self._stream, self._place, self._budget, self._packed = stream, place, budget, packed

    def member(self) -> Member:
        self._budget.member(self._place)
        return Member(self._place, self.open)

    def open(self) -> BinaryIO:
        with translated(self._place):
            self._stream.seek(0)
        bounded = BoundedStream(self._stream, self._place, self._budget, packed=self._packed)
        return cast(BinaryIO, io.BufferedReader(bounded))


def _zip(stream: BinaryIO, place: str, budget: Budget, depth: int) -> Iterator[Found]:
    with translated(place):
        budget.directory(stream, place)
        archive = zipfile.ZipFile(stream)
    with archive:
        # In the order of their bytes: a nested zip can then be read forwards.
        for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
            name = f"{place}/{info.filename}"
            if info.filename.endswith("/"):
                continue
            if reason := _unusable(info, budget):
                yield Skipped(place=name, reason=reason)
            else:
                yield from _zip_member(archive, info, name, budget, depth)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget, depth: int
) -> Iterator[Found]:
    try:
        with translated(name):
            stream = cast(BinaryIO, archive.open(info))
    except CorruptFileError as error:
        if not isinstance(error.__cause__, NotImplementedError):
            raise
        yield Skipped(place=name, reason="packed in a way that is not read")
        return
    # ZipFile gives no more bytes than declared, and those were judged before.
    plain = io.BufferedReader(BoundedStream(stream, name, budget, close=True))
    with plain:
        try:
            packed = plain.peek(8).startswith((*_ZIP, _AR, _GZIP, _XZ, _BZIP2))
        except InvalidInputError:
            packed = False  # Told when it is read.
        if packed:
            with translated(name):
                stream.seek(0)
            yield from _members(stream, name, budget, depth + 1)
        else:
            budget.member(name)
            yield Member(name, partial(cast, BinaryIO, plain))


def _unusable(info: zipfile.ZipInfo, budget: Budget) -> str:
    """Why a member of a zip is not read; empty where it is."""
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "not a regular file"
    return budget.limits.too_large(info.file_size, info.compress_size)


def _tar(stream: BinaryIO, place: str, budget: Budget, depth: int) -> Iterator[Found]:
    for info, raw in _tar_files(stream, place):
        name = f"{place}/{info.name}"
        if raw is None or info.issparse():
            yield Skipped(place=name, reason="not a regular file")
        elif info.size > budget.limits.member_bytes:
            yield Skipped(place=name, reason=budget.limits.too_large(info.size, info.size))
        else:
            buffered = io.BufferedReader(BoundedStream(raw, name, budget, counted=False))
            if buffered.peek(8).startswith((*_ZIP, _AR, _GZIP, _XZ, _BZIP2)):
                yield Skipped(
                    place=name, reason="archive or compressed file in a tar; unpack the tar"
                )
            else:
                budget.member(name)
                yield Member(name, partial(cast, BinaryIO, buffered))


def _tar_headers(stream: BinaryIO) -> Iterator[bytes]:
    """The header of each entry of a tar, pax(1), read forwards from here: nothing is made of an
    entry, so that a million pass in seconds. Ends at the first that is none, which `tarfile`
    tells."""
    while len(header := stream.read(_HEAD)) == _HEAD and header[:1] != b"\0":
        if header[156:157] not in _EXTRA_HEADERS:
            yield header
        left = -(-_tar_size(header[124:136]) // _HEAD) * _HEAD
        while left > 0 and (piece := stream.read(min(left, _SKIP))):
            left -= len(piece)


def _tar_size(field: bytes) -> int:
    """Octal digits, or for what is larger than 8 GB the number itself; 0 for what is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    return int(digits, 8) if digits.isdigit() and not set(digits) & set(b"89") else 0


def _tar_files(stream: BinaryIO, place: str) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    """Members of a tar, read forwards; no stream for links and devices."""
    with translated(place):
        archive = tarfile.TarFile.open(fileobj=stream, mode="r|", tarinfo=_SmallHeaders)
    with archive:
        while True:
            with translated(place):
                info = archive.next()
                # A stream forgets nothing by itself: a million members would stay in memory.
                archive.members = []  # type: ignore[attr-defined]
                if info is None:
                    # The checksum of what packs the tar stands behind the tar's own end.
                    while stream.read(_SKIP):
                        pass
                    return
                raw = archive.extractfile(info) if info.isreg() else None
            if not info.isdir():
                yield info, cast(BinaryIO, raw)


class _SmallHeaders(tarfile.TarInfo):
    """tarfile loads long names and pax headers whole: a declared size can be anything."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if not self.isreg() and self.size > _HEADER_BYTES:
            raise tarfile.ReadError("a header is too long")
        return cast(tarfile.TarInfo, super()._proc_member(archive))  # type: ignore[misc]


def _deb(stream: BinaryIO, place: str, budget: Budget) -> Iterator[Found]:
    """The changelog of a Debian package, deb(5): an ar archive with a data.tar in it."""
    with translated(place):
        data = _ar_member(stream, b"data.tar")
    if data is None:
        yield Skipped(place=place, reason="not a Debian package")
        return
    plain = cast(BinaryIO, io.BufferedReader(data))
    with translated(place):
        head = plain.read(_HEAD)
        plain.seek(0)
    if not (_is_tar(head) or head.startswith((_GZIP, _XZ, _BZIP2))):
        yield Skipped(
            place=place, reason="packed with zstd, which is not read; give its changelog instead"
        )
        return
    names = [info.name for info, raw in _deb_files(plain, head, place, budget) if raw is not None]
    logs = [name for name in names if _CHANGELOG.fullmatch(name)]
    if not logs:
        yield Skipped(place=place, reason="a Debian package without a changelog")
        return
    # Beside it lies the author's own changelog, which knows no versions of Debian.
    wanted = next((name for name in logs if "/changelog.Debian" in name), logs[0])
    for info, raw in _deb_files(plain, head, place, budget):
        if raw is not None and info.name == wanted:
            yield _changelog(raw, f"{place}/{info.name}", budget)
            return


def _deb_files(
    plain: BinaryIO, head: bytes, place: str, budget: Budget
) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    plain.seek(0)
    opened = _decompressed(plain, head) or plain
    layer = BoundedStream(opened, place, budget, packed=plain.tell, whole=True)
    yield from _tar_files(cast(BinaryIO, layer), place)


def _changelog(raw: BinaryIO, name: str, budget: Budget) -> Member:
    file = io.BufferedReader(cast(io.RawIOBase, raw))
    packed = file.peek(2).startswith(_GZIP)
    # The tar below is a stream without seek, which GzipFile needs only to go back.
    opened = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else cast(BinaryIO, file)
    bounded = BoundedStream(opened, name, budget, packed=raw.tell if packed else None)
    budget.member(name)
    return Member(name, partial(cast, BinaryIO, io.BufferedReader(bounded)))


def _ar_member(stream: BinaryIO, prefix: bytes) -> "_Slice | None":
    """The first member of an ar archive with this prefix, ar(5)."""
    at = len(_AR)
    for _ in range(16):
        stream.seek(at)
        header = stream.read(60)
        if len(header) < 60 or header[58:] != b"`\n":
            return None
        size = int(header[48:58])
        if header.startswith(prefix):
            return _Slice(stream, at + 60, size)
        at += 60 + size + size % 2
    return None


class _Slice(io.RawIOBase):
    """A part of a file as a file."""

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
