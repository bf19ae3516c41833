"""Several records of one advisory: what each of them is used for.

A record is (feed, id). A repository's updateinfo and OSV publish records of one id, and so do
two repositories, two architectures or two editions. None makes another vanish as a whole: they are
weighed package by package, and what only one of them lists stays.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from msgspec import structs

from ...models.advisory import Advisory, Affected, FeedKind, NameKind

# Ids of Debian's tracker and of changelogs repeat by themselves, one for each package and CVE.
_WEIGHED = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO})

_NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})

_DIGITS = re.compile("[0-9]+")
# (kind of name, name, channel), and for updateinfo architecture and line of builds.
_Package = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """A record with those of its packages for which it counts. `listed` are, for a source
    package, the binaries of which a repository's own record speaks itself."""

    feed: str
    kind: FeedKind
    advisory: Advisory
    listed: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NOTHING)

    @property
    def modified(self) -> int:
        """Epoch seconds, 0 unknown. The record's own: a feed's date says nothing of one record."""
        return self.advisory.modified or self.advisory.published


def reconcile(
    records: Iterable[tuple[str, FeedKind, Advisory]], arches: Collection[str] = ()
) -> Iterator[Voice]:
    """The records with what they count for; those of one id come together. `arches` are the
    architectures of the fleet."""
    every = [Voice(feed, kind, advisory) for feed, kind, advisory in records]
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
                    self._by_feed[voice.feed].update(
                        affected.arch for affected in voice.advisory.affected
                    )
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
    """Repositories' records with the builds of which no other feed has a newer record."""
    dates: dict[_Package, dict[str, int]] = defaultdict(dict)
    for voice in voices:
        for affected in voice.advisory.affected:
            by_feed = dates[_build(affected)]
            by_feed[voice.feed] = max(by_feed.get(voice.feed, 0), voice.modified)

    def counts(voice: Voice, affected: Affected) -> bool:
        by_feed = dates[_build(affected)]
        return by_feed[voice.feed] in (0, max(by_feed.values()))

    return [
        _only(voice, [affected for affected in voice.advisory.affected if counts(voice, affected)])
        for voice in voices
    ]


def _once(copies: Sequence[Voice]) -> list[Voice]:
    """OSV's records with the packages of which there is no newer record. Those of one date are
    copies of each other: the first feed's counts."""
    first: dict[_Package, tuple[str, int]] = {}
    for voice in sorted(copies, key=lambda voice: -voice.modified):
        for affected in voice.advisory.affected:
            first.setdefault(_package(affected), (voice.feed, voice.modified))

    def counts(voice: Voice, affected: Affected) -> bool:
        return first[_package(affected)] == (voice.feed, voice.modified)

    return [
        _only(voice, [affected for affected in voice.advisory.affected if counts(voice, affected)])
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
            for affected in voice.advisory.affected:
                self._add(voice, affected)
        # By (channel, source): an advisory of a module or a kernel lists hundreds of packages.
        self._names: dict[tuple[str, str], frozenset[str]] = {}
        self._fixes: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._index()

    def _add(self, voice: Voice, affected: Affected) -> None:
        package = _package(affected)
        self.words[package].add(_word(voice, affected))
        self.feeds[package].add(voice.feed)
        self.dates[package] = max(self.dates.get(package, 0), voice.modified)
        if not affected.arch:
            self.everywhere.add(package)
        if affected.kind is NameKind.BINARY:
            self._built[affected.channel][affected.name] = (affected.source, affected.fixed)
            self._built_by[affected.channel].add(voice.feed)

    def corrected_by(self, copy: Voice) -> set[_Package]:
        """The packages of which the copy is newer and says something else. Where it is only newer,
        the repository's word stays: it states modules and architectures, OSV does not."""
        return {
            package
            for affected in copy.advisory.affected
            if 0 < self.dates.get(package := _package(affected), 0) < copy.modified
            and _word(copy, affected) not in self.words[package]
        }

    def _index(self) -> None:
        names: dict[tuple[str, str], set[str]] = defaultdict(set)
        for channel, built in self._built.items():
            for name, (source, fixed) in built.items():
                names[channel, source].add(name)
                self._fixes[channel, source].add(_bare(fixed))
        self._names = {key: frozenset(some) for key, some in names.items()}

    def binaries(self, affected: Affected) -> frozenset[str]:
        """The binaries of a source package that the repositories list, none for a binary. Those
        that state no source may be of any."""
        if affected.kind is not NameKind.SOURCE:
            return frozenset()
        unstated = self._names.get((affected.channel, ""), frozenset())
        stated = self._names.get((affected.channel, affected.name))
        return stated | unstated if stated else unstated

    def has_fix(self, affected: Affected) -> bool:
        """Whether a binary of this source package is fixed in the version that OSV names, but for
        its epoch, which may be the binary's own."""
        fixes = self._fixes.get((affected.channel, affected.name))
        return bool(affected.fixed) and (not fixes or _bare(affected.fixed) in fixes)

    def by(self, affected: Affected) -> Collection[str]:
        """The feeds that speak of the package, or list binaries of it."""
        return self.feeds.get(_package(affected)) or self._built_by.get(affected.channel) or set()


def _beside(copy: Voice, told: _Told, spoken: _Spoken, arches: frozenset[str]) -> Iterator[Voice]:
    """What of OSV's record counts beside the repositories' own."""
    plain: list[Affected] = []
    built: list[Affected] = []
    listed: dict[str, frozenset[str]] = {}
    for affected in copy.advisory.affected:
        names = told.binaries(affected)
        if _package(affected) in told.everywhere:
            continue
        if _package(affected) not in told.feeds:
            if not names:
                plain.append(affected)
                continue
            if not told.has_fix(affected):
                # The source's own word: it counts, and so do the lines of its binaries.
                plain.append(affected)
                continue
            built.append(affected)
            listed[affected.name] = names
        silent = sorted(arches - spoken.by(told.by(affected)))
        plain += (structs.replace(affected, arch=arch) for arch in silent)
    yield _only(copy, plain)
    yield replace(_only(copy, built), listed=listed)


def _package(affected: Affected) -> _Package:
    return affected.kind.value, affected.name, affected.channel


def _build(affected: Affected) -> _Package:
    """A package of one architecture and of one line of builds: `5.el8`, `5.el8_4`, `5.ksplice1.el8`
    and `5.el8_fips` lie in repositories of their own, and none of them corrects another."""
    return (*_package(affected), affected.arch, _DIGITS.sub("", affected.fixed.rpartition("-")[2]))


def _word(voice: Voice, affected: Affected) -> object:
    """What a record says of a package, to tell whether two say the same."""
    if voice.advisory.withdrawn:
        return "withdrawn"
    return (
        affected.introduced,
        _plain(affected.fixed),
        affected.last_affected,
        affected.versions,
        affected.status,
    )


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
    return _only(
        voice,
        [affected for affected in voice.advisory.affected if _package(affected) not in packages],
    )


def _with_cves(voice: Voice, cves: tuple[str, ...]) -> Voice:
    return replace(voice, advisory=structs.replace(voice.advisory, cves=cves))
