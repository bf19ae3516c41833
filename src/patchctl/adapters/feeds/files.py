"""Write and read one generation of a feed on disk: its parts, and a manifest of them.

Advisories are in one part for each ecosystem, EPSS scores and CVE records in one for each year of
a CVE's number, so that matching reads only what it needs. A part is a sequence of frames: a length
in four bytes, then zlib-compressed MessagePack, so that neither writing nor reading needs the
whole part in memory.
"""

import contextlib
import hashlib
import os
import re
import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

import msgspec

from ...errors import IntegrityError
from ...models.advisory import (
    Advisory,
    BadRecord,
    CveFacts,
    ExploitChance,
    FeedRecord,
    KnownExploited,
    Lifecycle,
)
from ...models.canonical import digest_bytes
from ...models.feeds import FUTURE_S
from ..files import sync_folder

MANIFEST = "manifest.json"
BAD_KEPT = 1000

# Weights are numbers of rows (an advisory's affected packages and their binaries).
_FRAME_ROWS = 4_000
_PENDING_ROWS = 60_000
# Level 1 takes a tenth of the space; higher levels cost more time than the disk they save.
_LEVEL = 1
_LENGTH = struct.Struct(">I")

ADVISORIES = "advisories"
KEV = "kev"
EPSS = "epss"
CVE = "cve"
EOL = "eol"
BAD = "bad"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the generation. `key` is the ecosystem or the year."""

    shelf: str
    key: str
    file: str
    sha256: str
    size: int
    records: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a generation. `entries` counts usable records, `bad` the others; `newest` is the
    newest date of a record in epoch seconds, 0 where none has one."""

    parts: tuple[Part, ...]
    entries: int
    bad: int
    newest: int = 0

    def encoded(self) -> bytes:
        """The content of the manifest's file."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def digest(self) -> str:
        """The digest of the feed's whole content."""
        return digest_bytes(self.encoded())

    def part(self, shelf: str, key: str = "") -> Part | None:
        """The part with this shelf and key, or None."""
        return next((part for part in self.parts if (part.shelf, part.key) == (shelf, key)), None)

    def on(self, shelf: str) -> tuple[Part, ...]:
        """All parts of a shelf."""
        return tuple(part for part in self.parts if part.shelf == shelf)


class Writer:
    """Writes a generation into an empty folder; `finish` completes it and makes it durable."""

    def __init__(self, folder: Path, now_s: int) -> None:
        self._folder = folder
        self._latest = now_s + FUTURE_S
        self._open: dict[tuple[str, str], _OpenPart] = {}
        self._pending = 0
        self._entries = 0
        self._bad: list[BadRecord] = []
        self._bad_count = 0
        self._newest = 0

    def add(self, record: FeedRecord) -> None:
        """Add one record."""
        match record:
            case BadRecord():
                self.add_bad((record,), 1)
                return
            case Advisory():
                self._dated(max(record.modified, record.published))
                self._advisory(record)
            case KnownExploited():
                self._put(KEV, "", record.cve, record)
            case ExploitChance():
                if not _CVE_ID.fullmatch(record.cve):
                    self.add_bad((BadRecord(place=record.cve, reason="is not a CVE"),), 1)
                    return
                values = (record.score, record.percentile)
                self._put(EPSS, year_of(record.cve), record.cve, values)
            case CveFacts():
                self._dated(record.published)
                self._put(CVE, year_of(record.cve), record.cve, record)
            case Lifecycle():
                self._put(EOL, "", "", record)
            case _:
                assert_never(record)
        self._entries += 1

    def add_bad(self, records: Sequence[BadRecord], count: int) -> None:
        """Add `count` unusable records, of which `records` are known."""
        self._bad_count += count
        self._bad.extend(records[: BAD_KEPT - len(self._bad)])

    def keep(self, ecosystem: str, advisory: Advisory) -> None:
        """Copy one ecosystem's part of an advisory from another generation."""
        self._dated(max(advisory.modified, advisory.published))
        self._put(ADVISORIES, ecosystem, "", advisory)

    def count_kept(self, entries: int) -> None:
        """Count the advisories that `keep` has copied."""
        self._entries += entries

    @property
    def first_bad(self) -> BadRecord | None:
        """The first unusable record, to name where no record is usable."""
        return self._bad[0] if self._bad else None

    def finish(self) -> Manifest:
        """Write the pending rows and the manifest, and make everything durable."""
        for bad in self._bad:
            self._put(BAD, "", "", bad)
        for part in self._open.values():
            part.flush()
        manifest = Manifest(
            parts=tuple(part.done() for _, part in sorted(self._open.items())),
            entries=self._entries,
            bad=self._bad_count,
            newest=self._newest,
        )
        write_durable(self._folder / MANIFEST, manifest.encoded())
        sync_folder(self._folder)
        return manifest

    def _advisory(self, record: Advisory) -> None:
        if not record.affected:
            self._put(ADVISORIES, "", "", record)  # says nothing of any package; kept to explain
            return
        names = {affected.ecosystem for affected in record.affected}
        if len(names) == 1:
            self._put(ADVISORIES, names.pop(), "", record)
            return
        for name in sorted(names):
            own = tuple(affected for affected in record.affected if affected.ecosystem == name)
            self._put(ADVISORIES, name, "", msgspec.structs.replace(record, affected=own))

    def _dated(self, when: int) -> None:
        if self._newest < when <= self._latest:
            self._newest = when

    def _put(self, shelf: str, key: str, name: str, value: Any) -> None:
        part = self._open.get((shelf, key))
        if part is None:
            part = self._open[shelf, key] = _OpenPart(self._folder, shelf, key)
        before = part.rows
        part.add(name, value)
        self._pending += part.rows - before
        if self._pending > _PENDING_ROWS:
            for open_part in self._open.values():
                open_part.flush()
            self._pending = 0


