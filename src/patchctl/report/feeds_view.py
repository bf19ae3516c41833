"""Vulnerability data for a person and for scripts. Pure: models to lines and builtins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.feeds import (
    FeedAge,
    FeedInfo,
    FeedsStatus,
    FeedUpdate,
    ShownFeed,
    ShownFeedsStatus,
    UpdateOutcome,
)
from ..models.words import day, some, timestamp
from .view import Note, Part, Table, View, all_notes

HEADER = ("FEED", "KIND", "DATED", "CHECKED", "AGE", "ENTRIES", "SKIPPED", "REMARKS")
UPDATES = ("FEED", "RESULT", "DATED", "ENTRIES", "SKIPPED", "REMARKS")
_DAY = 86_400


def rows(ages: Iterable[FeedAge]) -> list[Sequence[str]]:
    """One row a feed, below HEADER."""
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
    """One row below UPDATES."""
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
    """One result of `feeds update -o json`: what became of the feed, then what is held of it."""
    return {
        "name": update.name,
        "outcome": update.outcome,
        "reason": update.reason,
        "changed": update.changed,
        "gone": update.gone,
        **({} if update.feed is None else _fields(update.feed)),
    }


def status_data(status: FeedsStatus) -> ShownFeedsStatus:
    """`feeds status -o json`."""
    return ShownFeedsStatus(
        as_of=timestamp(status.as_of),
        feeds=tuple(
            ShownFeed(
                **_fields(age.feed),
                age_s=age.age_s,
                max_age_s=age.max_age_s,
                stale=age.stale,
                outdated=age.feed.outdated,
            )
            for age in status.feeds
        ),
        missing=status.missing,
        uncovered=status.uncovered,
    )


def closing(updates: Sequence[FeedUpdate]) -> str:
    """`2 updated, 1 unchanged, 1 failed (what was held stays)`."""
    counts = [
        f"{count} {outcome.value}"
        for outcome in UpdateOutcome
        if (count := sum(update.outcome is outcome for update in updates))
    ]
    failed = any(update.outcome is UpdateOutcome.FAILED for update in updates)
    return (", ".join(counts) or "no feed") + (" (what was held stays)" if failed else "")


def lacks(missing: Sequence[str], uncovered: Sequence[str]) -> list[str]:
    """What the fleet needs and nothing gives."""
    lines = []
    if missing:
        lines.append(f"missing: {', '.join(missing)}; `patchctl feeds update` fetches them")
    if uncovered:
        lines.append(
            f"no feed speaks of {', '.join(uncovered)}; `patchctl feeds update --from-hosts` asks"
            " dnf hosts' repositories, or import their updateinfo"
        )
    return lines


def _fields(feed: FeedInfo) -> dict[str, Any]:
    """What is shown of a stored feed."""
    return {
        "name": feed.name,
        "kind": feed.kind,
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
        """What became of every feed."""
        return {"feeds": [update_data(update) for update in self.updates]}

    def parts(self) -> Iterator[Part]:
        """A row a feed."""
        yield Table(UPDATES, map(update_row, self.updates))
        yield Note(closing(self.updates))


@dataclass(frozen=True)
class FeedsStatusView(View):
    """`feeds status`."""

    status: FeedsStatus

    def data(self) -> ShownFeedsStatus:
        """Every feed with its age, and what is missing."""
        return status_data(self.status)

    def parts(self) -> Iterator[Part]:
        """A row a feed, then what is missing."""
        yield Table(HEADER, rows(self.status.feeds))
        yield from all_notes(lacks(self.status.missing, self.status.uncovered))


@dataclass(frozen=True)
class FeedsRemovedView(View):
    """`feeds remove`."""

    names: Sequence[str]

    def data(self) -> dict[str, Any]:
        """Their names."""
        return {"removed": self.names}

    def parts(self) -> Iterator[Part]:
        """Their names."""
        yield Note(f"removed {', '.join(self.names)}")
