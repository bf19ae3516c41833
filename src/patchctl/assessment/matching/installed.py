"""What matching looks at: installed packages, normalised, each distinct one once for the fleet."""

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

    `PackageTable` makes one object of equal packages: identity is equality, a look-up is cheap.
    `streams` are module streams that it may belong to (`NAME:STREAM`), empty where it is not
    modular or nothing is known; `modular` tells which. `borrowed` says that the source version's
    epoch is unknown (source RPM names have none). `sourceless` that nobody stated a source, so that
    `source` is only the name.
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
    """What `look` says of units, asked once for each: lists of thousands of hosts hold a few
    thousand distinct units."""

    def __init__(self, look: Callable[[InstalledPackage], T]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, unit: InstalledPackage) -> T:
        found = self[unit] = self._look(unit)
        return found

    def of(self, units: Iterable[InstalledPackage]) -> Iterable[T]:
        """The same for many."""
        return map(self.__getitem__, units)


class PackageTable:
    """Makes units, one object for equal ones over the whole fleet."""

    def __init__(self) -> None:
        self._units: dict[tuple[object, ...], InstalledPackage] = {}
        # By ecosystem: id of a package -> its unit. Snapshots give equal packages as one object;
        # holding them keeps their ids theirs.
        self._seen: dict[str, dict[int, InstalledPackage]] = {}
        self._packages: list[Package] = []
        self._held: set[int] = set()

    def of(self, packages: Sequence[Package], platform: Platform) -> tuple[InstalledPackage, ...]:
        """The units of a host's packages; module streams are resolved by `streams`."""
        seen = self._seen.setdefault(platform.ecosystem, {})
        try:
            # Nearly always: all of them stand in an earlier list.
            return tuple(map(seen.__getitem__, map(id, packages)))
        except KeyError:
            for package in packages:
                if id(package) not in seen:
                    self._packages.append(package)
                    if package.held:
                        self._held.add(id(package))
                    seen[id(package)] = self._one(_installed_package(package, platform))
        return tuple(map(seen.__getitem__, map(id, packages)))

    def held(self, packages: Sequence[Package]) -> frozenset[str]:
        """Names of the packages that the operator holds, of a list that `of` was given."""
        if self._held.isdisjoint(map(id, packages)):
            return frozenset()
        return frozenset(package.name for package in packages if package.held)

    def units(self) -> tuple[InstalledPackage, ...]:
        """All that were made so far, in that order."""
        return tuple(self._units.values())

    def change(self, unit: InstalledPackage, **changes: Any) -> InstalledPackage:
        """The unit with other values."""
        return self._one(replace(unit, **changes))

    def _one(self, unit: InstalledPackage) -> InstalledPackage:
        values = tuple(getattr(unit, name) for name in InstalledPackage.__slots__)
        return self._units.setdefault(values, unit)


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
    if ecosystem.startswith("Ubuntu:") and (found := _SIGNED_UBUNTU.fullmatch(source)):
        return f"linux{found[1] or ''}", version
    return source, version


def aged(
    unit: InstalledPackage, version: str, table: PackageTable
) -> tuple[InstalledPackage, bool]:
    """The unit as it was in another version of the same binary, and whether its source's version
    is known: it follows from the binary's where it does now, but for rebuilds and epochs.

    Elsewhere today's stays, so that only what feeds say of the binary itself differs.
    """
    own, old = (debian.backported_from(_REBUILD.sub("", one)) for one in (unit.version, version))
    if own == unit.source_version:
        source = old
    elif bare(own) == bare(unit.source_version):
        epoch, colon, _ = unit.source_version.rpartition(":")
        source = f"{epoch}{colon}{bare(old)}"
    else:
        return table.change(unit, version=version), False
    return table.change(unit, version=version, source_version=source), True


def stated_sources(
    units: Iterable[InstalledPackage],
) -> dict[tuple[str, str, str], InstalledPackage]:
    """(ecosystem, binary, its version) -> a unit that states its source. Another version of the
    binary tells too little: gcc 4:12.2.0-3 is built from gcc-defaults 1.203."""
    return {
        (unit.ecosystem, unit.name, unit.version): unit for unit in units if not unit.sourceless
    }


Source = tuple[str, str, str]  # ecosystem, source, version without epoch


def teachers(units: Iterable[InstalledPackage]) -> dict[Source, list[InstalledPackage]]:
    """Binaries that have the source's own version, with its epoch. perl-Errno 0:1.28-419 is built
    from perl 5.26.3-419, and perl-libs 4:5.26.3-419 tells that its epoch is 4."""
    found: dict[Source, list[InstalledPackage]] = {}
    for unit in units:
        if not unit.borrowed and ":" in unit.version:
            place = (unit.ecosystem, unit.source, bare(unit.source_version))
            found.setdefault(place, []).append(unit)
    return found
