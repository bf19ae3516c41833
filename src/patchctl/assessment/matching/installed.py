"""Normalise installed packages for matching, and keep each distinct one once for the fleet."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ...models.facts import Package
from ...models.grammar import source_of_rpm
from ...models.kernel_names import is_deb_image
from ...models.versions import VersionScheme
from . import debian
from .builds import bare, is_modular
from .platforms import Platform

T = TypeVar("T")

_REBUILD = re.compile(r"\+b[0-9]+$")  # Debian's binary-only rebuild; the source has no such part
_NAMED = re.compile(r"(\S+) \(([^()\s]+)\)")  # dpkg's `Source: name (version)`
_SIGNED_UBUNTU = re.compile(r"linux-signed(-.+)?")


@dataclass(frozen=True, slots=True, eq=False)
class InstalledPackage:
    """One installed package as matching sees it.

    `PackageTable` makes one object of equal packages, so they compare by identity and look-ups are
    cheap. `streams` are the module streams that it may belong to (`NAME:STREAM`), empty where it is
    not modular or they are not known; `modular` tells which. `borrowed`: the epoch of the source
    version is not known, because it comes from the name of a source RPM. `sourceless`: no source
    was stated, so `source` is the name of the package.
    """

    ecosystem: str
    name: str
    version: str
    arch: str
    source: str
    source_version: str
    modular: bool = False
    streams: frozenset[str] = frozenset()
    borrowed: bool = False
    sourceless: bool = False


class PerPackage(dict[InstalledPackage, T], Generic[T]):
    """The result of `compute` for each package, computed once: the lists of thousands of hosts have
    a few thousand distinct packages."""

    def __init__(self, compute: Callable[[InstalledPackage], T]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, package: InstalledPackage) -> T:
        value = self[package] = self._compute(package)
        return value

    def of(self, packages: Iterable[InstalledPackage]) -> Iterable[T]:
        """The results for several packages, in their order."""
        return map(self.__getitem__, packages)


class PackageTable:
    """Makes the installed packages of a fleet, one object for equal ones."""

    def __init__(self) -> None:
        self._installed: dict[tuple[object, ...], InstalledPackage] = {}
        # Ecosystem -> id() of a discovered package -> the installed one. Snapshots give equal
        # packages as one object; `_discovered` keeps them alive, so that their ids stay unique.
        self._by_id: dict[str, dict[int, InstalledPackage]] = {}
        self._discovered: list[Package] = []
        self._held: set[int] = set()

    def of(self, packages: Sequence[Package], platform: Platform) -> tuple[InstalledPackage, ...]:
        """The installed packages of a host's list, in its order; `Enricher` adds what they lack."""
        by_id = self._by_id.setdefault(platform.ecosystem, {})
        try:
            # The common case: earlier lists have all of them.
            return tuple(map(by_id.__getitem__, map(id, packages)))
        except KeyError:
            for package in packages:
                if id(package) not in by_id:
                    self._discovered.append(package)
                    if package.held:
                        self._held.add(id(package))
                    by_id[id(package)] = self._unique(_installed_package(package, platform))
        return tuple(map(by_id.__getitem__, map(id, packages)))

    def held(self, packages: Sequence[Package]) -> frozenset[str]:
        """Names of those packages that the operator holds, in a list that `of` was given before."""
        if self._held.isdisjoint(map(id, packages)):
            return frozenset()
        return frozenset(package.name for package in packages if package.held)

    def packages(self) -> tuple[InstalledPackage, ...]:
        """All packages made so far, in that order."""
        return tuple(self._installed.values())

    def change(self, package: InstalledPackage, **changes: Any) -> InstalledPackage:
        """The package with other values of its fields."""
        return self._unique(replace(package, **changes))

    def _unique(self, package: InstalledPackage) -> InstalledPackage:
        values = tuple(getattr(package, name) for name in InstalledPackage.__slots__)
        return self._installed.setdefault(values, package)


def _installed_package(package: Package, platform: Platform) -> InstalledPackage:
    source, version = _source_of(package)
    ecosystem, borrowed = platform.ecosystem, False
    if platform.scheme is VersionScheme.DEB:
        if not package.source and ecosystem.startswith("Debian:") and is_deb_image(package.name):
            source = "linux"
        source, version = _kernel_source(source, version, ecosystem)
    elif platform.scheme is VersionScheme.RPM:
        borrowed = ":" not in version and bare(package.version) != version
        if not borrowed and ":" not in version:
            version = package.version
    label = ":".join(package.module.split(":")[:2]) if package.module else ""
    modular = bool(label) or is_modular(package.version)
    return InstalledPackage(
        ecosystem=ecosystem,
        name=package.name,
        version=package.version,
        arch=package.arch,
        source=source,
        source_version=version,
        modular=modular and platform.scheme is VersionScheme.RPM,
        streams=frozenset({label}) if ":" in label else frozenset(),
        borrowed=borrowed,
        sourceless=not package.source and source == package.name,
    )


def _source_of(package: Package) -> tuple[str, str]:
    source, version = package.source, package.source_version
    if named := _NAMED.fullmatch(source):
        source, version = named[1], version or named[2]
    elif built := source_of_rpm(f"{source.removesuffix('.rpm')}.rpm"):
        source, version = built[0], version or built[1]
    if not source:
        source = package.name
    if not version:
        version = _REBUILD.sub("", package.version)
    return source, version


def _kernel_source(source: str, version: str, ecosystem: str) -> tuple[str, str]:
    if ecosystem.startswith("Debian:") and (unsigned := debian.signed_source(source)):
        return unsigned, debian.unsigned(version)
    if ecosystem.startswith("Ubuntu:") and (match := _SIGNED_UBUNTU.fullmatch(source)):
        return f"linux{match[1] or ''}", version
    return source, version


def aged(
    package: InstalledPackage, version: str, table: PackageTable
) -> tuple[InstalledPackage, bool]:
    """The package in an earlier version of the same binary, and whether its source version is then
    known. It is where binary and source have one version now, but for rebuilds and epochs.

    Otherwise the source version stays as it is, so that only advisories on the binary itself give
    another result.
    """
    own, old = (debian.backported_from(_REBUILD.sub("", raw)) for raw in (package.version, version))
    if own == package.source_version:
        source = old
    elif bare(own) == bare(package.source_version):
        epoch, colon, _ = package.source_version.rpartition(":")
        source = f"{epoch}{colon}{bare(old)}"
    else:
        return table.change(package, version=version), False
    return table.change(package, version=version, source_version=source), True


def stated_sources(
    packages: Iterable[InstalledPackage],
) -> dict[tuple[str, str, str], InstalledPackage]:
    """(ecosystem, binary, its version) -> a package that states its source. The version is a part
    of the key because it decides: gcc 4:12.2.0-3 is built from gcc-defaults 1.203."""
    return {
        (package.ecosystem, package.name, package.version): package
        for package in packages
        if not package.sourceless
    }


Source = tuple[str, str, str]  # ecosystem, source, version without epoch


def epoch_holders(packages: Iterable[InstalledPackage]) -> dict[Source, list[InstalledPackage]]:
    """Source -> binaries that have its version with the epoch. perl-Errno 0:1.28-419 is built from
    perl 5.26.3-419, and perl-libs 4:5.26.3-419 tells that the epoch of perl is 4."""
    holders: dict[Source, list[InstalledPackage]] = {}
    for package in packages:
        if not package.borrowed and ":" in package.version:
            source = (package.ecosystem, package.source, bare(package.source_version))
            holders.setdefault(source, []).append(package)
    return holders
