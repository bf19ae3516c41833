"""Is a file the newer edition of a feed that is held, or another one beside it?

Its name cannot tell: every repository of a release calls its file `updateinfo.xml`, and most state
the release only. Its content can. A newer edition has nearly everything that the held one has, and
more; to replace a feed by anything else would lose advisories without a word. Repositories of one
release may share many: an EUS repository repeats half of the ids of its main stream, and two
architectures have their noarch packages in common.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from ...assessment.feeds import Feed
from ...models.advisory import Advisory, Affected, CveFacts, FeedKind, FeedRecord
from ...models.feeds import FeedInfo
from ..interfaces import FeedStore

# Of the others a fleet has one: a second KEV is a newer KEV.
_SEVERAL = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO, FeedKind.CHANGELOG, FeedKind.CVE})
# Of a hundred entries that are held so many are in a newer edition.
_KEPT = 90
_DIGITS = re.compile("[0-9]+")


def several(kind: FeedKind) -> bool:
    """Whether feeds of this kind and name can stand side by side."""
    return kind in _SEVERAL


def settled(
    feed: Feed, store: FeedStore, taken: Collection[str], say: Callable[[str], None]
) -> str:
    """The name under which the feed is to be held: that of the feed of which it is a newer edition,
    or an older one, which is refused under that name; else a free one. `taken` are names of feeds
    that came in with it, which it does not replace. Raises InvalidInputError where the feed cannot
    be read."""
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
    """What a feed has: hashes of its entries, its ecosystems, the architectures that it names
    (noarch is none), and the date of its newest advisory."""

    entries: set[int] = field(default_factory=set)
    ecosystems: set[str] = field(default_factory=set)
    arches: set[str] = field(default_factory=set)
    newest: int = 0


def _beside(feed: Feed, held: dict[str, FeedInfo]) -> Iterator[tuple[FeedInfo, _Content]]:
    """The feeds of this name, with a number or without, each with what the new one has."""
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
        # `osv-almalinux-8` is no second `osv-almalinux`.
        if info.name == feed.stem or set(info.ecosystems) == new.ecosystems:
            yield info, new


def _free(stem: str, used: Collection[str]) -> str:
    if stem not in used:
        return stem
    return next(name for number in count(2) if (name := f"{stem}-{number}") not in used)


def _content(kind: FeedKind, records: Iterable[FeedRecord], *, loose: bool) -> _Content:
    """Entries are `loose` where an older patchctl read one side, which knew other channels."""
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
    """Of the fixed version only the line of builds (`5.el9_2` is not of `5.el9`): a newer edition
    may correct its numbers."""
    return *_entry(affected), _DIGITS.sub("", affected.fixed.rpartition("-")[2])


# What tells one feed's entry of an advisory from another's; only repositories differ in builds.
_ENTRIES = {FeedKind.UPDATEINFO: _built_entry}


class _Pair:
    """A new feed and one that is held."""

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
            # Packages leave a store with their plans.
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
        """Why they are no editions of one feed: `has 8 of its 14 entries`."""
        if self._other_arches:
            return f"is for {_some(self._new.arches)}, not {_some(self._held.arches)}"
        return f"has {self.shared} of its {len(self._held.entries)} entries"


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
