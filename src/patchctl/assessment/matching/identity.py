"""Several records of one advisory: what each of them is used for.

An advisory is (feed, id). A repository's updateinfo and OSV publish records of one id, and so do
two repositories, two architectures or two editions. None makes another vanish as a whole: they are
weighed package by package, and what only one of them lists stays.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from msgspec import structs

from ...models.advisory import Advisory, Affected, FeedKind, NameKind

# Ids of Debian's tracker and of changelogs repeat by themselves, one for each package and CVE.
_WEIGHED = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO})

_NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})

# (kind of name, name, channel), and for updateinfo the architecture.
_Package = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """A record with those of its packages for which it counts. `weight` is the kind of feed as
    whose word it counts: OSV's, where it was weighed against a repository's own, counts as much.
    `listed` are, for a source package, the binaries of which the repository's own speaks itself."""

    feed: str
    kind: FeedKind
    advisory: Advisory
    weight: FeedKind
    listed: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NOTHING)

    @property
    def modified(self) -> int:
        """Epoch seconds, 0 unknown. The record's own: a feed's date says nothing of one record."""
        return self.advisory.modified or self.advisory.published


def weigh(
    records: Iterable[tuple[str, FeedKind, Advisory]], arches: Collection[str] = ()
) -> Iterator[Voice]:
    """The records with what they count for; those of one id come together. `arches` are the
    architectures of the fleet."""
    every = [Voice(feed, kind, advisory, kind) for feed, kind, advisory in records]
    groups: dict[str, list[Voice]] = defaultdict(list)
    for voice in every:
        if voice.kind in _WEIGHED:
            groups[voice.advisory.id].append(voice)
    spoken = _Spoken(every)
    for voice in every:
        group = groups.get(voice.advisory.id, ()) if voice.kind in _WEIGHED else ()
        if len(group) < 2 or _of_one_repository(group):
            yield voice
        elif voice is group[0]:
            yield from _together(group, spoken, frozenset(arches) - {"", "noarch"})


def _of_one_repository(group: Sequence[Voice]) -> bool:
    """Updateinfo repeats an id for each version of it (SUSE) or for each part of its packages."""
    return len({voice.feed for voice in group}) == 1 and group[0].kind is FeedKind.UPDATEINFO


class _Spoken:
    """The architectures of which each feed speaks at all: x86_64's repository is silent, and not of
    the opinion that nothing else is affected."""

    def __init__(self, every: Iterable[Voice]) -> None:
        self._every = every
        self._by_feed: dict[str, set[str]] | None = None

    def by(self, feeds: Iterable[str]) -> frozenset[str]:
        """The architectures of which any of these feeds speaks."""
        if self._by_feed is None:
            self._by_feed = defaultdict(set)
            for voice in self._every:
                if voice.kind is FeedKind.UPDATEINFO:
                    self._by_feed[voice.feed].update(one.arch for one in voice.advisory.affected)
        return frozenset().union(*(self._by_feed.get(feed, ()) for feed in feeds))


def _together(group: Sequence[Voice], spoken: _Spoken, arches: frozenset[str]) -> Iterator[Voice]:
    """What each record of one id counts for."""
    own = _newest([voice for voice in group if voice.kind is FeedKind.UPDATEINFO])
    copies = _once([voice for voice in group if voice.kind is FeedKind.OSV])
    if not (own and copies):
        yield from filter(_speaks, (*own, *copies))
        return
    told = _Told(own)
    newer = {package for copy in copies for package in told.corrected_by(copy)}
    # Each may know CVEs of the one advisory that the other does not name.
    cves = tuple(dict.fromkeys(cve for voice in (*own, *copies) for cve in voice.advisory.cves))
    own = [_without(voice, newer) for voice in own]
    told = _Told(own)
    beside = (voice for copy in copies for voice in _beside(copy, told, spoken, arches))
    for voice in filter(_speaks, (*own, *beside)):
        yield _with_cves(voice, cves)


def _newest(voices: Sequence[Voice]) -> list[Voice]:
    """Repositories' records with the packages, by architecture, of which no other feed has a newer
    record."""
    dates: dict[_Package, dict[str, int]] = defaultdict(dict)
    for voice in voices:
        for one in voice.advisory.affected:
            by_feed = dates[_on_arch(one)]
            by_feed[voice.feed] = max(by_feed.get(voice.feed, 0), voice.modified)

    def counts(voice: Voice, one: Affected) -> bool:
        by_feed = dates[_on_arch(one)]
        return by_feed[voice.feed] == max(by_feed.values())

    return [
        _only(voice, [one for one in voice.advisory.affected if counts(voice, one)])
        for voice in voices
    ]


