"""Is this installed package affected by that advisory, and why: one rule, for findings and for
`explain` alike."""

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
    """What decided."""

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
    """`affected` with the fixed version that applies (empty: none), and what decided.
    `missing_channel` is the subscription that the host lacks for the fix."""

    affected: bool
    why: Why
    fixed: str = ""
    missing_channel: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """An advisory that applies to a unit, with the CVEs for which it counts. `missing_channel` is
    the subscription that delivers the fix where the host does not have it."""

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
    """All advisories on a unit together: what applies, and by CVE the entry that settles it for
    this build though another one has a later fix."""

    hits: tuple[Hit, ...]
    settled: Mapping[str, AffectedEntry]


@dataclass(frozen=True, slots=True)
class Versions:
    """What a unit is compared by, made once: its versions as keys, without the tag of a module's
    build, `source_bare` without the epoch too; and its flavour."""

    binary: Key
    source: Key
    source_bare: Key
    flavour: str


def versions_of(unit: InstalledPackage, scheme: VersionScheme) -> Versions:
    """Keys of a unit. Raises InvalidVersionError where a version is none."""
    binary = comparable(unit.version, modular=unit.modular)
    source = comparable(unit.source_version, modular=unit.modular)
    full = key(scheme, source)
    without = key(scheme, bare(source)) if scheme is VersionScheme.RPM else full
    return Versions(key(scheme, binary), full, without, flavour(unit.version, scheme))


def match(
    unit: InstalledPackage, indexes: Sequence[EcosystemIndex], reaches: Collection[str]
) -> tuple[Hit, ...]:
    """Every advisory that applies to the unit. Raises InvalidVersionError."""
    return weigh(unit, indexes, reaches).hits


def weigh(
    unit: InstalledPackage, indexes: Sequence[EcosystemIndex], reaches: Collection[str]
) -> Weighed:
    """What all advisories of the indexes say of the unit, those on one CVE judged together.

    `reaches` as `Platform.reaches`. Raises InvalidVersionError.
    """
    found: list[tuple[EcosystemIndex, Hit]] = []
    for index in indexes:
        versions = versions_of(unit, index.scheme)
        for bucket, joined in _buckets(unit, index):
            installed, without_epoch = _installed(unit, versions, bucket, index, joined)
            for entry in (*bucket.newer(installed, bare=without_epoch), *bucket.others):
                if joined and unit.name in entry.listed:
                    continue
                verdict = judge_alone(unit, versions, entry, index, reaches)
                if verdict.affected:
                    hit = Hit(
                        entry,
                        verdict.fixed,
                        verdict.why,
                        verdict.missing_channel,
                        entry.advisory.cves,
                    )
                    found.append((index, hit))
    settled = _settled(unit, indexes, reaches, [hit for _, hit in found]) if found else {}
    counted = (_counted(hit, index, settled) for index, hit in found)
    hits = tuple(hit for hit in counted if hit.cves or not hit.entry.advisory.cves)
    return Weighed(hits, settled)


def _counted(hit: Hit, index: EcosystemIndex, settled: Mapping[str, AffectedEntry]) -> Hit:
    """The hit with those of its advisory's CVEs that nothing else decides."""
    if not settled and hit.entry.rank >= index.highest_rank:
        return hit
    left = tuple(
        cve for cve in hit.cves if cve not in settled and not outranked(hit.entry, cve, index)
    )
    return hit if len(left) == len(hit.cves) else replace(hit, cves=left)


def judge_alone(
    unit: InstalledPackage,
    versions: Versions,
    entry: AffectedEntry,
    index: EcosystemIndex,
    reaches: Collection[str],
) -> Verdict:
    """What the entry alone says of the unit on a host with these channels."""
    verdict = judge(unit, versions, entry)
    if not verdict.affected:
        return verdict
    channel = entry.affected.channel
    own = index.extras.of(entry.affected.name, unit, reaches)
    missing = channels.missing(channel, unit, versions.flavour, reaches)
    if missing is None or (own is not None and channel not in own):
        return Verdict(False, Why.CHANNEL, verdict.fixed)
    return replace(verdict, missing_channel=missing) if missing else verdict


def outranked(entry: AffectedEntry, cve: str, index: EcosystemIndex) -> bool:
    """Whether a feed with more authority speaks of the CVE in the same package."""
    return index.authority.get((entry.topic, cve), 0) > entry.rank


# --- advisories on one CVE, weighed against each other ------------------------------------------


