"""Read files, folders and archives that a user or a server gives, as bounded streams.

Nothing is written to disk, so names in an archive can do no harm. Magic bytes decide the format,
never a name. Limits hold for the bytes that a decompressor gives, not for declared sizes.
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
from typing import BinaryIO, cast

from ...errors import AdapterError, CorruptFileError, InvalidInputError, NotFoundError
from ...models.feeds import Skipped
from .ar import AR_MAGIC, ar_member
from .limits import BoundedStream, Budget, Limits, translated

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3; an empty zip starts with its end.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_TAR_MAGIC_AT = 257
_HEAD = 512
# An archive in an archive is read (cvelistV5 publishes a zip in a zip), not deeper.
_NESTING = 1
_HEADER_BYTES = 1024 * 1024
# Types of long names and pax records, which come before the entry that they belong to.
_EXTRA_HEADERS = (b"x", b"g", b"L", b"K")
_SKIP = 128 * 1024
# Debian policy 12.7; a native package's changelog has no "Debian" in its name.
_CHANGELOG = re.compile(r"(?:\./)?usr/share/doc/[^/]+/changelog(?:\.Debian)?(?:\.gz)?")


@dataclass(frozen=True)
class Member:
    """One plain file, decompressed. `open` it once, before the next member is taken."""

    place: str
    open: Callable[[], BinaryIO]


Content = Member | Skipped


@dataclass(frozen=True)
class Archive:
    """Files that belong together: one archive, one file, or the loose files of a folder.

    `shown` is the name to show for a single file whose path is only temporary.
    """

    place: str
    is_archive: bool
    limits: Limits
    _files: tuple[Path, ...] = field(repr=False)
    shown: str = ""

    def members(self) -> Iterator[Content]:
        """Everything in it, in the order of the archive or by name; may be called again. Raises
        InvalidInputError where the archive is broken or a limit is reached."""
        budget = Budget(self.limits)
        for path in self._files:
            location = self.shown or str(path)
            with open_file(path) as stream:
                try:
                    yield from _members(stream, location, budget, depth=0)
                except CorruptFileError as error:
                    if self.is_archive or len(self._files) == 1:
                        raise
                    yield Skipped(place=location, reason=error.reason)


def archives(
    path: Path, limits: Limits | None = None, *, shown: str = ""
) -> Iterator[Archive | Skipped]:
    """The archives and files at a path. A folder's loose files are one Archive, which comes first.

    `shown` is the name to show for a single file whose path is only temporary. Links out of the
    folder, device files and hidden entries come as Skipped. Raises NotFoundError,
    InvalidInputError (too many files), AdapterError (unreadable)."""
    limits = limits or Limits()
    if not path.is_dir():
        is_archive = _is_archive(path)
        yield Archive(shown or str(path), is_archive, limits, (path,), shown)
        return
    loose: list[Path] = []
    archives: list[Path] = []
    for entry in _walk(path, limits):
        if isinstance(entry, Skipped):
            yield entry
        else:
            (archives if _is_archive(entry) else loose).append(entry)
    if loose:
        yield Archive(str(path), False, limits, tuple(loose))
    for file in archives:
        yield Archive(str(file), True, limits, (file,))


def open_file(path: Path) -> BinaryIO:
    """Open a regular file, so that a pipe or device at its path cannot block the process."""
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
        parent = Path(folder)
        for name in sorted(folders):
            if name.startswith(".") or (parent / name).is_symlink():
                yield Skipped(place=str(parent / name), reason="hidden folder or link to a folder")
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (parent / name).is_symlink()
        )
        for name in sorted(names):
            path = parent / name
            if name.startswith("."):
                yield Skipped(place=str(path), reason="hidden file")
            elif path.is_symlink() and not path.resolve().is_relative_to(inside):
                yield Skipped(place=str(path), reason="link out of the folder")
            elif not path.is_file():
                yield Skipped(place=str(path), reason="not a regular file")
            elif _is_lock(path):
                continue  # the lock of a content store, whose packages tell what they fix
            else:
                yield path


def _refuse_many(root: Path, limits: Limits) -> None:
    """Raise InvalidInputError for too many files, before any is opened."""
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
    """Whether a file is a zip or a tar, compressed or not. A .deb is one changelog, no archive."""
    with open_file(path) as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        if head.startswith(_ZIP) or _is_tar(head):
            return True
        decompressed = _decompressed(stream, head)
        if decompressed is None:
            return False
        try:
            return _is_tar(decompressed.read(_HEAD))
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            return False  # reported with its reason when it is read


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


def _members(stream: BinaryIO, location: str, budget: Budget, depth: int) -> Iterator[Content]:
    """The plain files in a seekable stream, which may itself be a plain file."""
    with translated(location):
        head = stream.read(_HEAD)
        stream.seek(0)
    if head.startswith(_ZIP):
        yield from _deeper(_zip, stream, location, budget, depth)
    elif head.startswith(AR_MAGIC):
        yield from _deb(stream, location, budget)
    elif _is_tar(head):
        with translated(location):
            budget.headers(_tar_headers(stream), location)
            stream.seek(0)
        yield from _deeper(_tar, stream, location, budget, depth)
    elif head.startswith((_GZIP, _XZ, _BZIP2)):
        yield from _compressed(stream, head, location, budget, depth)
    else:
        yield _SingleMember(stream, location, budget).member()


def _deeper(
    walk: "Callable[[BinaryIO, str, Budget, int], Iterator[Content]]",
    stream: BinaryIO,
    location: str,
    budget: Budget,
    depth: int,
) -> Iterator[Content]:
    if depth > _NESTING:
        yield Skipped(place=location, reason="archive in an archive in an archive")
    else:
        yield from walk(stream, location, budget, depth)


def _compressed(
    stream: BinaryIO, head: bytes, location: str, budget: Budget, depth: int
) -> Iterator[Content]:
    """One compressed file, or a compressed tar."""
    with translated(location):
        decompressed = _decompressed(stream, head)
        assert decompressed is not None
        inner = decompressed.read(_HEAD)
        stream.seek(0)
        decompressed = _decompressed(stream, head)
        assert decompressed is not None
    if _is_tar(inner):
        headers = BoundedStream(
            decompressed, location, Budget(budget.limits), packed=stream.tell, whole=True
        )
        budget.headers(_tar_headers(io.BufferedReader(headers, _SKIP)), location)
        stream.seek(0)
        decompressed = _decompressed(stream, head)
        assert decompressed is not None
        bounded = BoundedStream(decompressed, location, budget, packed=stream.tell, whole=True)
        yield from _deeper(_tar, cast(BinaryIO, bounded), location, budget, depth)
    elif inner.startswith((*_ZIP, AR_MAGIC, _GZIP, _XZ, _BZIP2)):
        yield Skipped(place=location, reason="compressed twice")
    else:
        yield _SingleMember(decompressed, location, budget, packed=stream.tell).member()


class _SingleMember:
    """Opens an existing stream under the limits of one member."""

    def __init__(
        self,
        stream: BinaryIO,
        location: str,
        budget: Budget,
        packed: Callable[[], int] | None = None,
    ) -> None:
        self._stream, self._location, self._budget, self._packed = stream, location, budget, packed

    def member(self) -> Member:
        self._budget.member(self._location)
        return Member(self._location, self.open)

    def open(self) -> BinaryIO:
        with translated(self._location):
            self._stream.seek(0)
        bounded = BoundedStream(self._stream, self._location, self._budget, packed=self._packed)
        return cast(BinaryIO, io.BufferedReader(bounded))


def _zip(stream: BinaryIO, location: str, budget: Budget, depth: int) -> Iterator[Content]:
    with translated(location):
        budget.directory(stream, location)
        archive = zipfile.ZipFile(stream)
    with archive:
        # In the order of their bytes, so that a nested zip is read forwards.
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            full_name = f"{location}/{info.filename}"
            if info.filename.endswith("/"):
                continue
            if reason := _unusable(info, budget):
                yield Skipped(place=full_name, reason=reason)
            else:
                yield from _zip_member(archive, info, full_name, budget, depth)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, location: str, budget: Budget, depth: int
) -> Iterator[Content]:
    try:
        with translated(location):
            stream = cast(BinaryIO, archive.open(info))
    except CorruptFileError as error:
        if not isinstance(error.__cause__, NotImplementedError):
            raise
        yield Skipped(place=location, reason="packed in a way that is not read")
        return
    # ZipFile gives no more bytes than declared, and the declared size was checked.
    plain = io.BufferedReader(BoundedStream(stream, location, budget, close=True))
    with plain:
        try:
            nested = plain.peek(8).startswith((*_ZIP, AR_MAGIC, _GZIP, _XZ, _BZIP2))
        except InvalidInputError:
            nested = False  # reported when it is read
        if nested:
            with translated(location):
                stream.seek(0)
            yield from _members(stream, location, budget, depth + 1)
        else:
            budget.member(location)
            yield Member(location, partial(cast, BinaryIO, plain))


def _unusable(info: zipfile.ZipInfo, budget: Budget) -> str:
    """Why a member of a zip is not read; empty where it is."""
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "not a regular file"
    return budget.limits.too_large(info.file_size, info.compress_size)


def _tar(stream: BinaryIO, location: str, budget: Budget, depth: int) -> Iterator[Content]:
    for info, raw in _tar_files(stream, location):
        full_name = f"{location}/{info.name}"
        if raw is None or info.issparse():
            yield Skipped(place=full_name, reason="not a regular file")
        elif info.size > budget.limits.member_bytes:
            yield Skipped(place=full_name, reason=budget.limits.too_large(info.size, info.size))
        else:
            buffered = io.BufferedReader(BoundedStream(raw, full_name, budget, counted=False))
            if buffered.peek(8).startswith((*_ZIP, AR_MAGIC, _GZIP, _XZ, _BZIP2)):
                yield Skipped(
                    place=full_name,
                    reason="archive or compressed file in a tar; unpack the tar",
                )
            else:
                budget.member(full_name)
                yield Member(full_name, partial(cast, BinaryIO, buffered))


def _tar_headers(stream: BinaryIO) -> Iterator[bytes]:
    """The header of each entry of a tar, pax(1), from the stream's position on. No objects are
    made, so that a million take seconds. Ends at the first invalid one, which `tarfile` reports."""
    while len(header := stream.read(_HEAD)) == _HEAD and header[:1] != b"\0":
        if header[156:157] not in _EXTRA_HEADERS:
            yield header
        left = -(-_tar_size(header[124:136]) // _HEAD) * _HEAD
        while left > 0 and (piece := stream.read(min(left, _SKIP))):
            left -= len(piece)


def _tar_size(field: bytes) -> int:
    """A size in octal digits, or in binary for over 8 GB; 0 where it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    return int(digits, 8) if digits.isdigit() and not set(digits) & set(b"89") else 0


