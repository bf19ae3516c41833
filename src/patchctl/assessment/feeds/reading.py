"""Find the feeds at a path, and read the records of each, one at a time."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ...errors import BrokenContentError, CorruptFileError, InvalidInputError
from ...models.advisory import BadRecord, FeedKind, FeedRecord
from ...models.feeds import Skipped
from . import changelog, cve, debian_tracker, eol, epss, kev, osv, ssvc, updateinfo
from .common import slug
from .feed_date import FeedDate
from .interfaces import Archive, Archives, Member
from .recognise import HEAD_BYTES, Recognised, recognise

# A reader of one format: (stream, location to show, date of the feed to be filled) -> its records
Reader = Callable[[BinaryIO, str, FeedDate], Iterator[FeedRecord]]

_READERS: dict[tuple[FeedKind, str], Reader] = {
    (FeedKind.OSV, ""): osv.read,
    (FeedKind.DEBIAN_TRACKER, ""): debian_tracker.read,
    (FeedKind.KEV, ""): kev.read,
    (FeedKind.EPSS, ""): epss.read,
    (FeedKind.CVE, ""): cve.read,
    (FeedKind.CVE, "ssvc"): ssvc.read,
    (FeedKind.EOL, ""): eol.read,
}
# Formats of which many files make one feed.
_TOGETHER = {
    (FeedKind.OSV, ""),
    (FeedKind.CVE, ""),
    (FeedKind.CHANGELOG, ""),
    (FeedKind.EOL, ""),
}
# A feed is named after a release that this part of its files name.
_MOST = 0.9
_NONE = -1
_SKIPPED_KEPT = 1000
_KNOWN = (
    "known are OSV, the Debian tracker, updateinfo.xml, Debian changelogs, KEV, EPSS, CVE records"
    " and endoflife.date"
)


class Feed:
    """One feed at a path. Nothing is open until `records` is iterated. `stem` is its name without
    the number that distinguishes it from others of one reading."""

    def __init__(
        self,
        kind: FeedKind,
        name: str,
        location: str,
        records: Callable[[FeedDate], Iterator[FeedRecord]],
        latest: int = 0,
        stem: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.stem = stem or name
        self.place = location
        self.skipped = SkippedFiles()
        self._records = records
        self._latest = latest
        self._feed_date = FeedDate(latest)

    @property
    def dated(self) -> int:
        """The newest date that the feed states, epoch seconds UTC; complete when all records are
        read. 0 where the format has none (the Debian tracker)."""
        return self._feed_date.dated

    def records(self) -> Iterator[FeedRecord]:
        """Read from the beginning; may be called again. Raises InvalidInputError in the middle
        where the file is cut short or breaks a limit: then keep nothing of this reading. Files
        beside the feed that are not a feed come as BadRecord, at the end."""
        self._feed_date = FeedDate(self._latest)
        yield from self._records(self._feed_date)
        yield from self.skipped.records()


class SkippedFiles:
    """Files that are not a feed: all of them counted, the first thousand kept."""

    def __init__(self) -> None:
        self.first: list[BadRecord] = []
        self.count = 0

    def add(self, location: str, reason: str) -> None:
        """Count a file."""
        self.count += 1
        if len(self.first) < _SKIPPED_KEPT:
            self.first.append(BadRecord(place=location, reason=reason))

    def take(self, other: "SkippedFiles") -> None:
        """Move the other's files to this one."""
        self.count += other.count
        self.first += other.first[: _SKIPPED_KEPT - len(self.first)]
        other.first, other.count = [], 0

    def records(self) -> Iterator[BadRecord]:
        """A record for each file; those beyond the first thousand have no place."""
        yield from self.first
        for _ in range(self.count - len(self.first)):
            yield BadRecord(place="", reason="one of many files that are not a feed")


