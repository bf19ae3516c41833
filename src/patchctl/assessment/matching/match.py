"""Decide whether an advisory affects an installed package, and why.

Findings and `explain` use the same rule.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ...models.advisory import NameKind, VendorStatus
from ...models.kernel_names import is_deb_source
from ...models.versions import VersionScheme
from ..versions import Key, key, key_function
from . import channels
from .builds import bare, branch, comparable, flavour, head, minor, platform, stem
from .index import ANY_ARCH, HIGHEST_RANK, RANK_OF_A_NOTICE, AffectedEntry, Bucket, EcosystemIndex
from .installed import InstalledPackage
from .kernels import is_companion, is_of_flavours


class Why(StrEnum):
    """The reason of a verdict."""

    OLDER = "older than the fixed version"
    NO_FIX = "no version is fixed"
    IN_RANGE = "within the affected range"
    LISTED = "an affected version by name"
    FIXED = "at or past the fixed version"
    BEFORE = "older than the first affected version"
    PAST = "past the last affected version"
    NOT_LISTED = "not among the affected versions"
    VENDOR = "the vendor says that it is not affected"
    UNDETERMINED = "the vendor has not determined whether it is affected"
    STREAM = "the advisory is for another module stream"
    MODULE = "one of the two is a module build, the other is not"
    ARCH = "the advisory is for another architecture"
    FLAVOUR = "the advisory is for another flavour of the build"
    CHANNEL = "the advisory is for a channel that this build does not come from"
    BINARY = "the advisory does not name this binary package"
    OVERRULED = "a feed with more authority says otherwise"
    SETTLED = "fixed in the line that this build is from"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a package is affected, and why. `fixed` is the fixed version that applies (empty:
    none), `missing_channel` the subscription that the host lacks for the fix (empty: none)."""

    affected: bool
    why: Why
    fixed: str = ""
    missing_channel: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """An advisory that applies to a package, with the CVEs that it counts for. `missing_channel` is
    the subscription that the host lacks for the fix (empty: none)."""

    entry: AffectedEntry
    fixed: str
    why: Why
    missing_channel: str = ""
    cves: tuple[str, ...] = ()

    @property
    def branch(self) -> str:
        """The branch that the fix is for, as in `builds`."""
        return minor(self.fixed) if self.entry.branches else self.entry.branch


@dataclass(frozen=True, slots=True)
class Weighed:
    """All advisories on a package together: those that apply, and CVE -> the entry that shows it
    fixed in this build's line, though another entry has a later fix."""

    hits: tuple[Hit, ...]
    settled: Mapping[str, AffectedEntry]


@dataclass(frozen=True, slots=True)
class Versions:
    """The keys that a package is compared by, made once: without the tag of a module build, and
    `source_bare` also without the epoch. `flavour` as in `builds`."""

    binary: Key
    source: Key
    source_bare: Key
    flavour: str


def versions_of(package: InstalledPackage, scheme: VersionScheme) -> Versions:
    """Keys of a package. Raises InvalidVersionError for an invalid version."""
    binary = comparable(package.version, modular=package.modular)
    source = comparable(package.source_version, modular=package.modular)
    full = key(scheme, source)
    without = key(scheme, bare(source)) if scheme is VersionScheme.RPM else full
    return Versions(key(scheme, binary), full, without, flavour(package.version, scheme))


def match(
    package: InstalledPackage,
    indexes: Sequence[EcosystemIndex],
    reaches: Collection[str],
    cves: frozenset[str] | None = None,
) -> tuple[Hit, ...]:
    """Every advisory that applies to the package; `cves` as for `weigh`. Raises
    InvalidVersionError."""
    return weigh(package, indexes, reaches, cves).hits


