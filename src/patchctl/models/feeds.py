"""What is known of the feeds that are held: how old, how large, from where."""

from dataclasses import dataclass
from enum import StrEnum

from .advisory import FeedKind
from .base import Model, Record

# Names stand in file names, settings and on the command line.
FEED_NAME = "[a-z0-9][a-z0-9.-]{0,99}"

# How the readers read feeds of a kind today; 0 of those that are not listed, and of feeds that were
# stored before this was noted. Raise a kind's number whenever its reader says something else of the
# same bytes (another channel, range, status, name): a stored feed keeps the old reading, and an
# incremental update or a 304 would leave it so for ever.
READINGS = {FeedKind.OSV: 1, FeedKind.DEBIAN_TRACKER: 1, FeedKind.UPDATEINFO: 1}


class FeedInfo(Record):
    """One feed that is held. Times are epoch seconds UTC, 0 unknown.

    `dated` is the content's own date: its newest record, or what it says of itself. `imported` is
    when this content came in, `checked` when its address last said that this is still its content
    (0 where it came from a file). `address` is where it came from, without secrets; `etag` and
    `last_modified` are the server's words for this content.
    `public`: that address is the publisher's own; a mirror may stand still, so what it says now
    proves nothing about the age of its content.
    `entries` counts usable records, `bad` the unusable ones. `ecosystems` maps canonical names to
    how many advisories speak of them. `digest` is that of the whole content. `reading` is the
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
        """Was it read by an older patchctl, in a way that is not today's?"""
        return self.reading < READINGS.get(self.kind, 0)

    @property
    def current(self) -> int:
        """The last moment for which this content is known to be right."""
        return max(self.dated or self.imported, self.checked if self.public else 0)


class Skipped(Model):
    """Something at a path that is not read: its place as shown to people, and why."""

    place: str
    reason: str


class Stale(StrEnum):
    """What becomes of work that would use a feed older than `max_age`."""

    WARN = "warn"
    REFUSE = "refuse"


class FeedAge(Model):
    """A feed beside the age that is allowed. `age_s` is how long ago it was known to be right,
    negative where it comes from the future."""

    feed: FeedInfo
    age_s: int
    max_age_s: int

    @property
    def stale(self) -> bool:
        """Is it too old, or from a future that makes its age mean nothing?"""
        return self.age_s > self.max_age_s or self.age_s < -FUTURE_S


# Clocks differ a little, and a feed may be dated by the day.
FUTURE_S = 86_400


class UpdateOutcome(StrEnum):
    """How an update or import of one feed ended."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class FeedUpdate(Model):
    """One feed's part of an update. `changed` counts records that an incremental update brought,
    `gone` those that it took away; both 0 where the feed came whole. `reason` is one line where it
    failed; what was held before is held still then."""

    name: str
    outcome: UpdateOutcome
    reason: str = ""
    changed: int = 0
    gone: int = 0
    feed: FeedInfo | None = None


def aged(feed: FeedInfo, max_age_s: int, now_s: int) -> FeedAge:
    """The feed beside the age that is allowed."""
    return FeedAge(feed=feed, age_s=now_s - feed.current, max_age_s=max_age_s)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A file that came whole. `size` as it lies on disk, after any transfer compression."""

    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True)
class NotModified:
    """The server still has what the given ETag or date stands for."""


class FeedsStatus(Model):
    """At `as_of`, epoch seconds. `missing`: sources that the fleet needs and of which nothing is
    held. `uncovered`: its ecosystems that neither a source nor a held feed speaks of."""

    as_of: int
    feeds: tuple[FeedAge, ...]
    missing: tuple[str, ...]
    uncovered: tuple[str, ...]
