"""Reconcile several records of one advisory: decide which packages each of them counts for.

A record is (feed, id). A repository's updateinfo and OSV publish records with one id, and so do two
repositories, architectures or editions. No record replaces another as a whole: they are compared
package by package, and a package that only one of them lists stays.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from msgspec import structs

from ...models.advisory import Advisory, Affected, FeedKind, NameKind

# Only these are compared: Debian's tracker and changelogs repeat an id for each package and CVE.
_WEIGHED = frozenset({FeedKind.OSV, FeedKind.UPDATEINFO})

_NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})

_DIGITS = re.compile("[0-9]+")
# (kind of name, name, channel), and for updateinfo architecture and line of builds.
_Package = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdvisoryRecord:
    """A record with those of its packages that it counts for. `listed` maps a source package to
    the binaries that a repository's own record lists."""

    feed: str
    kind: FeedKind
    advisory: Advisory
    listed: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NOTHING)

    @property
    def modified(self) -> int:
        """Epoch seconds of the record's own date, 0 where unknown. The feed's date does not tell
        it."""
        return self.advisory.modified or self.advisory.published


def reconcile(
    records: Iterable[tuple[str, FeedKind, Advisory]], arches: Collection[str] = ()
) -> Iterator[AdvisoryRecord]:
    """The records, each with the packages that it counts for; records of one id come together.

    `records` are (feed, kind, advisory); `arches` are the architectures of the fleet.
    """
    weighable = [AdvisoryRecord(feed, kind, advisory) for feed, kind, advisory in records]
    groups: dict[str, list[AdvisoryRecord]] = defaultdict(list)
    for record in weighable:
        if record.kind in _WEIGHED:
            groups[record.advisory.id].append(record)
    feed_arches = _FeedArches(weighable)
    for record in weighable:
        group = groups.get(record.advisory.id, ()) if record.kind in _WEIGHED else ()
        if len(group) < 2 or _of_one_repository(group):
            yield record
        elif record is group[0]:
            yield from _weigh(group, feed_arches, frozenset(arches) - {"", "noarch"})


def _of_one_repository(group: Sequence[AdvisoryRecord]) -> bool:
    """Whether one updateinfo repeats the id, for each version of the advisory (SUSE) or for parts
    of its packages."""
    return len({record.feed for record in group}) == 1 and group[0].kind is FeedKind.UPDATEINFO


class _FeedArches:
    """The architectures that each feed covers. A repository for x86_64 does not say that other
    architectures are not affected."""

    def __init__(self, records: Iterable[AdvisoryRecord]) -> None:
        self._records = records
        self._by_feed: dict[str, set[str]] | None = None

    def by(self, feeds: Iterable[str]) -> frozenset[str]:
        """The architectures that any of these feeds covers."""
        if self._by_feed is None:
            self._by_feed = defaultdict(set)
            for record in self._records:
                if record.kind is FeedKind.UPDATEINFO:
                    self._by_feed[record.feed].update(
                        affected.arch for affected in record.advisory.affected
                    )
        return frozenset().union(*(self._by_feed.get(feed, ()) for feed in feeds))


def _weigh(
    group: Sequence[AdvisoryRecord], feed_arches: _FeedArches, arches: frozenset[str]
) -> Iterator[AdvisoryRecord]:
    """The records of one id, each with the packages that it counts for."""
    own = _newest([record for record in group if record.kind is FeedKind.UPDATEINFO])
    copies = _once([record for record in group if record.kind is FeedKind.OSV])
    if not (own and copies):
        yield from filter(_is_used, (*own, *copies))
        return
    own_records = _RepositoryRecords(own)
    newer = {package for copy in copies for package in own_records.corrected_by(copy)}
    # Each record may name CVEs of the advisory that the other does not.
    cves = tuple(dict.fromkeys(cve for record in (*own, *copies) for cve in record.advisory.cves))
    own = [_without(record, newer) for record in own]
    own_records = _RepositoryRecords(own)
    beside = (
        record for copy in copies for record in _beside(copy, own_records, feed_arches, arches)
    )
    for record in filter(_is_used, (*own, *beside)):
        yield _with_cves(record, cves)


def _newest(records: Sequence[AdvisoryRecord]) -> list[AdvisoryRecord]:
    """Repositories' records with those builds of which no other feed has a newer record."""
    dates: dict[_Package, dict[str, int]] = defaultdict(dict)
    for record in records:
        for affected in record.advisory.affected:
            by_feed = dates[_build(affected)]
            by_feed[record.feed] = max(by_feed.get(record.feed, 0), record.modified)

    def counts(record: AdvisoryRecord, affected: Affected) -> bool:
        by_feed = dates[_build(affected)]
        return by_feed[record.feed] in (0, max(by_feed.values()))

    return [
        _only(
            record, [affected for affected in record.advisory.affected if counts(record, affected)]
        )
        for record in records
    ]


def _once(copies: Sequence[AdvisoryRecord]) -> list[AdvisoryRecord]:
    """OSV's records with those packages of which there is no newer record. Records of one date are
    copies of each other: the first feed's counts."""
    first: dict[_Package, tuple[str, int]] = {}
    for record in sorted(copies, key=lambda record: -record.modified):
        for affected in record.advisory.affected:
            first.setdefault(_package(affected), (record.feed, record.modified))

    def counts(record: AdvisoryRecord, affected: Affected) -> bool:
        return first[_package(affected)] == (record.feed, record.modified)

    return [
        _only(
            record, [affected for affected in record.advisory.affected if counts(record, affected)]
        )
        for record in copies
    ]