def _tar_files(
    stream: BinaryIO, location: str
) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    """(info, stream) of a tar's members, read forwards; the stream of links and devices is None."""
    with translated(location):
        archive = tarfile.TarFile.open(fileobj=stream, mode="r|", tarinfo=_SmallHeaders)
    with archive:
        while True:
            with translated(location):
                info = archive.next()
                # TarFile keeps all members: without this a million would stay in memory.
                archive.members = []  # type: ignore[attr-defined]
                if info is None:
                    # The compressor's checksum comes after the end of the tar.
                    while stream.read(_SKIP):
                        pass
                    return
                raw = archive.extractfile(info) if info.isreg() else None
            if not info.isdir():
                yield info, cast(BinaryIO, raw)


class _SmallHeaders(tarfile.TarInfo):
    """Refuses long headers: tarfile loads long names and pax headers whole, whatever their size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if not self.isreg() and self.size > _HEADER_BYTES:
            raise tarfile.ReadError("a header is too long")
        return cast(tarfile.TarInfo, super()._proc_member(archive))  # type: ignore[misc]


def _deb(stream: BinaryIO, location: str, budget: Budget) -> Iterator[Content]:
    """The changelog of a Debian package, deb(5): an ar archive with a data.tar in it."""
    with translated(location):
        data = ar_member(stream, b"data.tar")
    if data is None:
        yield Skipped(place=location, reason="not a Debian package")
        return
    plain = cast(BinaryIO, io.BufferedReader(data))
    with translated(location):
        head = plain.read(_HEAD)
        plain.seek(0)
    if not (_is_tar(head) or head.startswith((_GZIP, _XZ, _BZIP2))):
        yield Skipped(
            place=location, reason="packed with zstd, which is not read; give its changelog instead"
        )
        return
    names = [
        info.name for info, raw in _deb_files(plain, head, location, budget) if raw is not None
    ]
    logs = [name for name in names if _CHANGELOG.fullmatch(name)]
    if not logs:
        yield Skipped(place=location, reason="a Debian package without a changelog")
        return
    # The author's own changelog beside it has no versions of Debian.
    changelog = next((name for name in logs if "/changelog.Debian" in name), logs[0])
    for info, raw in _deb_files(plain, head, location, budget):
        if raw is not None and info.name == changelog:
            yield _changelog(raw, f"{location}/{info.name}", budget)
            return


def _deb_files(
    plain: BinaryIO, head: bytes, location: str, budget: Budget
) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    plain.seek(0)
    opened = _decompressed(plain, head) or plain
    layer = BoundedStream(opened, location, budget, packed=plain.tell, whole=True)
    yield from _tar_files(cast(BinaryIO, layer), location)


def _changelog(raw: BinaryIO, location: str, budget: Budget) -> Member:
    file = io.BufferedReader(cast(io.RawIOBase, raw))
    packed = file.peek(2).startswith(_GZIP)
    # The tar's stream cannot seek, but GzipFile seeks only to go back.
    opened = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else cast(BinaryIO, file)
    bounded = BoundedStream(opened, location, budget, packed=raw.tell if packed else None)
    budget.member(location)
    return Member(location, partial(cast, BinaryIO, io.BufferedReader(bounded)))