def weigh(
    package: InstalledPackage,
    indexes: Sequence[EcosystemIndex],
    reaches: Collection[str],
    cves: frozenset[str] | None = None,
) -> Weighed:
    """Judge all advisories of the indexes on the package, those on one CVE together.

    `reaches` as `Platform.reaches`. `cves`: only advisories with one of these, whose result is the
    same as among all others; None: all. Raises InvalidVersionError.
    """
    indexed_hits: list[tuple[EcosystemIndex, Hit]] = []
    for index in indexes:
        versions = versions_of(package, index.scheme)
        for bucket, joined in _buckets(package, index):
            installed, without_epoch = _installed(package, versions, bucket, index, joined)
            for entry in (*bucket.newer(installed, bare=without_epoch), *bucket.others):
                if joined and package.name in entry.listed:
                    continue
                if cves is not None and cves.isdisjoint(entry.advisory.cves):
                    continue
                verdict = judge_alone(package, versions, entry, index, reaches)
                if verdict.affected:
                    hit = Hit(
                        entry,
                        verdict.fixed,
                        verdict.why,
                        verdict.missing_channel,
                        entry.advisory.cves,
                    )
                    indexed_hits.append((index, hit))
    settled = (
        _settled(package, indexes, reaches, [hit for _, hit in indexed_hits])
        if indexed_hits
        else {}
    )
    counted = (_counted(hit, index, settled) for index, hit in indexed_hits)
    hits = tuple(hit for hit in counted if hit.cves or not hit.entry.advisory.cves)
    return Weighed(hits, settled)


def _counted(hit: Hit, index: EcosystemIndex, settled: Mapping[str, AffectedEntry]) -> Hit:
    """The hit with those of its advisory's CVEs that no other entry decides."""
    if not settled and hit.entry.rank >= index.highest_rank:
        return hit
    left = tuple(
        cve for cve in hit.cves if cve not in settled and not outranked(hit.entry, cve, index)
    )
    return hit if len(left) == len(hit.cves) else replace(hit, cves=left)


def judge_alone(
    package: InstalledPackage,
    versions: Versions,
    entry: AffectedEntry,
    index: EcosystemIndex,
    reaches: Collection[str],
) -> Verdict:
    """The verdict of the entry alone on the package, on a host with these channels."""
    verdict = judge(package, versions, entry)
    if not verdict.affected:
        return verdict
    channel = entry.affected.channel
    own = index.extras.of(entry.affected.name, package, reaches)
    missing = channels.missing(channel, package, versions.flavour, reaches)
    if missing is None or (own is not None and channel not in own):
        return Verdict(False, Why.CHANNEL, verdict.fixed)
    return replace(verdict, missing_channel=missing) if missing else verdict


def outranked(entry: AffectedEntry, cve: str, index: EcosystemIndex) -> bool:
    """Whether a feed with more authority has an entry on the CVE in the same package."""
    return index.authority.get((entry.topic, cve), 0) > entry.rank


# --- advisories on one CVE, weighed against each other ------------------------------------------


def _settled(
    package: InstalledPackage,
    indexes: Sequence[EcosystemIndex],
    reaches: Collection[str],
    hits: Sequence[Hit],
) -> Mapping[str, AffectedEntry]:
    """CVE of a hit -> the entry that shows it fixed in the package's line of updates.

    Red Hat fixed CVE-2022-38177 in 9.11.36-3.el8_6.1 for everybody and in 9.11.26-4.el8_4.1 for EUS
    8.4, so a host with the second version has the fix. So has a host with the first version where a
    branch got the fix in a later one. Where the package's own line has a later fix of the same CVE,
    that fix counts; so does an entry without a fix that was changed after the notice of the fix.
    """
    settled: dict[str, AffectedEntry] = {}
    reopened = {
        cve: hit.entry.advisory.modified
        for hit in sorted(hits, key=lambda hit: hit.entry.advisory.modified)
        if hit.why is Why.NO_FIX
        for cve in hit.cves
    }
    for line in _lines(package, indexes, reaches):
        others = [hit for hit in hits if not line.has(hit)]
        asked = {cve for hit in others for cve in hit.cves}
        if len(others) < len(hits) and asked:
            asked -= {cve for hit in hits if line.has(hit) for cve in hit.cves}
        if not asked:
            continue
        for index in indexes:
            versions = versions_of(package, index.scheme)
            for entry in _in_what_is_installed(package, versions, index):
                about = asked.intersection(entry.advisory.cves)
                about = {cve for cve in about if reopened.get(cve, 0) <= entry.advisory.modified}
                if about and line.fixes(entry) and judge(package, versions, entry).why is Why.FIXED:
                    for cve in about:
                        settled.setdefault(cve, entry)
    return settled


