"""Is a file the newer edition of a feed that is held, or another one beside it?

Its name cannot tell: every repository of a release calls its file `updateinfo.xml`, and most state
the release only. Its content can: editions of one feed share most of their entries, two
repositories share hardly any, for a package lies in one of them.
"""

import re
from collections.abc import Callable, Collection, Iterable
from itertools import count

from ...assessment.feeds import Feed
from ...models.advisory import Advisory, CveFacts, FeedKind, FeedRecord
from ...models.feeds import FeedInfo
from ..interfaces import FeedStore

# Of the others a fleet has one: a second KEV is a newer KEV.
_SEVERAL = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO, FeedKind.CHANGELOG, FeedKind.CVE})


def several(kind: FeedKind) -> bool:
    """Whether feeds of this kind and name can stand side by side."""
    return kind in _SEVERAL


def settled(
    feed: Feed, store: FeedStore, taken: Collection[str], say: Callable[[str], None]
) -> str:
    """The name under which the feed is to be held: that of the feed whose newer edition it is, else
    a free one. `taken` are names of feeds that came in with it, which it does not replace. Raises
    InvalidInputError where the feed cannot be read."""
    held = {info.name: info for info in store.list()}
    own = held.get(feed.stem)
    if not several(feed.kind) or (own is not None and own.kind is not feed.kind):
        return feed.name
    beside = _numbered(feed.stem, held, feed.kind)
    if beside:
        entries, ecosystems = _entries(feed.records())
        for info in beside:
            # `osv-almalinux-8` is no second `osv-almalinux`.
            alike = info.name == feed.stem or set(info.ecosystems) == ecosystems
            if info.name not in taken and alike and _same(entries, store, info):
                return info.name
    free = _free(feed.stem, {*held, *taken})
    if own is not None and feed.stem not in taken:
        say(f"{free}: no newer edition of {feed.stem}, whose entries are others: both are held")
    return free


def _numbered(stem: str, held: dict[str, FeedInfo], kind: FeedKind) -> list[FeedInfo]:
    """The feeds of this name, with a number or without."""
    numbered = re.compile(rf"{re.escape(stem)}(?:-[0-9]+)?")
    return [info for name, info in held.items() if info.kind is kind and numbered.fullmatch(name)]


def _free(stem: str, used: Collection[str]) -> str:
    if stem not in used:
        return stem
    return next(name for number in count(2) if (name := f"{stem}-{number}") not in used)


def _same(entries: set[int], store: FeedStore, info: FeedInfo) -> bool:
    """Whether at least half of the smaller one's entries are in the other."""
    if info.kind is FeedKind.CVE:
        held = set(map(hash, store.cves_of(info.name)))
    else:
        held, _ = _entries(store.advisories_of(info.name))
    return 2 * len(entries & held) >= min(len(entries), len(held))


def _entries(records: Iterable[FeedRecord]) -> tuple[set[int], set[str]]:
    """(hashes of the entries, ecosystems). An advisory of several repositories has other packages
    in each, so its id alone is no entry."""
    entries: set[int] = set()
    ecosystems: set[str] = set()
    for record in records:
        if isinstance(record, Advisory):
            entries.update(
                hash((record.id, affected.name, affected.arch)) for affected in record.affected
            )
            ecosystems.update(affected.ecosystem for affected in record.affected)
            if not record.affected:
                entries.add(hash(record.id))
        elif isinstance(record, CveFacts):
            entries.add(hash(record.cve))
    return entries, ecosystems
