"""Data about stored feeds: their age, size and origin."""

from dataclasses import dataclass
from enum import StrEnum

from .advisory import FeedKind
from .base import Model, Record

# A feed's name is used in file names, settings and on the command line.
FEED_NAME = "[a-z0-9][a-z0-9.-]{0,99}"

# The version of each kind's reader; 0 for kinds that are not listed, and for feeds that were stored
# before versions were recorded. Increase a kind's number whenever its reader gives other results
# for the same bytes (another channel, range, status, name). Otherwise a stored feed would keep the
# old results for ever, because neither an incremental update nor a 304 reads it again.
READINGS = {FeedKind.OSV: 1, FeedKind.DEBIAN_TRACKER: 1, FeedKind.UPDATEINFO: 1}


class FeedInfo(Record):
    """One stored feed. Times are epoch seconds UTC, 0 unknown.

    `dated` is the content's own date: its newest record, or the date that it states. `imported` is
    when this content came in, `checked` when its address last confirmed that this is still its
    content (0 where it came from a file). `address` is where it came from, without secrets; `etag`
    and `last_modified` are what the server sent with this content.
    `public`: that address is the publisher's own; a mirror may stand still, so its confirmation
    proves nothing about the age of its content.
    `entries` counts usable records, `bad` the unusable ones. `ecosystems` maps canonical names to
    the number of advisories about them. `digest` is that of the whole content. `reading` is the
    number in READINGS by which all of it was read.
    """

    name: str
    kind: FeedKind
    entries: int
    digest: str
    imported: int
    dated: int = 0
    checked: int = 0
    bad: int = 0
    ecosystems: dict[str, int] = {}
    address: str = ""
    etag: str = ""
    last_modified: str = ""
    public: bool = False
    reading: int = 0

    @property
    def outdated(self) -> bool:
        """Whether an older reader has read it, whose results may differ from today's."""
        return self.reading < READINGS.get(self.kind, 0)

    @property
    def current(self) -> int:
        """The last moment for which this content is known to be right."""
        return max(self.dated or self.imported, self.checked if self.public else 0)


class Skipped(Model):
    """A file or folder that is not read: its path as shown to people, and why."""

    place: str
    reason: str


class Stale(StrEnum):
    """What happens to work that would use a feed older than `max_age`."""

    WARN = "warn"
    REFUSE = "refuse"


class FeedAge(Model):
    """A feed with the age that is allowed. `age_s` is the time since it was known to be right,
    negative where that is in the future."""

    feed: FeedInfo
    age_s: int
    max_age_s: int

    @property
    def stale(self) -> bool:
        """Whether it is too old, or so far in the future that its age means nothing."""
        return self.age_s > self.max_age_s or self.age_s < -FUTURE_S


# Clocks differ a little, and a feed may be dated by the day.
FUTURE_S = 86_400


class UpdateOutcome(StrEnum):
    """How an update or import of one feed ended."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class FeedUpdate(Model):
    """The result of an update for one feed. `changed` counts records that an incremental update
    added or changed, `gone` those that it removed; both are 0 where the whole feed was fetched.
    `reason` is one line where it failed; the stored feed stays then."""

    name: str
    outcome: UpdateOutcome
    reason: str = ""
    changed: int = 0
    gone: int = 0
    feed: FeedInfo | None = None


def aged(feed: FeedInfo, max_age_s: int, now_s: int) -> FeedAge:
    """Return the feed with its age at `now_s` and the age that is allowed."""
    return FeedAge(feed=feed, age_s=now_s - feed.current, max_age_s=max_age_s)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A file that was fetched completely. `size` is its size on disk, uncompressed if the transfer
    was compressed."""

    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True)
class NotModified:
    """The server's content has not changed since the given ETag or date."""


class FeedsStatus(Model):
    """The status of all feeds at `as_of`, epoch seconds. `missing`: sources that the fleet needs
    and of which nothing is stored. `uncovered`: its ecosystems that no source or feed covers."""

    as_of: int
    feeds: tuple[FeedAge, ...]
    missing: tuple[str, ...]
    uncovered: tuple[str, ...]


class ShownFeed(Model):
    """A stored feed as programs are shown it. Times are ISO 8601 in UTC, empty where
    unknown: `dated` is that of the content, `imported` when it came in, `checked` when its address
    last confirmed it. `entries` counts usable records, `bad` those that could not be read,
    `ecosystems` the advisories about each release. `address` is empty where it came from a file.
    `age_s` is negative where it is dated in the future. `stale`: too old, or too far in the future.
    `outdated`: an older patchctl has read it in another way."""

    name: str
    kind: FeedKind
    dated: str
    imported: str
    checked: str
    entries: int
    bad: int
    ecosystems: dict[str, int]
    address: str
    digest: str
    age_s: int
    max_age_s: int
    stale: bool
    outdated: bool


class ShownFeedsStatus(Model):
    """What is held, as programs are shown it at `as_of`, ISO 8601 in UTC. `missing`: names of feeds
    that the fleet needs and of which nothing is held. `uncovered`: its releases of which no feed
    speaks."""

    as_of: str
    feeds: tuple[ShownFeed, ...]
    missing: tuple[str, ...]
    uncovered: tuple[str, ...]