@dataclass(frozen=True)
class _Line:
    """The line of updates that a build gets: those of its `branches`, or with `plain` those for
    everybody. `tagged`: the build's own version names the branch."""

    branches: Collection[str] = ()
    plain: bool = False
    tagged: bool = False

    def has(self, hit: Hit) -> bool:
        """Whether a hit is of this line. An entry without a fix does not count, because it may be
        older than the notice of the fix; one of the tracker does."""
        entry = hit.entry
        if hit.why is Why.NO_FIX and entry.introduced is None and entry.rank < HIGHEST_RANK:
            return False
        if self.plain:
            channel = hit.entry.affected.channel
            return not channel or channels.is_extra(channel)
        return hit.branch in self.branches

    def fixes(self, entry: AffectedEntry) -> bool:
        """Whether an installed fix is one of this line."""
        if entry.rank < RANK_OF_A_NOTICE:
            return False
        if self.plain:
            # Some builds that only Ubuntu Pro delivers do not have `esm` in the version.
            return not entry.affected.channel or (
                channels.family(entry.affected.channel) == "esm"
                and not branch(entry.affected.fixed, VersionScheme.DEB)
            )
        if not self.tagged and minor(entry.affected.fixed):
            return False
        if entry.branches:
            return any(name in self.branches for _, name, _ in entry.branches)
        return entry.branch in self.branches


def _lines(
    package: InstalledPackage, indexes: Sequence[EcosystemIndex], reaches: Collection[str]
) -> Iterator[_Line]:
    """The line of the build's own tag; without one, the plain line and those of the host's
    channels."""
    tag = branch(package.version, indexes[0].scheme) if indexes else ""
    if tag:
        yield _Line({tag}, tagged=True)
        return
    yield _Line(plain=True)
    own = {channel.partition(".")[2] for channel in reaches if channel.startswith("minor:")}
    own |= channels.SUSE_CHANNELS.intersection(reaches)
    if own:
        yield _Line(own)


def _in_what_is_installed(
    package: InstalledPackage, versions: Versions, index: EcosystemIndex
) -> Iterator[AffectedEntry]:
    for bucket, joined in _buckets(package, index):
        installed, without_epoch = _installed(package, versions, bucket, index, joined)
        for entry in (*bucket.older(installed, bare=without_epoch), *bucket.others):
            if not (joined and package.name in entry.listed):
                yield entry


def entries_of(package: InstalledPackage, index: EcosystemIndex) -> Iterator[AffectedEntry]:
    """Every entry on the package, whether it applies or not."""
    for bucket, joined in _buckets(package, index):
        for entry in bucket.all():
            if not (joined and package.name in entry.listed):
                yield entry


def flavour_is_known(package: InstalledPackage, index: EcosystemIndex) -> bool:
    """Whether the index has an advisory on the package's flavour; true for the plain one.
    Advisories on plain builds do not concern other flavours, which are unknown without their own.
    """
    own = flavour(package.version, index.scheme)
    return not own or any(entry.flavour == own for entry in entries_of(package, index))


def _buckets(package: InstalledPackage, index: EcosystemIndex) -> Iterator[tuple[Bucket, bool]]:
    for buckets, name, joined in (
        (index.sources, package.source, False),
        (index.binaries, package.name, False),
        (index.joined, package.source, True),
    ):
        bucket = buckets.get(name)
        if bucket is not None:
            yield bucket, joined


def _installed(
    package: InstalledPackage,
    versions: Versions,
    bucket: Bucket,
    index: EcosystemIndex,
    joined: bool,
) -> tuple[Key, bool]:
    """The key to compare a bucket's fixes with, and whether to compare without epochs."""
    if joined:
        return versions.source_bare, True
    if bucket is index.binaries.get(package.name):
        return versions.binary, False
    return (versions.source_bare, True) if package.borrowed else (versions.source, False)


def judge(package: InstalledPackage, versions: Versions, entry: AffectedEntry) -> Verdict:
    """Whether the entry applies to the package, and why. Channels of the host do not count here."""
    affected = entry.affected
    # A package of any or unknown architecture may be built for a certain one in the new version.
    if entry.arches and package.arch not in entry.arches | ANY_ARCH:
        return Verdict(False, Why.ARCH)
    if affected.fixed and entry.flavour != versions.flavour:
        return Verdict(False, Why.FLAVOUR)
    if entry.listed and not is_of_flavours(package.name, entry.listed):
        return Verdict(False, Why.FLAVOUR)
    if (affected.kind is NameKind.SOURCE or entry.listed) and is_companion(package):
        return Verdict(False, Why.BINARY)
    # A kernel's images may be signed by another source, and be listed with that.
    if (
        entry.binaries
        and not is_deb_source(package.source)
        and stem(package.name) not in entry.binaries
        # An inventory that states no source may mean the source by its name.
        and not (package.sourceless and package.name == affected.name)
    ):
        return Verdict(False, Why.BINARY)
    if affected.fixed and entry.modular != package.modular:
        return Verdict(False, Why.MODULE)
    if entry.modular and not _same_stream(package, entry):
        return Verdict(False, Why.STREAM)
    if affected.status is VendorStatus.NOT_AFFECTED:
        return Verdict(False, Why.VENDOR)
    if affected.status is VendorStatus.UNDETERMINED:
        return Verdict(False, Why.UNDETERMINED)
    return _by_version(package, versions, entry)


