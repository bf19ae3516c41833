"""Index the advisories of one ecosystem, so that those on an installed package are found fast.

For each name the fixes are sorted by precomputed version keys; entries without a single fixed
version are in a list beside them. A lookup costs a bisect and the advisories that apply.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from operator import itemgetter

from msgspec import Struct, structs

from ...models.advisory import Advisory, Affected, FeedKind, NameKind, VendorStatus
from ...models.kernel_names import is_rpm_part, is_rpm_source, rpm_source_of
from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, Key, key_function
from . import channels, identity, modules
from .builds import bare, branch, comparable, flavour, head, is_modular, minor, stem

# Which feed counts where feeds differ on a package and CVE: the distribution's tracker, then its
# entry for the CVE, then its advisory in any format, then the changelog of the package.
HIGHEST_RANK, _RANK_OF_A_CVE, RANK_OF_A_NOTICE = 4, 3, 2
RANK = {
    FeedKind.DEBIAN_TRACKER: HIGHEST_RANK,
    FeedKind.UPDATEINFO: RANK_OF_A_NOTICE,
    FeedKind.OSV: RANK_OF_A_NOTICE,
    FeedKind.CHANGELOG: 1,
}
_DIGITS = "0123456789"
_PER_CVE = re.compile(r"(?:DEBIAN-|UBUNTU-|ALPINE-)?CVE-")
ANY_ARCH = frozenset({"", "noarch", "all"})
_WHOLE_FEEDS = {FeedKind.DEBIAN_TRACKER, FeedKind.UPDATEINFO, FeedKind.OSV}


# A struct, since a feed has tens of thousands and a frozen dataclass takes three times as long to
# make.
class AffectedEntry(Struct, frozen=True, eq=False):
    """What one advisory says of one package name.

    `branches` are (key, minor release, fixed) where the advisory has several fixes of the name,
    smallest first. `builds` are all fixes where they are module builds. `bare` is `fixed` without
    its epoch. `listed` are the names that the advisory lists itself, for entries that were joined
    by source. `binaries` are `stem`s. `arches` is empty where all architectures are meant.
    `flavour` and `branch` are those of the fix, as in `builds`.
    """

    advisory: Advisory
    affected: Affected
    rank: int
    feed: str
    fixed: Key | None = None
    bare: Key | None = None
    introduced: Key | None = None
    last: Key | None = None
    versions: frozenset[str] = frozenset()
    arches: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    modular: bool = False
    binaries: frozenset[str] = frozenset()
    branches: tuple[tuple[Key, str, str], ...] = ()
    listed: frozenset[str] = frozenset()
    builds: tuple[str, ...] = ()
    flavour: str = ""
    branch: str = ""

    @property
    def topic(self) -> object:
        """What the entry is about; entries of different channels, flavours or kinds of build are
        about different things."""
        affected = self.affected
        if affected.channel or self.flavour or self.modular:
            return affected.name, affected.channel, self.flavour, self.modular
        return affected.name


@dataclass(slots=True)
class Bucket:
    """Entries of one name: `fixes` are sorted by `keys`, `others` must be judged one by one.

    `bare` are the same fixes sorted without their epochs, for versions whose epoch is not known.
    """

    keys: list[Key] = field(default_factory=list)
    fixes: list[AffectedEntry] = field(default_factory=list)
    others: list[AffectedEntry] = field(default_factory=list)
    bare_keys: list[Key] = field(default_factory=list)
    bare: list[AffectedEntry] = field(default_factory=list)

    def newer(self, installed: Key, *, bare: bool) -> list[AffectedEntry]:
        """Entries whose fix is newer than the installed version."""
        keys, entries = (self.bare_keys, self.bare) if bare else (self.keys, self.fixes)
        return entries[bisect_right(keys, installed) :]

    def older(self, installed: Key, *, bare: bool) -> list[AffectedEntry]:
        """Entries whose fix the installed version has."""
        keys, entries = (self.bare_keys, self.bare) if bare else (self.keys, self.fixes)
        return entries[: bisect_right(keys, installed)]

    def all(self) -> list[AffectedEntry]:
        """Every entry."""
        return [*self.fixes, *self.others]

    def swap(self, old: AffectedEntry, new: AffectedEntry) -> None:
        """Replace an entry by another."""
        entries = self.fixes if old in self.fixes else self.others
        entries[entries.index(old)] = new

    def sort(self) -> None:
        """Sort the fixes for `newer` and `older`."""
        full = sorted(_keyed((entry.fixed, entry) for entry in self.fixes), key=itemgetter(0))
        self.keys, self.fixes = [key for key, _ in full], [entry for _, entry in full]
        bare = sorted(_keyed((entry.bare, entry) for entry in self.fixes), key=itemgetter(0))
        self.bare_keys, self.bare = [key for key, _ in bare], [entry for _, entry in bare]


class EcosystemIndex:
    """All advisories of one ecosystem. `problems` counts ranges with invalid versions."""

    def __init__(self, ecosystem: str, scheme: VersionScheme) -> None:
        self.ecosystem = ecosystem
        self.scheme = scheme
        self.problems = 0
        self.advisories = 0
        self.guide = modules.ModuleStreams()
        self.sources: dict[str, Bucket] = defaultdict(Bucket)
        self.binaries: dict[str, Bucket] = defaultdict(Bucket)
        self.joined: dict[str, Bucket] = defaultdict(Bucket)
        self.extras = channels.Extras()
        self._has_suites = ecosystem.startswith("Debian:")
        self._has_extras = ecosystem.startswith("Amazon Linux:")
        # By source: the newest version that the release has, and all of its versions, where a feed
        # tells them; and the newest version that fixes an advisory.
        self.current: dict[str, str] = {}
        self.has: dict[str, set[str]] = defaultdict(set)
        self._fixes: dict[str, str] = {}
        self.highest_rank = 0
        self.authority: dict[tuple[object, str], int] = {}
        self.built: dict[str, set[str]] = defaultdict(set)
        self._whole = False
        # Debian's tracker names every release that has a package; OSV only those affected.
        self.tracked = False
        self._only: Collection[str] | None = None
        # All binaries of an advisory have one version, and a source's advisories have few.
        self._key = cache(key_function(scheme))
        self._flavour = cache(partial(flavour, scheme=scheme))
        self._branch = cache(partial(branch, scheme=scheme))

    def covers(self, source: str) -> bool:
        """Whether a feed covers this source. A changelog covers its own package only."""
        asked_for = self._only is None or source in self._only
        return (self._whole and asked_for) or source in self.sources

    def newest(self, source: str) -> str:
        """The newest version of a source that the release is known to have, empty if none is."""
        return self.current.get(source) or self._fixes.get(source, "")

    def source_of(self, binary: str) -> str:
        """The source that the feed names for a binary package, empty where it names none or
        several. SUSE lists all binaries of an advisory with each of its sources."""
        sources = self.built.get(binary) or self.built.get(stem(binary)) or set()
        if len(sources) > 1:
            sources = {source for source in sources if binary.startswith(source)}
        return max(sources, key=len, default="")

    @classmethod
    def build(
        cls,
        ecosystem: str,
        scheme: VersionScheme,
        advisories: Iterable[tuple[str, FeedKind, Advisory]],
        sources_of: Mapping[str, frozenset[str]],
        arches: Collection[str] = (),
        only: Collection[str] | None = None,
    ) -> "EcosystemIndex":
        """Index (feed, kind, advisory) records.

        `sources_of` maps a binary's name to the sources that it is built from in the fleet,
        `arches` are the architectures of the fleet. `only` are the names to index; None: all.
        """
        index = cls(ecosystem, scheme)
        index._only = only
        # A repository's updateinfo states modules and architectures, the OSV copy does not.
        ranked = sorted(
            advisories,
            key=lambda record: (-RANK.get(record[1], 0), record[1] is not FeedKind.UPDATEINFO),
        )
        for record in identity.reconcile(ranked, arches):
            index._add(record, sources_of)
        index._name_streams()
        for buckets in (index.sources, index.binaries, index.joined):
            for bucket in buckets.values():
                bucket.sort()
        return index

    def _add(
        self, record: identity.AdvisoryRecord, sources_of: Mapping[str, frozenset[str]]
    ) -> None:
        feed, kind, advisory = record.feed, record.kind, record.advisory
        if advisory.withdrawn or advisory.live_patch:
            return
        self._whole = self._whole or kind in _WHOLE_FEEDS
        self.tracked = self.tracked or kind is FeedKind.DEBIAN_TRACKER
        self.advisories += 1
        rank = RANK.get(kind, 0)
        if kind is FeedKind.OSV and _PER_CVE.match(advisory.id):
            rank = _RANK_OF_A_CVE
        titled = modules.in_title(advisory.title)
        groups: dict[tuple[object, ...], list[Affected]] = defaultdict(list)
        for affected in advisory.affected:
            if self._only is not None and affected.name not in self._only:
                continue
            groups[
                affected.kind, affected.name, affected.channel, affected.module,
                affected.introduced, affected.last_affected, affected.versions,
                affected.status, affected.binaries,
                bool(affected.fixed), is_modular(affected.fixed),
                self._flavour(affected.fixed),
            ].append(affected)  # fmt: skip
        listed: dict[str, list[AffectedEntry]] = {}
        for members in chain.from_iterable(map(_by_arch, groups.values())):
            entry = self._entry(feed, rank, advisory, members, titled)
            if entry is None:
                self.problems += 1
                continue
            if entry.affected.name in record.listed:
                # Its updateinfo judges the binaries that it lists itself.
                joined = _joined(entry, record.listed[entry.affected.name])
                _put(self.joined[entry.affected.name], joined)
                continue
            self._file(entry)
            if entry.affected.kind is NameKind.BINARY:
                listed.setdefault(entry.affected.name, []).append(entry)
        if listed:
            self._join(advisory, listed, sources_of)

    def _name_streams(self) -> None:
        """Find the streams of modular advisories whose titles name none, from other advisories."""
        open_entries: dict[str, list[tuple[Bucket, AffectedEntry]]] = defaultdict(list)
        for buckets in (self.sources, self.binaries, self.joined):
            for bucket in buckets.values():
                for entry in bucket.all():
                    if entry.modular and not entry.streams:
                        open_entries[entry.advisory.id].append((bucket, entry))
        for entries in open_entries.values():
            choices = {
                entry: self.guide.candidates(entry.affected.name, entry.affected.fixed)
                for _, entry in entries
            }
            winners = modules.elect(choices.values())
            for bucket, entry in entries:
                bucket.swap(entry, structs.replace(entry, streams=choices[entry] & winners))

    def _entry(
        self,
        feed: str,
        rank: int,
        advisory: Advisory,
        members: list[Affected],
        titled: frozenset[str],
    ) -> AffectedEntry | None:
        first = members[0]
        modular = bool(first.module) or is_modular(first.fixed)
        stated = frozenset({first.module}) if ":" in first.module else titled
        try:
            fixes = {
                (self._key(comparable(member.fixed, modular=modular)), member.fixed)
                for member in members
                if member.fixed
            }
            introduced = self._key(first.introduced) if first.introduced else None
            last = self._key(first.last_affected) if first.last_affected else None
            # Rebuilds for several minor releases differ in the tag only: the lowest one first.
            ordered = sorted(fixes, key=lambda fix: (fix[0], self._key(fix[1])))
            no_epoch = self._bare_key(ordered[0][1], modular) if ordered else None
        except InvalidVersionError:
            return None
        if modular:
            for _, fixed in fixes:
                self.guide.learn(first.name, fixed, stated)
        distinct = {key for key, _ in ordered}
        arches = frozenset(member.arch for member in members)
        return AffectedEntry(
            advisory=advisory,
            affected=first if len(ordered) < 2 else _with_fix(first, ordered[0][1]),
            rank=rank,
            feed=feed,
            fixed=ordered[0][0] if ordered else None,
            bare=no_epoch,
            introduced=introduced,
            last=last,
            versions=frozenset(first.versions),
            arches=frozenset() if arches & ANY_ARCH else arches,
            streams=stated if modular else frozenset(),
            modular=modular,
            binaries=frozenset(map(stem, first.binaries)),
            branches=tuple((key, minor(fixed), fixed) for key, fixed in ordered)
            if len(distinct) > 1
            else (),
            builds=tuple(fixed for _, fixed in ordered) if modular else (),
            flavour=self._flavour(first.fixed),
            branch=channels.family(first.channel) or self._branch(first.fixed),
        )

    def _bare_key(self, fixed: str, modular: bool) -> Key:
        return self._key(bare(comparable(fixed, modular=modular)))

    def _file(self, entry: AffectedEntry) -> None:
        affected = entry.affected
        buckets = self.sources if affected.kind is NameKind.SOURCE else self.binaries
        for binary in affected.binaries:
            self.built[binary].add(affected.name)
            self.built[stem(binary)].add(affected.name)
        _put(buckets[affected.name], entry)
        if self._has_extras:
            self.extras.learn(affected.name, affected.channel, affected.fixed)
        if self._has_suites:
            for version in affected.in_release:
                self._note(self.current, affected.name, version)
                self.has[affected.name].add(version)
            self._note(self._fixes, affected.name, affected.fixed)
        topic = entry.topic
        self.highest_rank = max(self.highest_rank, entry.rank)
        for cve in entry.advisory.cves:
            subject = (topic, cve)
            if self.authority.get(subject, 0) < entry.rank:
                self.authority[subject] = entry.rank

    def _note(self, newest: dict[str, str], name: str, version: str) -> None:
        known = newest.get(name, "")
        if version in ("", known):
            return
        with suppress(InvalidVersionError):
            if not known or self._key(known) < self._key(version):
                newest[name] = version

    def _join(
        self,
        advisory: Advisory,
        listed: Mapping[str, list[AffectedEntry]],
        sources_of: Mapping[str, frozenset[str]],
    ) -> None:
        """Apply fixes of listed binaries to all binaries of the same source, which are as
        vulnerable: some AlmaLinux advisories leave binaries out (ALSA-2022:0896 has glibc-static,
        but not glibc)."""
        names = frozenset(listed)
        fixes = {entry.affected.fixed for entries in listed.values() for entry in entries}
        uniform = len({bare(head(fixed)) for fixed in fixes if fixed}) == 1
        done: set[tuple[str, str]] = set()
        foreign = cache(lambda source: _is_of_another_kernel(source, names, sources_of))
        titled = _titled(advisory.title, names)
        for name, entries in listed.items():
            for entry in entries:
                if not entry.affected.fixed:
                    continue
                stated = {entry.affected.source} if entry.affected.source else set()
                sources = stated or set(sources_of.get(name, ()))
                if not stated and titled and (uniform or name == titled):
                    sources.add(titled)
                for source in sources:
                    if foreign(source):
                        continue
                    # The binary may have its own version; only where it has the source's name, or
                    # all have one version, does it tell the source's version.
                    if source != name and not uniform:
                        continue
                    fix = (source, entry.affected.fixed)
                    if fix not in done:
                        done.add(fix)
                        _put(self.joined[source], _joined(entry, names))


def _is_of_another_kernel(
    source: str, names: Collection[str], sources_of: Mapping[str, frozenset[str]]
) -> bool:
    """Whether an advisory that lists these names is for another kernel than the one built from the
    source. ELSA-2024-12169 lists bpftool beside kernel-uek; it does not concern Red Hat's kernel,
    though a bpftool is built from that too."""
    if not is_rpm_source(source):
        return False
    kernels = [name for name in names if is_rpm_part(name)]
    return bool(kernels) and not any(
        source == rpm_source_of(kernel) or source in sources_of.get(kernel, ())
        for kernel in kernels
    )


# A title that names one package, the source: `Moderate: glibc security update`.
_ONE_PACKAGE = re.compile(
    r"(?:[A-Z][a-z]+: )?([A-Za-z0-9][A-Za-z0-9_.+-]*)(?::\S+)? (?:security|bug)\b"
)


def _by_arch(members: list[Affected]) -> Iterator[list[Affected]]:
    """The members together, or split by architecture where architectures have different fixes:
    ELSA-2022-4803 was built again for aarch64 alone."""
    fixes: dict[str, set[str]] = defaultdict(set)
    for affected in members:
        fixes[affected.arch].add(affected.fixed)
    if len(set(map(frozenset, fixes.values()))) < 2 or not ANY_ARCH.isdisjoint(fixes):
        yield members
        return
    for arch in fixes:
        yield [affected for affected in members if affected.arch == arch]


def _titled(title: str, names: Collection[str]) -> str:
    """The source that a title names, empty where it names none. The title of ALSA-2024:4243 says
    `python3`, but it lists python3.12 only, which is another source than EL8's python3."""
    match = _ONE_PACKAGE.match(title)
    if match is None:
        return ""
    name = match[1]
    own = any(binary == name or binary.startswith(f"{name}-") for binary in names)
    return "" if not own and any(_is_numbered(binary, name) for binary in names) else name


def _is_numbered(binary: str, name: str) -> bool:
    """Is it the name with a number, as python3.12 is of python3?"""
    number = binary[len(name) :].removeprefix(".")[:1]
    return binary.startswith(name) and number in _DIGITS and number != ""


def _keyed(pairs: Iterable[tuple[Key | None, AffectedEntry]]) -> list[tuple[Key, AffectedEntry]]:
    return [(key, entry) for key, entry in pairs if key is not None]


def _put(bucket: Bucket, entry: AffectedEntry) -> None:
    simple = (
        entry.fixed is not None
        and not (entry.branches or entry.versions)
        and entry.affected.status in (VendorStatus.AFFECTED, VendorStatus.DEFERRED)
    )
    (bucket.fixes if simple else bucket.others).append(entry)


def _with_fix(affected: Affected, fixed: str) -> Affected:
    return structs.replace(affected, fixed=fixed)


def _joined(entry: AffectedEntry, listed: frozenset[str]) -> AffectedEntry:
    return structs.replace(entry, listed=listed)