class _OpenPart:
    """A part that is being written: rows that wait for a frame, and the file so far."""

    def __init__(self, folder: Path, shelf: str, key: str) -> None:
        self.rows = 0
        self._shelf, self._key = shelf, key
        self._path = folder / _file_name(shelf, key)
        self._keyed = shelf in (KEV, EPSS, CVE)
        self._list: list[Any] = []
        self._map: dict[str, Any] = {}
        self._hash = hashlib.sha256()
        self._size = self._records = 0

    def add(self, name: str, value: Any) -> None:
        if self._keyed:
            self._map[name] = value
            self.rows += 1
        else:
            self._list.append(value)
            self.rows += _weight(value)
        if self.rows > _FRAME_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the waiting rows as a frame. Files are not held open: there may be hundreds."""
        waiting = self._map if self._keyed else self._list
        if not waiting:
            return
        plain = Chances.packed(self._map) if self._shelf == EPSS else _encode(waiting)
        packed = zlib.compress(plain, _LEVEL)
        frame = _LENGTH.pack(len(packed)) + packed
        handle = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(handle, "wb") as file:
            file.write(frame)
        self._hash.update(frame)
        self._size += len(frame)
        self._records += len(waiting)
        self._list, self._map, self.rows = [], {}, 0

    def done(self) -> Part:
        """Make the file durable and describe it."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        return Part(
            shelf=self._shelf,
            key=self._key,
            file=self._path.name,
            sha256=self._hash.hexdigest(),
            size=self._size,
            records=self._records,
        )


_encode = msgspec.msgpack.Encoder().encode


def _weight(value: Any) -> int:
    if isinstance(value, Advisory):
        return 1 + sum(
            1 + len(affected.binaries) + len(affected.versions) for affected in value.affected
        )
    return 1


def _file_name(shelf: str, key: str) -> str:
    """The name of a part's file: readable, and different for each key."""
    shown = re.sub(r"[^a-z0-9.]+", "-", key.lower()).strip("-")[:60]
    mark = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{shelf}-{shown}-{mark}" if key else shelf


_CVE_ID = re.compile(r"CVE-([0-9]{4})-([0-9]{4,19})")


def year_of(cve: str) -> str:
    """The key of the part that has the EPSS score or record of this CVE."""
    match = _CVE_ID.fullmatch(cve)
    return match[1] if match else "other"


