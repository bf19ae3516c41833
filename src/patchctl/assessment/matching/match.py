"""Is this installed package affected by that advisory, and why: one rule, for findings and for
`explain` alike."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ...models.advisory import NameKind, VendorStatus
from ...models.kernel_names import is_deb_source
from ...models.versions import VersionScheme
from ..versions import Key, key, key_function
from . import streams
from .index import Bucket, EcosystemIndex, Entry, bare, comparable, minor, stem
from .kernels import is_companion
from .units import Unit


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
    BINARY = "the advisory does not name this binary package"
    OVERRULED = "a feed with more authority says otherwise"


_SERIES = re.compile(r"[0-9]+(?:\.[0-9]+)*$")
_OF_A_MINOR = {"eus", "aus", "tus", "e4s"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`affected` with the fixed version that applies (empty: none), and what decided."""

    affected: bool
    why: Why
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """An advisory that applies to a unit. `missing_channel` is the subscription that delivers the
    fix where the host does not have it."""

    entry: Entry
    fixed: str
    why: Why
    missing_channel: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """A unit's versions as keys, made once. `base` and `bare` leave out the module's build tag and
    the epoch."""

    binary: Key
    source: Key
    source_bare: Key


def versions_of(unit: Unit, scheme: VersionScheme) -> Versions:
    """Keys of a unit. Raises InvalidVersionError where a version is none."""
    binary = comparable(unit.version, modular=unit.modular)
    source = comparable(unit.source_version, modular=unit.modular)
    full = key(scheme, source)
    without = key(scheme, bare(source)) if scheme is VersionScheme.RPM else full
    return Versions(key(scheme, binary), full, without)


def match(unit: Unit, index: EcosystemIndex, channels: Collection[str]) -> tuple[Hit, ...]:
    """Every advisory that applies to the unit. Raises InvalidVersionError."""
    versions = versions_of(unit, index.scheme)
    found: list[Hit] = []
    for bucket, joined in _buckets(unit, index):
        without_epoch = joined or (unit.borrowed and bucket is index.sources.get(unit.source))
        installed = _installed(unit, versions, bucket, index, joined)
        candidates = bucket.newer(installed, bare=without_epoch)
        for entry in (*candidates, *bucket.others):
            if joined and unit.name in entry.listed:
                continue
            verdict = judge(unit, versions, entry)
            if not verdict.affected or overruled(entry, index):
                continue
            missing = entry.affected.channel
            if (
                missing in channels
                or _is_own_minor(missing, unit, channels)
                or _is_own_extra(missing, unit)
            ):
                missing = ""
            elif missing and not _tells_of_subscription(missing):
                continue
            found.append(Hit(entry, verdict.fixed, verdict.why, missing))
    return tuple(found)


def entries_of(unit: Unit, index: EcosystemIndex) -> Iterator[Entry]:
    """Every entry that speaks of the unit, whether it applies or not."""
    for bucket, joined in _buckets(unit, index):
        for entry in bucket.all():
            if not (joined and unit.name in entry.listed):
                yield entry


def _buckets(unit: Unit, index: EcosystemIndex) -> Iterator[tuple[Bucket, bool]]:
    for buckets, name, joined in (
        (index.sources, unit.source, False),
        (index.binaries, unit.name, False),
        (index.joined, unit.source, True),
    ):
        bucket = buckets.get(name)
        if bucket is not None:
            yield bucket, joined


def _installed(
    unit: Unit, versions: Versions, bucket: Bucket, index: EcosystemIndex, joined: bool
) -> Key:
    if joined:
        return versions.source_bare
    if bucket is index.binaries.get(unit.name):
        return versions.binary
    return versions.source_bare if unit.borrowed else versions.source


def _tells_of_subscription(channel: str) -> bool:
    """Ubuntu's ESM and Red Hat's ELS fix what stays open without them; Red Hat's EUS fixes what the
    next minor release fixes for everybody."""
    return channel.startswith(("esm", "elts"))


def _is_own_minor(channel: str, unit: Unit, channels: Collection[str]) -> bool:
    """Whether a fix for one minor release (`eus:9.2`) speaks of this very build: what is older in
    the same branch is as vulnerable without the subscription, and the next minor release has the
    fix for everybody. `channels` has `minor:9.2` for the host's own."""
    kind, _, number = channel.partition(":")
    if kind not in _OF_A_MINOR:
        return False
    return f"minor:{number}" in channels or (
        minor(unit.version) == number.partition(".")[2] and minor(unit.version) != ""
    )


def overruled(entry: Entry, index: EcosystemIndex) -> bool:
    """Whether for every CVE of the entry a feed with more authority speaks of the package."""
    cves = entry.advisory.cves
    return bool(cves) and all(
        index.authority.get((entry.affected.name, cve), 0) > entry.rank for cve in cves
    )


def _is_own_extra(channel: str, unit: Unit) -> bool:
    """Whether the unit's version is of the series that one of Amazon's extras brings: kernel 5.15
    is of `extra:kernel-5.15`, kernel 4.14 is the core's. An extra without a number is the only one
    to have its packages."""
    kind, _, name = channel.partition(":")
    if kind != "extra":
        return False
    series = _SERIES.search(name)
    version = bare(unit.version)
    return series is None or version.startswith((f"{series[0]}.", f"{series[0]}-"))


def judge(unit: Unit, versions: Versions, entry: Entry) -> Verdict:
    """Whether the entry applies to the unit, and what decided."""
    affected = entry.affected
    if entry.arches and unit.arch not in entry.arches:
        return Verdict(False, Why.ARCH)
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


def _same_stream(unit: Unit, entry: Entry) -> bool:
    if unit.streams and entry.streams:
        return not unit.streams.isdisjoint(entry.streams)
    # One of the two is unknown: only versions of one major release are comparable.
    return _major(unit.version) == _major(entry.affected.fixed)


def _major(version: str) -> str:
    return bare(version).partition(".")[0].partition("-")[0]


def _by_version(unit: Unit, versions: Versions, entry: Entry) -> Verdict:
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


def _built_later(unit: Unit, entry: Entry) -> bool:
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
    alike = [fix for fix in builds if streams.head(fix) == streams.head(installed)]
    platform = streams.platform(installed)
    fixes = [fix for fix in alike if streams.platform(fix) == platform] or alike
    order = key_function(VersionScheme.RPM)
    return bool(fixes) and order(installed) >= max(map(order, fixes))


def _without_zero(version: str) -> str:
    return version.removeprefix("0:")


def _by_branch(unit: Unit, installed: Key, entry: Entry) -> Verdict:
    """Several fixes of one name: one for each minor release. A plain `.el8` fix is in everything
    newer; one of `.el8_4` only in that branch, and in what is past every fix."""
    own = minor(unit.version)
    if _built_later(unit, entry):
        return Verdict(False, Why.FIXED, entry.affected.fixed)
    for fixed_key, branch, fixed in entry.branches:
        if installed >= fixed_key and branch in ("", own):
            return Verdict(False, Why.FIXED, fixed)
    last_key, _, last = entry.branches[-1]
    if installed >= last_key:
        return Verdict(False, Why.FIXED, last)
    ahead = [one for one in entry.branches if one[0] > installed]
    same = [one for one in ahead if one[1] == own]
    return Verdict(True, Why.OLDER, (same or ahead)[0][2])
