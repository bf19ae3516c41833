"""Which release of Debian a version is from: not always the host's.

A backport, a package of testing on a stable host and what an upgrade left behind have the fixes of
the release that built them, and not those of the host's own.
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

# ecosystem, names of sources -> an index of what its feeds say of these
Loader = Callable[[str, Collection[str]], EcosystemIndex]


class Suites:
    """Puts units into the release that their version is from.

    `indexes` are those of the fleet's own systems; those of other releases are added to it, with
    the sources only of which a unit may be from there. `available` are ecosystems with feeds.
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
        self._places = PerPackage(self._place)
        foreign = {unit.source for unit in table.units() if self._may_be_foreign(unit)}
        wanted: dict[str, set[str]] = {release: set(foreign) for release in self._releases}
        for unit in table.units():
            if self._is_absent(unit):
                for release in _after(unit.ecosystem):
                    wanted.setdefault(release, set()).add(unit.source)
            elif self._is_behind(unit):
                wanted.setdefault(_before(unit.ecosystem), set()).add(unit.source)
        for release in self._releases:
            if wanted[release] and release not in indexes:
                indexes[release] = load(release, wanted[release])

    def of(self, units: tuple[InstalledPackage, ...]) -> tuple[InstalledPackage, ...]:
        """The same units, each in its release."""
        if not any(unit.ecosystem.startswith(_DEBIAN) for unit in units[:1]):
            return units
        return tuple(map(self._places.__getitem__, units))

    def _may_be_foreign(self, unit: InstalledPackage) -> bool:
        if not unit.ecosystem.startswith(_DEBIAN):
            return False
        release = unit.ecosystem.removeprefix(_DEBIAN)
        version = unit.source_version
        if backported_to(version):
            return True
        tag = updated_in(version)
        if tag:
            return tag != release
        index = self._indexes.get(unit.ecosystem)
        return index is not None and _is_newer(version, index.current.get(unit.source, ""))

    def _is_absent(self, unit: InstalledPackage) -> bool:
        """Whether the unit's release does not have its source, as far as its feeds tell: a package
        of a later release, or one that never had an advisory."""
        index = self._indexes.get(unit.ecosystem) if unit.ecosystem.startswith(_DEBIAN) else None
        return index is not None and index.tracked and unit.source not in index.sources

    def _is_behind(self, unit: InstalledPackage) -> bool:
        """Whether the unit's release has a newer version of its source, so that this one may be
        what an upgrade from the release before left behind."""
        index = self._indexes.get(unit.ecosystem) if unit.ecosystem.startswith(_DEBIAN) else None
        if index is None or unit.source_version in index.has.get(unit.source, ()):
            return False
        return _is_newer(index.current.get(unit.source, ""), unit.source_version)

    def _place(self, unit: InstalledPackage) -> InstalledPackage:
        if not unit.ecosystem.startswith(_DEBIAN):
            return unit
        if not self._may_be_foreign(unit) and not self._is_absent(unit):
            before = self._indexes.get(_before(unit.ecosystem))
            left = before is not None and unit.source_version in before.has.get(unit.source, ())
            if left and self._is_behind(unit):
                return self._table.change(unit, ecosystem=_before(unit.ecosystem))
            return unit
        version = unit.source_version
        if target := backported_to(version):
            version = backported_from(version)
            # backports.debian.org builds from the next release, at times from the one after it.
            later = _after(_named(target))
            held = [name for name in later if name in self._releases]
            release = self._nearest(unit.source, version, held) or (held or later)[0]
        elif tag := updated_in(version):
            own = self._indexes.get(unit.ecosystem)
            here = own is not None and version in own.has.get(unit.source, ())
            release = "" if here or _named(tag) not in self._releases else _named(tag)
        else:
            candidates = [unit.ecosystem, *_after(unit.ecosystem)]
            release = self._nearest(unit.source, version, candidates)
        if not release:
            return unit
        return self._table.change(unit, ecosystem=release, source_version=version)

    def _nearest(self, source: str, version: str, releases: Iterable[str]) -> str:
        """The release that has this version of the source, or the nearest one: of one upstream
        version, else with most of it in common; of equally near ones the first that is not older.
        Empty where no release is known to have the source."""
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
    """Later releases, the next one first; unstable is later than all."""
    known = [_named(name) for name in _ORDER]
    start = known.index(release) + 1 if release in known else 0
    return known[start:] or known[-1:]


def _before(release: str) -> str:
    """The release before, empty where none is known."""
    known = [_named(name) for name in _ORDER]
    place = known.index(release) if release in known else 0
    return known[place - 1] if place else ""


def _nearness(version: str, current: str) -> tuple[bool, bool, bool, int]:
    """How near a version is to what a release has; a site's own build adds to that."""
    own, other = upstream(version), upstream(current)
    built_on = version.startswith(current)
    return version == current, built_on, own == other, shared_parts(own, other)


def _is_newer(version: str, current: str) -> bool:
    """False where one of them is no version, or not known."""
    try:
        return bool(version and current) and _key(version) > _key(current)
    except InvalidVersionError:
        return False