def _settled(
    unit: InstalledPackage,
    indexes: Sequence[EcosystemIndex],
    reaches: Collection[str],
    hits: Sequence[Hit],
) -> Mapping[str, AffectedEntry]:
    """The CVEs of hits that are fixed in the line that the unit is from, with the entry that says
    so.

    Red Hat fixed CVE-2022-38177 in 9.11.36-3.el8_6.1 for everybody and in 9.11.26-4.el8_4.1 for EUS
    8.4: who has the second has the fix. The same is true of who has the first where a branch fixed
    it later. Where the own line has a later fix of the same CVE, that one counts; so does an entry
    without a fix that was changed after the notice of the fix.
    """
    settled: dict[str, AffectedEntry] = {}
    reopened = {
        cve: hit.entry.advisory.modified
        for hit in sorted(hits, key=lambda hit: hit.entry.advisory.modified)
        if hit.why is Why.NO_FIX
        for cve in hit.cves
    }
    for line in _lines(unit, indexes, reaches):
        others = [hit for hit in hits if not line.has(hit)]
        asked = {cve for hit in others for cve in hit.cves}
        if len(others) < len(hits) and asked:
            asked -= {cve for hit in hits if line.has(hit) for cve in hit.cves}
        if not asked:
            continue
        for index in indexes:
            versions = versions_of(unit, index.scheme)
            for entry in _in_what_is_installed(unit, versions, index):
                about = asked.intersection(entry.advisory.cves)
                about = {cve for cve in about if reopened.get(cve, 0) <= entry.advisory.modified}
                if about and line.fixes(entry) and judge(unit, versions, entry).why is Why.FIXED:
                    for cve in about:
                        settled.setdefault(cve, entry)
    return settled


@dataclass(frozen=True)
class _Line:
    """The updates that a build gets: those of its `branches`, or with `plain` those for everybody,
    which say nothing against a branch's later fix for a build of that branch."""

    branches: Collection[str] = ()
    plain: bool = False
    tagged: bool = False

    def has(self, hit: Hit) -> bool:
        """Whether what applies is of this line. An entry of a CVE that is open still may be older
        than the notice of its fix, but for the tracker's own."""
        entry = hit.entry
        if hit.why is Why.NO_FIX and entry.introduced is None and entry.rank < HIGHEST_RANK:
            return False
        if self.plain:
            channel = hit.entry.affected.channel
            return not channel or channels.is_extra(channel)
        return hit.branch in self.branches

    def fixes(self, entry: AffectedEntry) -> bool:
        """Whether a fix that is installed is one of this line."""
        if entry.rank < RANK_OF_A_NOTICE:
            return False
        if self.plain:
            # Not all that only Ubuntu Pro brings has its word in the version.
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
    unit: InstalledPackage, indexes: Sequence[EcosystemIndex], reaches: Collection[str]
) -> Iterator[_Line]:
    """By the build's own tag, else what everybody gets and what the host draws from besides."""
    tag = branch(unit.version, indexes[0].scheme) if indexes else ""
    if tag:
        yield _Line({tag}, tagged=True)
        return
    yield _Line(plain=True)
    own = {one.partition(".")[2] for one in reaches if one.startswith("minor:")}
    own |= channels.SUSE_CHANNELS.intersection(reaches)
    if own:
        yield _Line(own)


def _in_what_is_installed(
    unit: InstalledPackage, versions: Versions, index: EcosystemIndex
) -> Iterator[AffectedEntry]:
    for bucket, joined in _buckets(unit, index):
        installed, without_epoch = _installed(unit, versions, bucket, index, joined)
        for entry in (*bucket.older(installed, bare=without_epoch), *bucket.others):
            if not (joined and unit.name in entry.listed):
                yield entry


def entries_of(unit: InstalledPackage, index: EcosystemIndex) -> Iterator[AffectedEntry]:
    """Every entry that speaks of the unit, whether it applies or not."""
    for bucket, joined in _buckets(unit, index):
        for entry in bucket.all():
            if not (joined and unit.name in entry.listed):
                yield entry


def flavour_is_known(unit: InstalledPackage, index: EcosystemIndex) -> bool:
    """Whether an advisory on the unit's flavour is there, where it is not the plain one: plain
    advisories say nothing of it, so without others nothing is known."""
    own = flavour(unit.version, index.scheme)
    return not own or any(entry.flavour == own for entry in entries_of(unit, index))


def _buckets(unit: InstalledPackage, index: EcosystemIndex) -> Iterator[tuple[Bucket, bool]]:
    for buckets, name, joined in (
        (index.sources, unit.source, False),
        (index.binaries, unit.name, False),
        (index.joined, unit.source, True),
    ):
        bucket = buckets.get(name)
        if bucket is not None:
            yield bucket, joined


def _installed(
    unit: InstalledPackage, versions: Versions, bucket: Bucket, index: EcosystemIndex, joined: bool
) -> tuple[Key, bool]:
    """What of the unit a bucket's fixes are compared with, and whether without their epochs."""
    if joined:
        return versions.source_bare, True
    if bucket is index.binaries.get(unit.name):
        return versions.binary, False
    return (versions.source_bare, True) if unit.borrowed else (versions.source, False)