class Reading:
    """The feeds at a path. `skipped` names at most 1,000 files that are not a feed, `skipped_count`
    is the number of all; both are complete when all feeds are iterated. `shown` is the name to show
    for the path. Records dated after `latest` (epoch seconds) are bad; 0: no limit."""

    def __init__(
        self, path: Path, ecosystem: str, archives: Archives, *, shown: str = "", latest: int = 0
    ) -> None:
        self.path = path
        self.place = shown or str(path)
        self.skipped: list[BadRecord] = []
        self.skipped_count = 0
        self._beside = SkippedFiles()
        self._ecosystem = ecosystem
        self._archives = archives
        self._latest = latest

    def __iter__(self) -> Iterator[Feed]:
        self.skipped, self.skipped_count = [], 0
        names: Counter[str] = Counter()
        feed: Feed | None = None
        self._beside = SkippedFiles()
        for archive in self._archives(self.path):
            if isinstance(archive, Skipped):
                self._skip(archive.place, archive.reason)
                continue
            for group in self._groups(archive):
                stem = group.name()
                names[stem] += 1
                name = stem if names[stem] == 1 else f"{stem}-{names[stem]}"
                records = partial(group.records, self._ecosystem)
                feed = Feed(group.kind, name, group.place, records, self._latest, stem)
                feed.skipped.take(self._beside)
                yield feed
        if feed is None:
            raise self._nothing()
        feed.skipped.take(self._beside)

    def _skip(self, location: str, reason: str) -> None:
        self._beside.add(location, reason)
        self.skipped_count += 1
        if len(self.skipped) < _SKIPPED_KEPT:
            self.skipped.append(BadRecord(place=location, reason=reason))

    def _groups(self, archive: Archive) -> "list[_Group]":
        """Recognise each file of an archive by its beginning, and group the files of one feed."""
        groups: list[_Group] = []
        group_numbers: dict[tuple[FeedKind, str], int] = {}
        # One number for each file: a set of names would be large for 300,000 files.
        codes = array("l")
        for member in archive.members():
            recognised = _recognised(member, whole=archive.is_archive)
            if not isinstance(recognised, Recognised):
                codes.append(_NONE)
                self._skip(member.place, recognised)
                continue
            key = (recognised.kind, recognised.variant)
            if key not in group_numbers or key not in _TOGETHER:
                group_numbers[key] = len(groups)
                groups.append(_Group(archive, codes, len(groups), recognised))
            groups[group_numbers[key]].add(recognised, member.place)
            codes.append(group_numbers[key])
        return groups

    def _nothing(self) -> InvalidInputError:
        if not self.skipped:
            return InvalidInputError("holds no files", where=self.place)
        first = self.skipped[0]
        if self.skipped_count == 1:
            return InvalidInputError(first.reason, where=first.place, hint=_KNOWN)
        return InvalidInputError(
            f"none of {self.skipped_count} files is a feed, first {first.place}: {first.reason}",
            where=self.place,
        )


def _recognised(member: Member | Skipped, *, whole: bool) -> Recognised | str:
    """What the file is, or why it is no feed. `whole`: read a file that is no feed to its end,
    where the archive's checksum tells whether it is corrupt."""
    if isinstance(member, Skipped):
        return member.reason
    try:
        stream = member.open()
        recognised = recognise(stream.read(HEAD_BYTES))
        while whole and not isinstance(recognised, Recognised) and stream.read(HEAD_BYTES):
            pass
    except BrokenContentError as error:
        if whole and isinstance(error, CorruptFileError):
            raise
        return error.reason
    return recognised


@dataclass
class _Group:
    """The files of an archive that are one feed: those whose code is `code`."""

    archive: Archive
    codes: "array[int]"
    code: int
    first: Recognised
    files: int = 0
    place: str = ""
    named: Counter[str] = field(default_factory=Counter)

    @property
    def kind(self) -> FeedKind:
        return self.first.kind

    def add(self, recognised: Recognised, location: str) -> None:
        """Add a file to the feed."""
        self.files += 1
        self.place = location if self.files == 1 else self.archive.place
        self.named.update(recognised.ecosystems)

    def name(self) -> str:
        """The name of the feed, see the package's docstring. A single record never gets the name of
        a whole feed."""
        tail = ""
        if self.kind is FeedKind.UPDATEINFO or (self.kind is FeedKind.OSV and self.whole):
            tail = self._common()
        elif self.first.variant:
            tail = self.first.variant
        elif not self.whole or (self.kind is FeedKind.CHANGELOG and self.files == 1):
            tail = self.first.name
        return slug(f"{self.kind.value} {tail}")

    @property
    def whole(self) -> bool:
        """Whether this can be all of a publisher's records."""
        return self.archive.is_archive or self.files > 1

    def _common(self) -> str:
        """The release that nearly all files name, else the distribution, else empty."""
        vendors = Counter[str]()
        for name, count in self.named.items():
            vendors[name.partition(":")[0]] += count
        for names in (self.named, vendors):
            for name, count in names.most_common(1):
                if count >= self.files * _MOST and (names is self.named or len(vendors) == 1):
                    return name
        return ""

    def records(self, ecosystem: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
        """The records of all its files."""
        reader = self._reader(ecosystem)
        for number, member in enumerate(self.archive.members()):
            if number >= len(self.codes):
                raise InvalidInputError("changed while it was read", where=self.archive.place)
            if self.codes[number] != self.code or isinstance(member, Skipped):
                continue
            try:
                yield from reader(member.open(), member.place, feed_date)
            except BrokenContentError as error:
                # Where each file is one record, the others can still be used.
                if self.files == 1 or (
                    self.archive.is_archive and isinstance(error, CorruptFileError)
                ):
                    raise
                yield BadRecord(place=member.place, reason=error.reason)

    def _reader(self, ecosystem: str) -> Reader:
        if self.kind is FeedKind.UPDATEINFO:
            return partial(updateinfo.read, ecosystem=ecosystem)
        if self.kind is FeedKind.CHANGELOG:
            return partial(changelog.read, ecosystem=ecosystem)
        return _READERS[(self.kind, self.first.variant)]
