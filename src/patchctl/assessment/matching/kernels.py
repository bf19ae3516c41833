"""Kernels: several are installed, one runs, and that one decides."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import compress
from operator import not_

from ...models.kernel_names import is_deb_part, is_deb_source, is_rpm_part, is_rpm_source
from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, Key, key
from .builds import bare
from .installed import InstalledPackage, PackageTable, PerPackage

_RUNNING_RPM = re.compile(r"(.+?)\.(?:x86_64|aarch64|ppc64le|s390x|i[3-6]86)(?:\+(.+))?")


_UBUNTU_IMAGE = re.compile(
    r"linux-(?:image|modules|modules-extra)-(?:unsigned-)?[0-9][0-9.]*-[0-9]+-([a-z][a-z0-9-]*)"
)


@dataclass(frozen=True)
class Kernels:
    """A host's units without those of kernels, and of those the running and the newest ones.

    `note` says why the running kernel could not be found among the installed ones.
    """

    rest: tuple[InstalledPackage, ...]
    running: tuple[InstalledPackage, ...] = ()
    newest: tuple[InstalledPackage, ...] = ()
    note: str = ""


class _Part(IntEnum):
    """What a unit has to do with kernels."""

    NONE = 0
    IMAGE = 1
    # Headers, tools and meta packages of Debian's kernel: a kernel's vulnerability is not in them,
    # and meta packages have versions of their own.
    BESIDE = 2


class Splitter:
    """Sorts kernels from the rest; each distinct unit is looked at once."""

    def __init__(self, table: PackageTable) -> None:
        self._table = table
        self._parts = {
            VersionScheme.DEB: PerPackage(_deb_part),
            VersionScheme.RPM: PerPackage(_rpm_part),
        }

    def split(
        self,
        units: Sequence[InstalledPackage],
        running: str,
        scheme: VersionScheme | None,
        *,
        managed: bool,
    ) -> Kernels:
        """`managed` is False in a container: no kernel of its own runs."""
        known = self._parts.get(scheme) if scheme is not None else None
        parts = tuple(known.of(units)) if known is not None else ()
        if not any(parts):
            return Kernels(tuple(units))
        rest = tuple(compress(units, map(not_, parts)))
        images = [unit for unit, part in zip(units, parts, strict=True) if part is _Part.IMAGE]
        if not images or not managed:
            return Kernels(rest)
        if scheme is VersionScheme.DEB:
            return _deb(images, rest, running)
        return _rpm(images, rest, running, self._table)


def _deb_part(unit: InstalledPackage) -> _Part:
    if not is_deb_source(unit.source):
        return _Part.NONE
    return _Part.IMAGE if is_deb_part(unit.name) else _Part.BESIDE


def _rpm_part(unit: InstalledPackage) -> _Part:
    return _Part.IMAGE if is_rpm_part(unit.name) else _Part.NONE


def _deb(
    images: list[InstalledPackage], rest: tuple[InstalledPackage, ...], running: str
) -> Kernels:
    newest = newest_of(images, VersionScheme.DEB)
    ends = tuple(f"{part}-{running}" for part in ("image", "image-unsigned", "modules"))
    runs = [unit for unit in images if running and unit.name.endswith(ends)]
    if runs:
        return Kernels(rest, tuple(runs), newest)
    return Kernels(rest, newest, newest, _lost(running))


def _rpm(
    images: list[InstalledPackage],
    rest: tuple[InstalledPackage, ...],
    running: str,
    table: PackageTable,
) -> Kernels:
    newest = newest_of(images, VersionScheme.RPM)
    named = _RUNNING_RPM.fullmatch(running)
    release = named[1] if named else running
    flavour = (named[2] if named else None) or ("rt" if ".rt" in release else "")
    if not release:
        return Kernels(rest, newest, newest, _lost(running))
    runs = [unit for unit in images if _is_release(unit, release, flavour)]
    if not runs:
        # An old kernel that was removed while it ran: its release is its version.
        kin = [unit for unit in newest if _flavour(unit.name) == flavour.removesuffix("debug")]
        runs = [
            table.change(unit, version=release, source_version=release) for unit in kin or newest
        ]
    return Kernels(rest, tuple(runs), newest)


def _is_release(unit: InstalledPackage, release: str, flavour: str) -> bool:
    version = bare(unit.version)
    # SUSE's uname -r lacks the rebuild number of the package and ends in the flavour.
    short = re.sub(r"-[a-z]+$", "", release)
    same = version == release or (short != release and version.startswith(f"{short}."))
    return same and (not flavour or _flavour(unit.name) in ("", *flavour.split("-")))


def ubuntu_sources(name: str, version: str) -> tuple[str, ...]:
    """The sources that a kernel's image of Ubuntu may be built from, the likeliest first; empty for
    other packages.

    linux-image-6.8.0-1021-aws is of linux-aws-6.8 where the release has that, else of linux-aws;
    generic ones of linux-hwe-6.8 or linux.
    """
    found = _UBUNTU_IMAGE.fullmatch(name)
    if found is None:
        return ()
    series = ".".join(version.split(".")[:2])
    flavour = found[1].removesuffix("-64k")
    if flavour == "generic":
        return f"linux-hwe-{series}", "linux"
    base = f"linux-{flavour}"
    return f"{base}-{series}", f"{base}-hwe-{series}", base


def is_companion(unit: InstalledPackage) -> bool:
    """Headers, tools and documents from a kernel's source package: a kernel's vulnerability is not
    in them, so only an advisory that names the binary itself speaks of them."""
    return is_rpm_source(unit.source) and not is_rpm_part(unit.name)


def is_of_flavours(name: str, listed: frozenset[str]) -> bool:
    """Whether an advisory that lists these names may speak of a package built from the same source:
    one for kernel-64k alone says nothing of the plain kernel. True for what is no kernel."""
    flavours = _flavours(listed) if is_rpm_part(name) else frozenset()
    return not flavours or "" in flavours or _flavour(name) in flavours


@cache
def _flavours(listed: frozenset[str]) -> frozenset[str]:
    return frozenset(_flavour(name) for name in listed if is_rpm_part(name))


def _flavour(name: str) -> str:
    found = re.match(r"kernel-(rt|64k|zfcpdump|uek|lt|ml|plus|default|azure|preempt)\b", name)
    return found[1] if found else ""


def newest_of(
    images: Iterable[InstalledPackage], scheme: VersionScheme
) -> tuple[InstalledPackage, ...]:
    """The newest of each rpm name; of Debian's, where the version is in the name, of each source.
    What has no version that can be read is none of them."""
    best: dict[str, tuple[Key, InstalledPackage]] = {}
    for unit in images:
        try:
            place = key(scheme, unit.source_version)
        except InvalidVersionError:
            continue
        name = unit.name if scheme is VersionScheme.RPM else unit.source
        if name not in best or best[name][0] < place:
            best[name] = (place, unit)
    return tuple(unit for _, unit in best.values())


def _lost(running: str) -> str:
    if not running:
        return "which kernel runs is not known, so the newest installed one counts"
    return f"the running kernel {running} is not among the installed ones; the newest one counts"