def write_durable(path: Path, data: bytes) -> None:
    """Write a new file, 0600, and make its content durable."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class Chances:
    """A frame of EPSS scores of one year, as three arrays: to decode all scores as objects would
    take longest where only a few are needed."""

    def __init__(self, data: bytes) -> None:
        columns = msgspec.msgpack.decode(data, type=tuple[bytes, bytes, bytes])
        self._numbers, self._scores, self._percentiles = (
            _array(code, column) for code, column in zip("Qdd", columns, strict=True)
        )

    @staticmethod
    def packed(chances: Mapping[str, tuple[float, float]]) -> bytes:
        """Encode CVE -> (score, percentile), with CVEs of one year."""
        rows = sorted((int(cve[9:]), *values) for cve, values in chances.items())
        numbers, scores, percentiles = zip(*rows, strict=True)
        return _encode(
            tuple(
                _little(array(code, column)).tobytes()
                for code, column in (("Q", numbers), ("d", scores), ("d", percentiles))
            )
        )

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, cve: str) -> bool:
        return self.get(cve) is not None

    def __getitem__(self, cve: str) -> tuple[float, float]:
        values = self.get(cve)
        if values is None:
            raise KeyError(cve)
        return values

    def get(self, cve: str) -> tuple[float, float] | None:
        """(score, percentile) of a CVE of this year, None where the frame does not have it."""
        number = int(cve[9:])
        position = bisect_left(self._numbers, number)
        if position == len(self._numbers) or self._numbers[position] != number:
            return None
        return self._scores[position], self._percentiles[position]


def _array(code: str, data: bytes) -> "array[Any]":
    values: array[Any] = array(code)
    try:
        values.frombytes(data)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error
    return _little(values)


def _little(values: "array[Any]") -> "array[Any]":
    """Convert to or from the byte order of files; state may move between machines."""
    if sys.byteorder == "big":
        values.byteswap()
    return values


# --- reading ------------------------------------------------------------------------------------


def _frames(kind: Any) -> Callable[[bytes], Any]:
    decoder = msgspec.msgpack.Decoder(kind)
    return lambda data: decoder.decode(zlib.decompress(data))


_DECODE: dict[str, Callable[[bytes], Any]] = {
    ADVISORIES: _frames(list[Advisory]),
    KEV: _frames(dict[str, KnownExploited]),
    EPSS: lambda data: Chances(zlib.decompress(data)),
    # Most of a year's records are not needed, so each is decoded when it is read.
    CVE: _frames(dict[str, msgspec.Raw]),
    EOL: _frames(list[Lifecycle]),
    BAD: _frames(list[BadRecord]),
}
_CVE = msgspec.msgpack.Decoder(CveFacts)


def cve_facts(raw: msgspec.Raw) -> CveFacts:
    """Decode a record of the CVE shelf."""
    return _CVE.decode(raw)


class Generation:
    """A complete generation. Every method raises IntegrityError where the files differ from the
    manifest, FileNotFoundError where a newer generation has replaced this one."""

    def __init__(self, name: str, folder: Path, digest: str) -> None:
        self._name = name
        self._folder = folder
        data = (folder / MANIFEST).read_bytes()
        if digest_bytes(data) != digest:
            raise damaged(name)
        self.manifest = msgspec.json.decode(data, type=Manifest)

    def frames(self, part: Part) -> Iterator[Any]:
        """The content of a part's frames, decoded one by one: for KEV, EPSS and CVE records a
        mapping by CVE, for the others a list."""
        data = (self._folder / part.file).read_bytes()
        if len(data) != part.size or hashlib.sha256(data).hexdigest() != part.sha256:
            raise damaged(self._name)
        decode = _DECODE[part.shelf]
        position = 0
        while position < len(data):
            with _sound(self._name):
                (length,) = _LENGTH.unpack_from(data, position)
                start = position + _LENGTH.size
                frame = decode(data[start : start + length])
            yield frame
            position = start + length

    def verify(self) -> None:
        """Read everything back and compare the counts."""
        for part in self.manifest.parts:
            if sum(len(frame) for frame in self.frames(part)) != part.records:
                raise damaged(self._name)


@contextlib.contextmanager
def _sound(name: str) -> Iterator[None]:
    try:
        yield
    except (zlib.error, msgspec.MsgspecError, struct.error) as error:
        raise damaged(name) from error


def damaged(name: str) -> IntegrityError:
    """The error for a stored feed that differs from what was written."""
    return IntegrityError(
        f"the stored feed {name} is damaged",
        hint=f"get it again: `patchctl feeds update {name}` or `patchctl feeds import`",
    )
