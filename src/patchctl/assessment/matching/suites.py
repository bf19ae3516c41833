"""Find the release of Debian that a package's version is from, which may not be the host's.

A backport, a package of testing on a stable host, and a package that an upgrade left behind have
the fixes of the release that built them, not those of the host's own release.
"""

from collections.abc import Callable, Collection, Iterable

from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, key_function
from .builds import shared_parts, upstream
from .debian import backported_from, backported_to, updated_in
from .index import EcosystemIndex
from .installed import InstalledPackage, PackageTable, PerPackage
from .platforms import DEBIAN_RELEASES

_DEBIAN = "Debian:"
_key = key_function(VersionScheme.DEB)
_ORDER = tuple(DEBIAN_RELEASES.values())  # oldest first, unstable last

# (ecosystem, names of sources) -> an index of the advisories on these
Loader = Callable[[str, Collection[str]], EcosystemIndex]


class Suites:
    """Moves packages to the release that their version is from.

    `indexes` are those of the fleet's own systems. Indexes of other releases are added to it, with
    only those sources of which a package may be from there. `available` are ecosystems with feeds.
    """

    def __init__(
        self,
        table: PackageTable,
        indexes: dict[str, EcosystemIndex],
        available: Collection[str],
        load: Loader,
    ) -> None:
        self._table = table
        self._indexes = indexes
        self._releases = [name for name in map(_named, _ORDER) if name in available]
        self._resolved = PerPackage(self._resolve)
        foreign = {package.source for package in table.packages() if self._may_be_foreign(package)}
        sources: dict[str, set[str]] = {release: set(foreign) for release in self._releases}
        for package in table.packages():
            if self._is_absent(package):
                for release in _after(package.ecosystem):
                    sources.setdefault(release, set()).add(package.source)
            elif self._is_behind(package):
                sources.setdefault(_before(package.ecosystem), set()).add(package.source)
        for release in self._releases:
            if sources[release] and release not in indexes:
                indexes[release] = load(release, sources[release])

    def of(self, packages: tuple[InstalledPackage, ...]) -> tuple[InstalledPackage, ...]:
        """The same packages, each with the ecosystem of the release that its version is from."""
        if not any(package.ecosystem.startswith(_DEBIAN) for package in packages[:1]):
            return packages
        return tuple(map(self._resolved.__getitem__, packages))

    def _may_be_foreign(self, package: InstalledPackage) -> bool:
        if not package.ecosystem.startswith(_DEBIAN):
            return False
        release = package.ecosystem.removeprefix(_DEBIAN)
        version = package.source_version
        if backported_to(version):
            return True
        tag = updated_in(version)
        if tag:
            return tag != release
        index = self._indexes.get(package.ecosystem)
        return index is not None and _is_newer(version, index.current.get(package.source, ""))

    def _is_absent(self, package: InstalledPackage) -> bool:
        """Whether the package's release lacks its source, as far as feeds tell. The package is from
        a later release, or never had an advisory."""
        index = (
            self._indexes.get(package.ecosystem) if package.ecosystem.startswith(_DEBIAN) else None
        )
        return index is not None and index.tracked and package.source not in index.sources

    def _is_behind(self, package: InstalledPackage) -> bool:
        """Whether the package's release has a newer version of its source, so that an upgrade from
        the release before may have left this one behind."""
        index = (
            self._indexes.get(package.ecosystem) if package.ecosystem.startswith(_DEBIAN) else None
        )
        if index is None or package.source_version in index.has.get(package.source, ()):
            return False
        return _is_newer(index.current.get(package.source, ""), package.source_version)

    def _resolve(self, package: InstalledPackage) -> InstalledPackage:
        if not package.ecosystem.startswith(_DEBIAN):
            return package
        if not self._may_be_foreign(package) and not self._is_absent(package):
            before = self._indexes.get(_before(package.ecosystem))
            left = before is not None and package.source_version in before.has.get(
                package.source, ()
            )
            if left and self._is_behind(package):
                return self._table.change(package, ecosystem=_before(package.ecosystem))
            return package
        version = package.source_version
        if target := backported_to(version):
            version = backported_from(version)
            # Backports are built from the next release, sometimes from the one after it.
            later = _after(_named(target))
            held = [name for name in later if name in self._releases]
            release = self._nearest(package.source, version, held) or (held or later)[0]
        elif tag := updated_in(version):
            own = self._indexes.get(package.ecosystem)
            here = own is not None and version in own.has.get(package.source, ())
            release = "" if here or _named(tag) not in self._releases else _named(tag)
        else:
            candidates = [package.ecosystem, *_after(package.ecosystem)]
            release = self._nearest(package.source, version, candidates)
        if not release:
            return package
        return self._table.change(package, ecosystem=release, source_version=version)

    def _nearest(self, source: str, version: str, releases: Iterable[str]) -> str:
        """The release that has this version of the source, or else the nearest version: with the
        same upstream version, or with most of it in common. Of equally near releases the first that
        is not older. Empty where no release is known to have the source."""
        versions = {
            release: self._indexes[release].newest(source)
            for release in releases
            if release in self._indexes and self._indexes[release].covers(source)
        }
        known = {release: current for release, current in versions.items() if current}
        if not known:
            return ""
        near = {release: _nearness(version, current) for release, current in known.items()}
        best = [release for release, value in near.items() if value == max(near.values())]
        ahead = [release for release in best if not _is_newer(version, known[release])]
        return (ahead or best[-1:])[0]


def _named(number: str) -> str:
    return f"{_DEBIAN}{number}"


def _after(release: str) -> list[str]:
    """Later releases, the next one first; unstable is the last."""
    known = [_named(name) for name in _ORDER]
    start = known.index(release) + 1 if release in known else 0
    return known[start:] or known[-1:]


def _before(release: str) -> str:
    """The release before this one, empty where none is known."""
    known = [_named(name) for name in _ORDER]
    position = known.index(release) if release in known else 0
    return known[position - 1] if position else ""


def _nearness(version: str, current: str) -> tuple[bool, bool, bool, int]:
    """How near a version is to a release's own. A site's own build adds a suffix to that."""
    own, other = upstream(version), upstream(current)
    built_on = version.startswith(current)
    return version == current, built_on, own == other, shared_parts(own, other)


def _is_newer(version: str, current: str) -> bool:
    """Whether a version is newer. False where one of them is invalid or empty."""
    try:
        return bool(version and current) and _key(version) > _key(current)
    except InvalidVersionError:
        return False
