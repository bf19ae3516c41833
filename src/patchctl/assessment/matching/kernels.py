"""Separate the kernels of a host from its other packages; of several the running one counts."""

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
    """A host's packages: `rest` without kernels, and the `running` and the `newest` kernels.

    `note` says why the running kernel is not among the installed ones, empty where it is.
    """

    rest: tuple[InstalledPackage, ...]
    running: tuple[InstalledPackage, ...] = ()
    newest: tuple[InstalledPackage, ...] = ()
    note: str = ""


class _Part(IntEnum):
    """The part that a package plays in a kernel."""

    NONE = 0
    IMAGE = 1
    # Headers, tools and meta packages of Debian's kernel: they do not contain a kernel's
    # vulnerability, and meta packages have versions of their own.
    BESIDE = 2


class Splitter:
    """Separates kernels from other packages; it examines each distinct package once."""

    def __init__(self, table: PackageTable) -> None:
        self._table = table
        self._parts = {
            VersionScheme.DEB: PerPackage(_deb_part),
            VersionScheme.RPM: PerPackage(_rpm_part),
        }

    def split(
        self,
        packages: Sequence[InstalledPackage],
        running: str,
        scheme: VersionScheme | None,
        *,
        managed: bool,
    ) -> Kernels:
        """The packages of a host with its kernels apart. `running` is what `uname -r` says;
        `managed` is False in a container, which runs no kernel of its own."""
        known = self._parts.get(scheme) if scheme is not None else None
        parts = tuple(known.of(packages)) if known is not None else ()
        if not any(parts):
            return Kernels(tuple(packages))
        rest = tuple(compress(packages, map(not_, parts)))
        images = [
            package for package, part in zip(packages, parts, strict=True) if part is _Part.IMAGE
        ]
        if not images or not managed:
            return Kernels(rest)
        if scheme is VersionScheme.DEB:
            return _deb(images, rest, running)
        return _rpm(images, rest, running, self._table)


def _deb_part(package: InstalledPackage) -> _Part:
    if not is_deb_source(package.source):
        return _Part.NONE
    return _Part.IMAGE if is_deb_part(package.name) else _Part.BESIDE


def _rpm_part(package: InstalledPackage) -> _Part:
    return _Part.IMAGE if is_rpm_part(package.name) else _Part.NONE


def _deb(
    images: list[InstalledPackage], rest: tuple[InstalledPackage, ...], running: str
) -> Kernels:
    newest = newest_of(images, VersionScheme.DEB)
    ends = tuple(f"{part}-{running}" for part in ("image", "image-unsigned", "modules"))
    runs = [package for package in images if running and package.name.endswith(ends)]
    if runs:
        return Kernels(rest, tuple(runs), newest)
    return Kernels(rest, newest, newest, _unknown_kernel_note(running))


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
        return Kernels(rest, newest, newest, _unknown_kernel_note(running))
    runs = [package for package in images if _is_release(package, release, flavour)]
    if not runs:
        # The running kernel was removed from disk: its release is its version.
        kin = [
            package for package in newest if _flavour(package.name) == flavour.removesuffix("debug")
        ]
        runs = [
            table.change(package, version=release, source_version=release)
            for package in kin or newest
        ]
    return Kernels(rest, tuple(runs), newest)


def _is_release(package: InstalledPackage, release: str, flavour: str) -> bool:
    version = bare(package.version)
    # SUSE's uname -r lacks the rebuild number of the package and ends in the flavour.
    short = re.sub(r"-[a-z]+$", "", release)
    same = version == release or (short != release and version.startswith(f"{short}."))
    return same and (not flavour or _flavour(package.name) in ("", *flavour.split("-")))


def ubuntu_sources(name: str, version: str) -> tuple[str, ...]:
    """The sources that an Ubuntu kernel image may be built from, the likeliest first; empty for
    other packages.

    linux-image-6.8.0-1021-aws is from linux-aws-6.8 where the release has that, else from
    linux-aws; generic images are from linux-hwe-6.8 or linux.
    """
    image = _UBUNTU_IMAGE.fullmatch(name)
    if image is None:
        return ()
    series = ".".join(version.split(".")[:2])
    flavour = image[1].removesuffix("-64k")
    if flavour == "generic":
        return f"linux-hwe-{series}", "linux"
    base = f"linux-{flavour}"
    return f"{base}-{series}", f"{base}-hwe-{series}", base


def is_companion(package: InstalledPackage) -> bool:
    """Whether a package has headers, tools or documents from a kernel's source package. They do not
    contain the kernel's vulnerability, so only advisories that name the binary itself count."""
    return is_rpm_source(package.source) and not is_rpm_part(package.name)


def is_of_flavours(name: str, listed: frozenset[str]) -> bool:
    """Whether an advisory that lists these names may concern a package built from the same source:
    one for kernel-64k only does not concern the plain kernel. True for packages of no kernel."""
    flavours = _flavours(listed) if is_rpm_part(name) else frozenset()
    return not flavours or "" in flavours or _flavour(name) in flavours


@cache
def _flavours(listed: frozenset[str]) -> frozenset[str]:
    return frozenset(_flavour(name) for name in listed if is_rpm_part(name))


def _flavour(name: str) -> str:
    match = re.match(r"kernel-(rt|64k|zfcpdump|uek|lt|ml|plus|default|azure|preempt)\b", name)
    return match[1] if match else ""


def newest_of(
    images: Iterable[InstalledPackage], scheme: VersionScheme
) -> tuple[InstalledPackage, ...]:
    """The newest kernel of each rpm name, or of each Debian source, whose binaries have the version
    in their names. A package whose version cannot be read is none of them."""
    best: dict[str, tuple[Key, InstalledPackage]] = {}
    for package in images:
        try:
            version_key = key(scheme, package.source_version)
        except InvalidVersionError:
            continue
        name = package.name if scheme is VersionScheme.RPM else package.source
        if name not in best or best[name][0] < version_key:
            best[name] = (version_key, package)
    return tuple(package for _, package in best.values())


def _unknown_kernel_note(running: str) -> str:
    if not running:
        return "which kernel runs is not known, so the newest installed one counts"
    return f"the running kernel {running} is not among the installed ones; the newest one counts"
