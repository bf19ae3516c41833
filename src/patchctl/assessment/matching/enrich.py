"""What inventories and package managers leave out of units, told from other units and the feeds."""

from collections.abc import Mapping, Sequence

from .index import EcosystemIndex
from .installed import InstalledPackage, PackageTable, PerPackage, Source, stated_sources, teachers
from .kernels import ubuntu_sources


class Enricher:
    """Completes the lists of a fleet, of which `table` has all units and no list is complete yet.

    Whatever needs no host's whole list to tell is found out once for each distinct unit.
    """

    def __init__(self, table: PackageTable, indexes: Mapping[str, EcosystemIndex]) -> None:
        self._table = table
        self._indexes = indexes
        self._open = PerPackage(_is_open)
        self._stated = stated_sources(table.units())
        self._sourced: dict[tuple[str, ...], PerPackage[InstalledPackage]] = {}
        self._teachers: dict[Source, list[InstalledPackage]] = {}
        self._taught = 0

    def complete(
        self, units: tuple[InstalledPackage, ...], ecosystems: tuple[str, ...], ecosystem: str
    ) -> tuple[InstalledPackage, ...]:
        """A host's units with their sources, epochs and module streams, where they can be told.

        `ecosystems` are those whose feeds speak of the host, `ecosystem` its own.
        """
        if not any(self._open.of(units)):
            return units
        units = tuple(self._with_sources(ecosystems).of(units))
        units = self._with_epochs(units)
        index = self._indexes.get(ecosystem)
        return units if index is None else tuple(index.guide.resolve(units, self._table))

    def _with_sources(self, ecosystems: tuple[str, ...]) -> PerPackage[InstalledPackage]:
        """The sources that an inventory left out, where other hosts or a feed tell them."""
        found = self._sourced.get(ecosystems)
        if found is None:
            found = self._sourced[ecosystems] = PerPackage(
                lambda unit: self._named(unit, ecosystems)
            )
        return found

    def _named(self, unit: InstalledPackage, ecosystems: tuple[str, ...]) -> InstalledPackage:
        if not unit.sourceless:
            return unit
        twin = self._stated.get((unit.ecosystem, unit.name, unit.version))
        if twin is not None:
            return self._table.change(
                unit,
                source=twin.source,
                source_version=twin.source_version,
                borrowed=twin.borrowed,
            )
        told = (self._source_of(unit, self._indexes[name]) for name in ecosystems)
        source = next(filter(None, told), "")
        return self._table.change(unit, source=source) if source else unit

    def _source_of(self, unit: InstalledPackage, index: EcosystemIndex) -> str:
        """The source by the feed's lists of binaries; of Ubuntu's kernels, which are many and have
        names alike, by their own names and numbers."""
        possible = ubuntu_sources(unit.name, unit.version)
        if not unit.ecosystem.startswith("Ubuntu:") or not possible:
            return index.source_of(unit.name)
        return next((source for source in possible if source in index.sources), "")

    def _with_epochs(self, units: tuple[InstalledPackage, ...]) -> tuple[InstalledPackage, ...]:
        """The epochs of source versions, which names of source RPMs lack."""
        places = [place for place, unit in enumerate(units) if unit.borrowed]
        if not places:
            return units
        known = self._known_teachers()
        here = frozenset(units)
        changed = list(units)
        for place in places:
            unit = units[place]
            told = known.get((unit.ecosystem, unit.source, unit.source_version), ())
            present = [one for one in told if one in here]
            if present:
                full = _last(present, units).source_version
                changed[place] = self._table.change(unit, source_version=full, borrowed=False)
        return tuple(changed)

    def _known_teachers(self) -> Mapping[Source, Sequence[InstalledPackage]]:
        every = self._table.units()
        if len(every) != self._taught:
            for place, some in teachers(every[self._taught :]).items():
                self._teachers.setdefault(place, []).extend(some)
            self._taught = len(every)
        return self._teachers


def _is_open(unit: InstalledPackage) -> bool:
    return unit.sourceless or unit.borrowed or (unit.modular and not unit.streams)


def _last(
    found: Sequence[InstalledPackage], units: tuple[InstalledPackage, ...]
) -> InstalledPackage:
    """Where they differ, the one that stands last in the host's list."""
    if len({one.source_version for one in found}) == 1:
        return found[0]
    return max(found, key=units.index)
