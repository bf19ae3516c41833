"""Help the readers of feeds: ids in text, times, bounded reading of JSON and lines."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import msgspec

from ...errors import BrokenContentError
from ...models.advisory import AdvisoryKind, BadRecord, Severity
from ...models.grammar import CVE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

MB = 1024 * 1024
# One advisory or CVE record; Ubuntu's kernel notices are the largest, about 8 MB.
RECORD_BYTES = 32 * MB
# A feed that is one JSON document; the Debian tracker is 90 MB.
DOCUMENT_BYTES = 512 * MB
LINE_BYTES = MB
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PIECE = 256 * 1024

_CVE = re.compile(rf"(?<![A-Za-z0-9]){CVE}(?![0-9])")
# In vendors' ids a CVE is a tail: `UBUNTU-CVE-2020-1`, `DEBIAN-CVE-…`, `ALPINE-CVE-…`.
_CVE_ID = re.compile(rf"(?:[A-Z]+-)?({CVE})")

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "important": Severity.IMPORTANT,
    "high": Severity.IMPORTANT,
    "urgent": Severity.IMPORTANT,
    "moderate": Severity.MODERATE,
    "medium": Severity.MODERATE,
    "low": Severity.LOW,
    "negligible": Severity.NEGLIGIBLE,
    "unimportant": Severity.NEGLIGIBLE,
}

# Decoding fails with RecursionError where JSON is nested too deeply.
UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Wire(msgspec.Struct):
    """The fields of a feed's JSON that are read; unknown fields are ignored."""


def severity_of(word: str) -> Severity:
    """The severity that a vendor's word means; UNKNOWN for unknown words. Debian marks guesses
    with `**`."""
    return _SEVERITIES.get(word.strip().rstrip("*").lower(), Severity.UNKNOWN)


def kind_of(word: str) -> AdvisoryKind:
    """The kind that updateinfo's `type` means. SUSE says `recommended` and `optional`, others
    `newpackage`."""
    word = word.strip().lower()
    words = {
        "recommended": AdvisoryKind.BUGFIX,
        "optional": AdvisoryKind.ENHANCEMENT,
        "feature": AdvisoryKind.ENHANCEMENT,
        "newpackage": AdvisoryKind.ENHANCEMENT,
    }
    known = {kind.value: kind for kind in AdvisoryKind}
    return words.get(word) or known.get(word, AdvisoryKind.UNKNOWN)


def cves_in_text(text: str) -> list[str]:
    """CVE ids anywhere in a text, in order, with repetitions."""
    return _CVE.findall(text) if "CVE-" in text else []


def cves_of_ids(ids: Iterable[str]) -> list[str]:
    """The CVEs of those ids that are CVEs or vendors' ids for one."""
    return [match[1] for ident in ids if (match := _CVE_ID.fullmatch(ident))]


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """The values without repetitions, in order of their first occurrence."""
    return tuple(dict.fromkeys(values))


def seconds(text: str) -> int:
    """Epoch seconds of a time as feeds write it, 0 for any other text: RFC 3339, a date with or
    without time and seconds (UTC), or epoch seconds."""
    return _seconds(text.strip()) if len(text) < 64 else 0


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int:
    if re.fullmatch(r"[0-9]{9,11}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,40}", text, re.ASCII) is None:
        return 0
    # Python does not read nanoseconds.
    text = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)
    try:
        when = datetime.fromisoformat(text.removesuffix(" UTC"))
        return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        return 0


def iso_date(value: object) -> str:
    """A date as `2026-07-11`; empty for other values (`false`, null, other text)."""
    if not isinstance(value, str) or not seconds(value[:10]):
        # Dates before 1970 do not occur in these feeds.
        return ""
    return value[:10]


def slug(text: str) -> str:
    """The text in lower case with dashes, for names of feeds."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:80]


def load(stream: BinaryIO, location: str, limit: int) -> bytes:
    """All bytes of a stream without a byte-order mark. Raises BrokenContentError for more than
    `limit` bytes."""
    # In pieces, because a buffered reader allocates all that it is asked for.
    pieces, size = [], 0
    while size <= limit and (piece := stream.read(_PIECE)):
        pieces.append(piece)
        size += len(piece)
    data = b"".join(pieces)
    if size > limit:
        raise BrokenContentError(f"is larger than the {limit // MB} MB allowed", where=location)
    if data.startswith(UTF_16):
        return Recoded(data, io.BytesIO(), location).read()
    return data[3:] if data.startswith(b"\xef\xbb\xbf") else data


class Recoded(io.RawIOBase):
    """A stream of UTF-16 with its mark, as PowerShell's `>` writes, read as UTF-8. `begun` are the
    bytes that were read from the stream already."""

    def __init__(self, begun: bytes, stream: BinaryIO, location: str) -> None:
        self._begun, self._stream, self._location = begun, stream, location
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        more = True
        while more and not self._ready:
            piece = self._begun or self._stream.read(_PIECE)
            self._begun, more = b"", bool(piece)
            try:
                self._ready = self._decoder.decode(piece, final=not more).encode()
            except UnicodeError as error:
                raise BrokenContentError(
                    f"no valid UTF-16: {error}", where=self._location
                ) from error
        count = min(len(view), len(self._ready))
        view[:count], self._ready = self._ready[:count], self._ready[count:]
        return count


def reason_of(error: Exception) -> str:
    """One line on why a record cannot be decoded."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:200] or type(error).__name__


def document(data: bytes, shape: type[T], location: str) -> T:
    """Decode a feed that is one JSON document. Raises BrokenContentError for invalid content."""
    try:
        return msgspec.json.decode(data, type=shape)
    except UNREADABLE as error:
        raise BrokenContentError(
            f"no valid content: {reason_of(error)}", where=location, hint="fetch it again"
        ) from error


def each(
    items: Iterable[msgspec.Raw], decoder: "msgspec.json.Decoder[Any]", location: str
) -> Iterator[Any]:
    """Decode the items of a JSON list one by one; an invalid one comes as BadRecord."""
    for number, raw in enumerate(items, 1):
        try:
            yield decoder.decode(raw)
        except UNREADABLE as error:
            yield BadRecord(place=f"{location}: entry {number}", reason=reason_of(error))


def lines(stream: BinaryIO, location: str) -> Iterator[tuple[int, str | BadRecord]]:
    """(number, line without its end) from 1. A line that is too long or has NUL is a BadRecord.

    Text that is neither UTF-8 nor marked as UTF-16 is read as Latin-1, as old changelogs are."""
    number = 0
    while data := stream.readline(LINE_BYTES):
        if number == 0 and data.startswith(UTF_16):
            stream = cast(BinaryIO, io.BufferedReader(Recoded(data, stream, location)))
            data = stream.readline(LINE_BYTES)
        number += 1
        line_location = f"{location}:{number}"
        if len(data) >= LINE_BYTES and not data.endswith(b"\n"):
            while (rest := stream.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, BadRecord(place=line_location, reason="line longer than 1 MB")
        elif b"\0" in data:
            yield number, BadRecord(place=line_location, reason="NUL byte in the text")
        else:
            if number == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = data.decode("latin-1")
            yield number, text.rstrip("\r\n")