def judge(unit: InstalledPackage, versions: Versions, entry: AffectedEntry) -> Verdict:
    """Whether the entry applies to the unit, and what decided."""
    affected = entry.affected
    # What is installed for any architecture, or for none that is known, may be built for one now.
    if entry.arches and unit.arch not in entry.arches | ANY_ARCH:
        return Verdict(False, Why.ARCH)
    if affected.fixed and entry.flavour != versions.flavour:
        return Verdict(False, Why.FLAVOUR)
    if entry.listed and not is_of_flavours(unit.name, entry.listed):
        return Verdict(False, Why.FLAVOUR)
    if (affected.kind is NameKind.SOURCE or entry.listed) and is_companion(unit):
        return Verdict(False, Why.BINARY)
    # A kernel's images may be signed by a source of their own, and be listed with that.
    if (
        entry.binaries
        and not is_deb_source(unit.source)
        and stem(unit.name) not in entry.binaries
        # An inventory that states no source may mean the source by its name.
        and not (unit.sourceless and unit.name == affected.name)
    ):
        return Verdict(False, Why.BINARY)
    if affected.fixed and entry.modular != unit.modular:
        return Verdict(False, Why.MODULE)
    if entry.modular and not _same_stream(unit, entry):
        return Verdict(False, Why.STREAM)
    if affected.status is VendorStatus.NOT_AFFECTED:
        return Verdict(False, Why.VENDOR)
    if affected.status is VendorStatus.UNDETERMINED:
        return Verdict(False, Why.UNDETERMINED)
    return _by_version(unit, versions, entry)


def _same_stream(unit: InstalledPackage, entry: AffectedEntry) -> bool:
    if unit.streams and entry.streams:
        return not unit.streams.isdisjoint(entry.streams)
    # One of the two is unknown: only versions of one major release are comparable.
    return _major(unit.version) == _major(entry.affected.fixed)


def _major(version: str) -> str:
    return bare(version).partition(".")[0].partition("-")[0]


def _by_version(unit: InstalledPackage, versions: Versions, entry: AffectedEntry) -> Verdict:
    fixed = entry.affected.fixed
    if entry.listed:
        newer = entry.bare is not None and versions.source_bare < entry.bare
        newer = newer and not _built_later(unit, entry)
        return Verdict(newer, Why.OLDER if newer else Why.FIXED, fixed)
    by_source = entry.affected.kind is NameKind.SOURCE
    installed = versions.source if by_source else versions.binary
    if entry.introduced is not None and installed < entry.introduced:
        return Verdict(False, Why.BEFORE)
    if entry.branches:
        return _by_branch(unit, installed, entry)
    if entry.versions:
        named = (unit.source_version if by_source else unit.version) in entry.versions
        return Verdict(named, Why.LISTED if named else Why.NOT_LISTED, fixed)
    if entry.fixed is not None:
        if by_source and unit.borrowed and entry.bare is not None:
            older = versions.source_bare < entry.bare
        else:
            older = installed < entry.fixed
        older = older and not _built_later(unit, entry)
        return Verdict(older, Why.OLDER if older else Why.FIXED, fixed)
    if entry.last is not None:
        past = installed > entry.last
        return Verdict(not past, Why.PAST if past else Why.IN_RANGE)
    return Verdict(True, Why.NO_FIX)


def _built_later(unit: InstalledPackage, entry: AffectedEntry) -> bool:
    """Whether the unit and a fix are module builds of one version-release for one platform, and the
    unit's is not the earlier one: a later build has what the fix has, though a counter behind the
    fix's tag sorts above it. (bind-dyndb-ldap 11.6-5.module_el8.10.0+3980+d78e8e90 came after
    +3844+20e075e5.alma.2.)"""
    if not unit.modular:
        return False
    by_source = entry.affected.kind is NameKind.SOURCE or bool(entry.listed)
    # Only a source's version may lack its epoch; without one a binary's is 0.
    shown = bare if by_source and unit.borrowed else _without_zero
    installed = shown(unit.source_version if by_source else unit.version)
    builds = map(shown, entry.builds)
    alike = [fix for fix in builds if head(fix) == head(installed)]
    built_for = platform(installed)
    fixes = [fix for fix in alike if platform(fix) == built_for] or alike
    order = key_function(VersionScheme.RPM)
    return bool(fixes) and order(installed) >= max(map(order, fixes))


def _without_zero(version: str) -> str:
    return version.removeprefix("0:")


def _by_branch(unit: InstalledPackage, installed: Key, entry: AffectedEntry) -> Verdict:
    """Several fixes of one name: one for each minor release. A plain `.el8` fix is in everything
    newer; one of `.el8_4` only in that branch, and in what is past every fix."""
    own = minor(unit.version)
    if _built_later(unit, entry):
        return Verdict(False, Why.FIXED, entry.affected.fixed)
    for fixed_key, of_minor, fixed in entry.branches:
        if installed >= fixed_key and of_minor in ("", own):
            return Verdict(False, Why.FIXED, fixed)
    last_key, _, last = entry.branches[-1]
    if installed >= last_key:
        return Verdict(False, Why.FIXED, last)
    ahead = [one for one in entry.branches if one[0] > installed]
    same = [one for one in ahead if one[1] == own]
    return Verdict(True, Why.OLDER, (same or ahead)[0][2])
