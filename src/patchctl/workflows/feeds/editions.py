"""Decide whether a file is a newer edition of a stored feed, or another feed.

The content decides, not the name: every repository of a release calls its file `updateinfo.xml`,
and most state the release only. A newer edition has nearly all entries of the stored one, and more;
to replace a feed by another would silently lose advisories. Repositories of one release may share
many: an EUS repository repeats half of the ids of its main stream, and two architectures have their
noarch packages in common.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from ...assessment.feeds import Feed
from ...models.advisory import Advisory, Affected, CveFacts, FeedKind, FeedRecord
from ...models.feeds import FeedInfo
from ..interfaces import FeedStore

# Of the other kinds a fleet has one feed: a second KEV is a newer KEV.
_SEVERAL = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO, FeedKind.CHANGELOG, FeedKind.CVE})
# A newer edition has at least this percentage of the stored entries.
_KEPT = 90
_DIGITS = re.compile("[0-9]+")


def several(kind: FeedKind) -> bool:
    """Whether several feeds of this kind and name can be stored."""
    return kind in _SEVERAL


def name_for(
    feed: Feed, store: FeedStore, taken: Collection[str], say: Callable[[str], None]
) -> str:
    """The name to store the feed under: that of the stored feed of which it is an edition (an older
    edition is refused under that name), else a free one. `taken` are names of feeds that were
    imported with it, which it does not replace. Raises InvalidInputError where the feed cannot be
    read."""
    held = {info.name: info for info in store.list()}
    own = held.get(feed.stem)
    if not several(feed.kind) or (own is not None and own.kind is not feed.kind):
        return feed.name
    pairs = [
        _Pair(feed, new, info, _stored(store, info))
        for info, new in _beside(feed, held)
        if info.name not in taken
    ]
    editions = [pair for pair in pairs if pair.editions]
    if editions:
        return max(editions, key=lambda pair: pair.shared).info.name
    free = _free(feed.stem, {*held, *taken})
    if pairs:
        nearest = max(pairs, key=lambda pair: pair.shared)
        say(f"{free}: no newer edition of {nearest.info.name}: {nearest.why}; both are held")
    return free


@dataclass
class _Content:
    """The content of a feed: hashes of its entries, its ecosystems, the architectures that it names
    (but noarch), and the date of its newest advisory in epoch seconds."""

    entries: set[int] = field(default_factory=set)
    ecosystems: set[str] = field(default_factory=set)
    arches: set[str] = field(default_factory=set)
    newest: int = 0


def _beside(feed: Feed, held: dict[str, FeedInfo]) -> Iterator[tuple[FeedInfo, _Content]]:
    """The stored feeds of this name, with or without a number, each with the new feed's content."""
    numbered = re.compile(rf"{re.escape(feed.stem)}(?:-[0-9]+)?")
    infos = [
        info for name, info in held.items() if info.kind is feed.kind and numbered.fullmatch(name)
    ]
    if not infos:
        return
    read: dict[bool, _Content] = {}
    for info in infos:
        if info.outdated not in read:
            read[info.outdated] = _content(feed.kind, feed.records(), loose=info.outdated)
        new = read[info.outdated]
        # `osv-almalinux-8` is for release 8, and no second `osv-almalinux`.
        if info.name == feed.stem or set(info.ecosystems) == new.ecosystems:
            yield info, new


def _free(stem: str, used: Collection[str]) -> str:
    if stem not in used:
        return stem
    return next(name for number in count(2) if (name := f"{stem}-{number}") not in used)


def _content(kind: FeedKind, records: Iterable[FeedRecord], *, loose: bool) -> _Content:
    """The content of records. `loose`: compare entries without channels and builds, where an older
    patchctl, which knew other channels, has read one of the feeds."""
    content = _Content()
    for record in records:
        if isinstance(record, Advisory):
            _add(content, _plain_entry if loose else _ENTRIES.get(kind, _entry), record)
        elif isinstance(record, CveFacts):
            content.entries.add(hash(record.cve))
    return content


def _stored(store: FeedStore, info: FeedInfo) -> _Content:
    if info.kind is FeedKind.CVE:
        return _Content(entries=set(map(hash, store.cves_of(info.name))))
    return _content(info.kind, store.advisories_of(info.name), loose=info.outdated)


def _add(
    content: _Content, entry: Callable[[Affected], tuple[str, ...]], advisory: Advisory
) -> None:
    content.newest = max(content.newest, advisory.modified, advisory.published)
    for affected in advisory.affected:
        content.entries.add(hash((advisory.id, *entry(affected))))
        content.ecosystems.add(affected.ecosystem)
        if affected.arch:
            content.arches.add(affected.arch)
    if not advisory.affected:
        content.entries.add(hash(advisory.id))


def _plain_entry(affected: Affected) -> tuple[str, ...]:
    return affected.name, affected.arch


def _entry(affected: Affected) -> tuple[str, ...]:
    return *_plain_entry(affected), affected.channel


def _built_entry(affected: Affected) -> tuple[str, ...]:
    """An entry with the line of builds of the fixed version (`5.el9_2` differs from `5.el9`), but
    without its numbers, which a newer edition may correct."""
    return *_entry(affected), _DIGITS.sub("", affected.fixed.rpartition("-")[2])


# How entries of an advisory are compared; only repositories differ in builds.
_ENTRIES = {FeedKind.UPDATEINFO: _built_entry}


class _Pair:
    """A new feed and a stored one."""

    def __init__(self, feed: Feed, new: _Content, info: FeedInfo, held: _Content) -> None:
        self.info = info
        self.shared = len(new.entries & held.entries)
        self._dated = feed.dated or new.newest
        self._new, self._held = new, held

    @property
    def editions(self) -> bool:
        """Whether they are editions of one feed."""
        if self._other_arches:
            return False
        if self.info.kind is FeedKind.CHANGELOG:
            # Packages leave a content store with their plans.
            return self.shared * 2 >= min(len(self._new.entries), len(self._held.entries))
        older = 0 < self._dated < self.info.dated
        return self._most_of(self._held) or (older and self._most_of(self._new))

    def _most_of(self, content: _Content) -> bool:
        return self.shared * 100 >= len(content.entries) * _KEPT

    @property
    def _other_arches(self) -> bool:
        new, held = self._new.arches, self._held.arches
        return bool(new and held) and new.isdisjoint(held)

    @property
    def why(self) -> str:
        """Why they are not editions of one feed, in words: `has 8 of its 14 entries`."""
        if self._other_arches:
            return f"is for {_first_names(self._new.arches)}, not {_first_names(self._held.arches)}"
        return f"has {self.shared} of its {len(self._held.entries)} entries"


def _first_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