def _once(copies: Sequence[Voice]) -> list[Voice]:
    """OSV's records with the packages of which there is no newer record. Those of one date are
    copies of each other: the first feed's counts."""
    first: dict[_Package, tuple[str, int]] = {}
    for voice in sorted(copies, key=lambda one: -one.modified):
        for one in voice.advisory.affected:
            first.setdefault(_package(one), (voice.feed, voice.modified))

    def counts(voice: Voice, one: Affected) -> bool:
        return first[_package(one)] == (voice.feed, voice.modified)

    return [
        _only(voice, [one for one in voice.advisory.affected if counts(voice, one)])
        for voice in copies
    ]


class _Told:
    """What repositories' own records of one id say of each package."""

    def __init__(self, own: Iterable[Voice]) -> None:
        self.words: dict[_Package, set[object]] = defaultdict(set)
        self.feeds: dict[_Package, set[str]] = defaultdict(set)
        self.everywhere: set[_Package] = set()
        self.dates: dict[_Package, int] = {}
        self._built: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        self._built_by: dict[str, set[str]] = defaultdict(set)
        for voice in own:
            for one in voice.advisory.affected:
                self._add(voice, one)

    def _add(self, voice: Voice, one: Affected) -> None:
        package = _package(one)
        self.words[package].add(_word(voice, one))
        self.feeds[package].add(voice.feed)
        self.dates[package] = max(self.dates.get(package, 0), voice.modified)
        if not one.arch:
            self.everywhere.add(package)
        if one.kind is NameKind.BINARY:
            self._built[one.channel][one.name] = (one.source, one.fixed)
            self._built_by[one.channel].add(voice.feed)

    def corrected_by(self, copy: Voice) -> set[_Package]:
        """The packages of which the copy is newer and says something else. Where it is only newer,
        the repository's word stays: it states modules and architectures, OSV does not."""
        return {
            package
            for one in copy.advisory.affected
            if 0 < self.dates.get(package := _package(one), 0) < copy.modified
            and _word(copy, one) not in self.words[package]
        }

    def binaries(self, one: Affected) -> frozenset[str]:
        """The binaries of a source package that the repositories list, none for a binary."""
        built = self._built.get(one.channel, {}) if one.kind is NameKind.SOURCE else {}
        return frozenset(name for name, (source, _) in built.items() if source in ("", one.name))

    def has_fix(self, one: Affected) -> bool:
        """Whether a binary of this source package is fixed in the version that OSV names, but for
        its epoch, which may be the binary's own."""
        built = self._built.get(one.channel, {}).values()
        fixes = {_bare(fixed) for source, fixed in built if source == one.name}
        return bool(one.fixed) and (not fixes or _bare(one.fixed) in fixes)

    def by(self, one: Affected) -> Collection[str]:
        """The feeds that speak of the package, or list binaries of it."""
        return self.feeds.get(_package(one)) or self._built_by.get(one.channel) or set()


def _beside(copy: Voice, told: _Told, spoken: _Spoken, arches: frozenset[str]) -> Iterator[Voice]:
    """What of OSV's record counts beside the repositories' own."""
    plain: list[Affected] = []
    weighed: list[Affected] = []
    built: list[Affected] = []
    listed: dict[str, frozenset[str]] = {}
    for one in copy.advisory.affected:
        names = told.binaries(one)
        if _package(one) in told.everywhere:
            continue
        if _package(one) not in told.feeds:
            if not names:
                plain.append(one)
                continue
            if not told.has_fix(one):
                # The source's own word: it counts, and so do the lines of its binaries.
                weighed.append(one)
                continue
            built.append(one)
            listed[one.name] = names
        silent = sorted(arches - spoken.by(told.by(one)))
        weighed += (structs.replace(one, arch=arch) for arch in silent)
    yield _only(copy, plain)
    yield replace(_only(copy, weighed), weight=FeedKind.UPDATEINFO)
    yield replace(_only(copy, built), weight=FeedKind.UPDATEINFO, listed=listed)


def _package(one: Affected) -> _Package:
    return one.kind.value, one.name, one.channel


def _on_arch(one: Affected) -> _Package:
    return (*_package(one), one.arch)


def _word(voice: Voice, one: Affected) -> object:
    """What a record says of a package, to tell whether two say the same."""
    if voice.advisory.withdrawn:
        return "withdrawn"
    return one.introduced, _plain(one.fixed), one.last_affected, one.versions, one.status


def _plain(version: str) -> str:
    """Rocky's OSV records write an epoch of 0, updateinfo does not."""
    return version.removeprefix("0:")


def _bare(version: str) -> str:
    return version.rpartition(":")[2]


def _speaks(voice: Voice) -> bool:
    return bool(voice.advisory.affected)


def _only(voice: Voice, affected: Sequence[Affected]) -> Voice:
    return replace(voice, advisory=structs.replace(voice.advisory, affected=tuple(affected)))


def _without(voice: Voice, packages: Collection[_Package]) -> Voice:
    return _only(voice, [one for one in voice.advisory.affected if _package(one) not in packages])


def _with_cves(voice: Voice, cves: tuple[str, ...]) -> Voice:
    return replace(voice, advisory=structs.replace(voice.advisory, cves=cves))
