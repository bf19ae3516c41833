"""Read changelogs of Debian packages, deb-changelog(5): the version that first fixed each CVE."""

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from ...models.advisory import Advisory, AdvisoryKind, Affected, BadRecord, FeedRecord, NameKind
from ..matching import ecosystems
from .common import cves_in_text, lines
from .feed_date import FeedDate

HEADER = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9+.-]+) \(([^()\s]+)\)((?:\s+[A-Za-z0-9.+_-]+)+)\s*;.*urgency=", re.I
)
_LIKE_HEADER = re.compile(r"\S+ \(|.{0,200}\burgency=", re.I)
_TRAILER = re.compile(r" -- .*<.*>\s+(.+)")
_TRAILER_LENGTH = 500
# What dpkg-parsechangelog ignores at the end of old changelogs.
_JUNK = re.compile(r"(?:Local variables|vim?:|\$|#|/\*|Old Changelog|Changes from version)", re.I)
_NOT_FIXED = re.compile(
    r"\b(?:not|isn't|aren't|wasn't)\s+(?:be\s+)?(?:affected|vulnerable)|\bunaffected\b"
    r"|\b(?:does|do)(?:\s+not|n't)\s+affect",
    re.I,
)
# A stable update has its release in its version: `1.2-3+deb12u1`.
_STABLE = re.compile(r"[+~]deb([0-9]{1,2})u")
# Not uploaded, or uploaded to unstable, from which every release is made.
_NO_RELEASE = {"unstable", "sid", "experimental", "unreleased"}


def read(
    stream: BinaryIO, location: str, feed_date: FeedDate, ecosystem: str = ""
) -> Iterator[FeedRecord]:
    """Yield an advisory for each CVE and source package. `ecosystem` counts where the newest entry
    went to unstable or names no release."""
    log = _Log()
    for number, line in lines(stream, location):
        if isinstance(line, BadRecord):
            yield line
        elif not log.take(line):
            yield BadRecord(place=f"{location}:{number}", reason="no entry of a changelog")
    log.take("")
    if wrong := feed_date.record(log.dated):
        yield BadRecord(place=location, reason=wrong)
        return
    release = log.ecosystem(ecosystem)
    if log.fixes and not release:
        yield BadRecord(place=location, reason="does not tell its release; name the ecosystem")
        return
    for cve, (source, version) in sorted(log.fixes.items()):
        yield Advisory(
            id=f"CHANGELOG-{source}-{cve}",
            kind=AdvisoryKind.SECURITY,
            title=f"{source} {version}",
            cves=(cve,),
            modified=log.dated,
            affected=(
                Affected(ecosystem=release, name=source, kind=NameKind.SOURCE, fixed=version),
            ),
        )


class _Log:
    """Reads a changelog line by line. Entries come newest first, so a later one is older; `fixes`
    are CVE -> (source, version)."""

    def __init__(self) -> None:
        self.fixes: dict[str, tuple[str, str]] = {}
        self.dated = 0
        self._newest: tuple[str, list[str]] | None = None
        self._entry: tuple[str, str] | None = None
        self._pending: list[str] = []
        # Old changelogs end in other formats: reported once, not for each line.
        self._in_other_format = False

    def take(self, line: str) -> bool:
        """Read a line; False where it belongs to no changelog."""
        if not line.strip():
            self._accept()
            return True
        if not line[0].isspace():
            self._accept()
            return self._header(line)
        if trailer := _TRAILER.match(line[:_TRAILER_LENGTH]):
            self._accept()
            self._date(trailer[1])
        else:
            self._change(line)
        return True

    def _header(self, line: str) -> bool:
        header = HEADER.match(line)
        if header is None:
            if _LIKE_HEADER.match(line):
                # Its changes belong to a version that is not known.
                self._entry = None
            was_in_other_format, self._in_other_format = self._in_other_format, True
            return was_in_other_format or _JUNK.match(line) is not None
        self._in_other_format = False
        self._entry = (header[1].lower(), header[2])
        if self._newest is None:
            self._newest = (header[2], header[3].split())
        return True

    def _date(self, text: str) -> None:
        if self.dated == 0:
            try:
                self.dated = max(0, int(parsedate_to_datetime(text.strip()).timestamp()))
            except (ValueError, OverflowError, TypeError, IndexError):
                return

    def _change(self, line: str) -> None:
        """Note the CVEs of a line. One that says "not affected" drops its own CVEs, or those of the
        line that it continues."""
        cves = cves_in_text(line)
        denied = _NOT_FIXED.search(line) is not None
        continued = line.lstrip()[0] not in "*-+["
        if denied and (cves or continued):
            if not cves:
                self._pending = []
            self._accept()
            return
        self._accept()
        self._pending = cves

    def _accept(self) -> None:
        if self._entry is not None:
            for cve in self._pending:
                self.fixes[cve] = self._entry
        self._pending = []

    def ecosystem(self, default: str) -> str:
        """The ecosystem by the newest entry's version or distribution, else the default."""
        if self._newest is None:
            return default
        version, suites = self._newest
        if stable := _STABLE.search(version):
            return f"Debian:{stable[1]}"
        for suite in suites:
            if suite.lower() not in _NO_RELEASE and (named := ecosystems.of_changelog_suite(suite)):
                return named
        if default:
            return default
        return "Debian:sid" if _NO_RELEASE & {suite.lower() for suite in suites} else ""