class _RepositoryRecords:
    """The statements of repositories' own records of one id on each package."""

    def __init__(self, own: Iterable[AdvisoryRecord]) -> None:
        self.statements: dict[_Package, set[object]] = defaultdict(set)
        self.feeds: dict[_Package, set[str]] = defaultdict(set)
        self.everywhere: set[_Package] = set()
        self.dates: dict[_Package, int] = {}
        self._built: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        self._built_by: dict[str, set[str]] = defaultdict(set)
        for record in own:
            for affected in record.advisory.affected:
                self._add(record, affected)
        # By (channel, source): an advisory of a module or a kernel lists hundreds of packages.
        self._names: dict[tuple[str, str], frozenset[str]] = {}
        self._fixes: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._index()

    def _add(self, record: AdvisoryRecord, affected: Affected) -> None:
        package = _package(affected)
        self.statements[package].add(_statement(record, affected))
        self.feeds[package].add(record.feed)
        self.dates[package] = max(self.dates.get(package, 0), record.modified)
        if not affected.arch:
            self.everywhere.add(package)
        if affected.kind is NameKind.BINARY:
            self._built[affected.channel][affected.name] = (affected.source, affected.fixed)
            self._built_by[affected.channel].add(record.feed)

    def corrected_by(self, copy: AdvisoryRecord) -> set[_Package]:
        """The packages on which the copy is newer and says something else. Where it is only newer,
        the repository's record stays, because it states modules and architectures."""
        return {
            package
            for affected in copy.advisory.affected
            if 0 < self.dates.get(package := _package(affected), 0) < copy.modified
            and _statement(copy, affected) not in self.statements[package]
        }

    def _index(self) -> None:
        names: dict[tuple[str, str], set[str]] = defaultdict(set)
        for channel, built in self._built.items():
            for name, (source, fixed) in built.items():
                names[channel, source].add(name)
                self._fixes[channel, source].add(_bare(fixed))
        self._names = {key: frozenset(binaries) for key, binaries in names.items()}

    def binaries(self, affected: Affected) -> frozenset[str]:
        """The binaries of a source package that the repositories list, none for a binary. A binary
        without a stated source may be from any."""
        if affected.kind is not NameKind.SOURCE:
            return frozenset()
        unstated = self._names.get((affected.channel, ""), frozenset())
        stated = self._names.get((affected.channel, affected.name))
        return stated | unstated if stated else unstated

    def has_fix(self, affected: Affected) -> bool:
        """Whether a binary of this source package is fixed in the version that OSV names. Epochs do
        not count, because a binary may have its own."""
        fixes = self._fixes.get((affected.channel, affected.name))
        return bool(affected.fixed) and (not fixes or _bare(affected.fixed) in fixes)

    def by(self, affected: Affected) -> Collection[str]:
        """The feeds that name the package, or list binaries of it."""
        return self.feeds.get(_package(affected)) or self._built_by.get(affected.channel) or set()


def _beside(
    copy: AdvisoryRecord,
    own_records: _RepositoryRecords,
    feed_arches: _FeedArches,
    arches: frozenset[str],
) -> Iterator[AdvisoryRecord]:
    """The parts of OSV's record that count beside the repositories' own records."""
    plain: list[Affected] = []
    built: list[Affected] = []
    listed: dict[str, frozenset[str]] = {}
    for affected in copy.advisory.affected:
        names = own_records.binaries(affected)
        if _package(affected) in own_records.everywhere:
            continue
        if _package(affected) not in own_records.feeds:
            if not names:
                plain.append(affected)
                continue
            if not own_records.has_fix(affected):
                # OSV names another fix for the source: it counts, and so do the binaries' own.
                plain.append(affected)
                continue
            built.append(affected)
            listed[affected.name] = names
        silent = sorted(arches - feed_arches.by(own_records.by(affected)))
        plain += (structs.replace(affected, arch=arch) for arch in silent)
    yield _only(copy, plain)
    yield replace(_only(copy, built), listed=listed)


def _package(affected: Affected) -> _Package:
    return affected.kind.value, affected.name, affected.channel


def _build(affected: Affected) -> _Package:
    """A package of one architecture and one line of builds: `5.el8`, `5.el8_4`, `5.ksplice1.el8`
    and `5.el8_fips` are in repositories of their own, and none of them corrects another."""
    return (*_package(affected), affected.arch, _DIGITS.sub("", affected.fixed.rpartition("-")[2]))


def _statement(record: AdvisoryRecord, affected: Affected) -> object:
    """What a record says of a package, in a form in which two records can be compared."""
    if record.advisory.withdrawn:
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


def _is_used(record: AdvisoryRecord) -> bool:
    return bool(record.advisory.affected)


def _only(record: AdvisoryRecord, affected: Sequence[Affected]) -> AdvisoryRecord:
    return replace(record, advisory=structs.replace(record.advisory, affected=tuple(affected)))


def _without(record: AdvisoryRecord, packages: Collection[_Package]) -> AdvisoryRecord:
    return _only(
        record,
        [affected for affected in record.advisory.affected if _package(affected) not in packages],
    )


def _with_cves(record: AdvisoryRecord, cves: tuple[str, ...]) -> AdvisoryRecord:
    return replace(record, advisory=structs.replace(record.advisory, cves=cves))
