"""Show vulnerability data to people and programs. Pure: models to lines and builtins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.feeds import FeedAge, FeedInfo, FeedsStatus, FeedUpdate, UpdateOutcome
from ..models.words import day, some, timestamp
from .view import Note, Part, Table, View, all_notes

HEADER = ("FEED", "KIND", "DATED", "CHECKED", "AGE", "ENTRIES", "BAD", "REMARKS")
UPDATES = ("FEED", "RESULT", "DATED", "ENTRIES", "BAD", "REMARKS")
_DAY = 86_400


def rows(ages: Iterable[FeedAge]) -> list[Sequence[str]]:
    """Return a row for each feed, for columns HEADER."""
    return [
        (
            age.feed.name,
            age.feed.kind.value,
            _day(age.feed.dated),
            _day(age.feed.checked),
            _age(age.age_s),
            str(age.feed.entries),
            str(age.feed.bad),
            "; ".join(_remarks(age)),
        )
        for age in ages
    ]


def update_row(update: FeedUpdate) -> Sequence[str]:
    """Return a row for columns UPDATES."""
    feed = update.feed
    if feed is None:
        return (update.name, update.outcome.value, "-", "-", "-", "see the error")
    parts = f"{update.changed} changed, {update.gone} gone" if update.changed or update.gone else ""
    return (
        update.name,
        update.outcome.value,
        _day(feed.dated),
        str(feed.entries),
        str(feed.bad),
        parts,
    )


def update_data(update: FeedUpdate) -> dict[str, Any]:
    """Return the data of one feed in `feeds update -o json`."""
    return {
        "name": update.name,
        "outcome": update.outcome.value,
        "reason": update.reason,
        "changed": update.changed,
        "gone": update.gone,
        **({} if update.feed is None else _feed(update.feed)),
    }


def status_data(
    ages: Iterable[FeedAge], missing: Sequence[str], uncovered: Sequence[str], as_of: int
) -> dict[str, Any]:
    """Return the data of `feeds status -o json`."""
    return {
        "as_of": timestamp(as_of),
        "feeds": [
            {
                "name": age.feed.name,
                **_feed(age.feed),
                "age_s": age.age_s,
                "max_age_s": age.max_age_s,
                "stale": age.stale,
                "outdated": age.feed.outdated,
            }
            for age in ages
        ],
        "missing": list(missing),
        "uncovered": list(uncovered),
    }


def closing(updates: Sequence[FeedUpdate]) -> str:
    """Return the last line: `2 updated, 1 unchanged, 1 failed (what was held stays)`."""
    counts = [
        f"{count} {outcome.value}"
        for outcome in UpdateOutcome
        if (count := sum(update.outcome is outcome for update in updates))
    ]
    failed = any(update.outcome is UpdateOutcome.FAILED for update in updates)
    return (", ".join(counts) or "no feed") + (" (what was held stays)" if failed else "")


def lacks(missing: Sequence[str], uncovered: Sequence[str]) -> list[str]:
    """Return the data that the fleet needs and no feed has."""
    lines = []
    if missing:
        lines.append(f"missing: {', '.join(missing)}; `patchctl feeds update` fetches them")
    if uncovered:
        lines.append(
            f"no feed speaks of {', '.join(uncovered)}; `patchctl feeds update --from-hosts` asks"
            " dnf hosts' repositories, or import their updateinfo"
        )
    return lines


def _feed(feed: FeedInfo) -> dict[str, Any]:
    return {
        "kind": feed.kind.value,
        "dated": timestamp(feed.dated),
        "imported": timestamp(feed.imported),
        "checked": timestamp(feed.checked),
        "entries": feed.entries,
        "bad": feed.bad,
        "ecosystems": feed.ecosystems,
        "address": feed.address,
        "digest": feed.digest,
    }


def _day(seconds: int) -> str:
    return day(seconds) if seconds else "-"


def _age(seconds: int) -> str:
    if seconds < 0:
        return "future" if seconds < -_DAY else "0 h"
    return f"{seconds // _DAY} d" if seconds >= 2 * _DAY else f"{seconds // 3600} h"


def _remarks(age: FeedAge) -> Iterable[str]:
    if age.stale:
        yield "stale"
    if age.feed.outdated:
        again = "update" if age.feed.address else "import again"
        yield f"read by an older patchctl: {again}"
    names = list(age.feed.ecosystems)
    if names:
        yield some(names)


@dataclass(frozen=True)
class FeedsUpdateView(View):
    """`feeds update` and `feeds import`."""

    updates: Sequence[FeedUpdate]

    def data(self) -> dict[str, Any]:
        """The result for each feed."""
        return {"feeds": [update_data(update) for update in self.updates]}

    def parts(self) -> Iterator[Part]:
        """A row for each feed."""
        yield Table(UPDATES, map(update_row, self.updates))
        yield Note(closing(self.updates))


@dataclass(frozen=True)
class FeedsStatusView(View):
    """`feeds status`."""

    status: FeedsStatus

    def data(self) -> dict[str, Any]:
        """All feeds with their ages, and what is missing."""
        now = self.status
        return status_data(now.feeds, now.missing, now.uncovered, now.as_of)

    def parts(self) -> Iterator[Part]:
        """A row for each feed, then what is missing."""
        yield Table(HEADER, rows(self.status.feeds))
        yield from all_notes(lacks(self.status.missing, self.status.uncovered))


@dataclass(frozen=True)
class FeedsRemovedView(View):
    """`feeds remove`."""

    names: Sequence[str]

    def data(self) -> dict[str, Any]:
        """The names of the removed feeds."""
        return {"removed": self.names}

    def parts(self) -> Iterator[Part]:
        """The names of the removed feeds."""
        yield Note(f"removed {', '.join(self.names)}")