def _same_stream(package: InstalledPackage, entry: AffectedEntry) -> bool:
    if package.streams and entry.streams:
        return not package.streams.isdisjoint(entry.streams)
    # One of the two streams is unknown: only versions of one major release can be compared.
    return _major(package.version) == _major(entry.affected.fixed)


def _major(version: str) -> str:
    return bare(version).partition(".")[0].partition("-")[0]


def _by_version(package: InstalledPackage, versions: Versions, entry: AffectedEntry) -> Verdict:
    fixed = entry.affected.fixed
    if entry.listed:
        newer = entry.bare is not None and versions.source_bare < entry.bare
        newer = newer and not _built_later(package, entry)
        return Verdict(newer, Why.OLDER if newer else Why.FIXED, fixed)
    by_source = entry.affected.kind is NameKind.SOURCE
    installed = versions.source if by_source else versions.binary
    if entry.introduced is not None and installed < entry.introduced:
        return Verdict(False, Why.BEFORE)
    if entry.branches:
        return _by_branch(package, installed, entry)
    if entry.versions:
        named = (package.source_version if by_source else package.version) in entry.versions
        return Verdict(named, Why.LISTED if named else Why.NOT_LISTED, fixed)
    if entry.fixed is not None:
        if by_source and package.borrowed and entry.bare is not None:
            older = versions.source_bare < entry.bare
        else:
            older = installed < entry.fixed
        older = older and not _built_later(package, entry)
        return Verdict(older, Why.OLDER if older else Why.FIXED, fixed)
    if entry.last is not None:
        past = installed > entry.last
        return Verdict(not past, Why.PAST if past else Why.IN_RANGE)
    return Verdict(True, Why.NO_FIX)


def _built_later(package: InstalledPackage, entry: AffectedEntry) -> bool:
    """Whether the package and a fix are module builds of one version-release for one platform, and
    the package is not the earlier build. A later build has the fix, though a counter after the
    fix's tag may sort above it (bind-dyndb-ldap 11.6-5.module_el8.10.0+3980+d78e8e90 came after
    +3844+20e075e5.alma.2)."""
    if not package.modular:
        return False
    by_source = entry.affected.kind is NameKind.SOURCE or bool(entry.listed)
    # Only a source's version may lack its epoch; without one a binary's is 0.
    normalised = bare if by_source and package.borrowed else _without_zero
    installed = normalised(package.source_version if by_source else package.version)
    builds = map(normalised, entry.builds)
    alike = [fix for fix in builds if head(fix) == head(installed)]
    built_for = platform(installed)
    fixes = [fix for fix in alike if platform(fix) == built_for] or alike
    order = key_function(VersionScheme.RPM)
    return bool(fixes) and order(installed) >= max(map(order, fixes))


def _without_zero(version: str) -> str:
    return version.removeprefix("0:")


def _by_branch(package: InstalledPackage, installed: Key, entry: AffectedEntry) -> Verdict:
    """Judge by several fixes of one name, one for each minor release. All newer versions have a
    plain `.el8` fix; a `.el8_4` fix is only in that branch, and in versions past every fix."""
    own = minor(package.version)
    if _built_later(package, entry):
        return Verdict(False, Why.FIXED, entry.affected.fixed)
    for fixed_key, of_minor, fixed in entry.branches:
        if installed >= fixed_key and of_minor in ("", own):
            return Verdict(False, Why.FIXED, fixed)
    last_key, _, last = entry.branches[-1]
    if installed >= last_key:
        return Verdict(False, Why.FIXED, last)
    ahead = [fix for fix in entry.branches if fix[0] > installed]
    same = [fix for fix in ahead if fix[1] == own]
    return Verdict(True, Why.OLDER, (same or ahead)[0][2])
