"""Fill in what inventories leave out of packages (sources, epochs, module streams).

The values come from other hosts' packages and from the feeds.
"""

from collections.abc import Mapping, Sequence

from .index import EcosystemIndex
from .installed import (
    InstalledPackage,
    PackageTable,
    PerPackage,
    Source,
    epoch_holders,
    stated_sources,
)
from .kernels import ubuntu_sources


class Enricher:
    """Completes the package lists of a fleet. `table` must have all its packages already.

    A value that does not depend on the host's whole list is found once for each distinct package.
    """

    def __init__(self, table: PackageTable, indexes: Mapping[str, EcosystemIndex]) -> None:
        self._table = table
        self._indexes = indexes
        self._incomplete = PerPackage(_is_incomplete)
        self._stated = stated_sources(table.packages())
        self._sourced: dict[tuple[str, ...], PerPackage[InstalledPackage]] = {}
        self._epoch_holders: dict[Source, list[InstalledPackage]] = {}
        self._packages_read = 0

    def complete(
        self, packages: tuple[InstalledPackage, ...], ecosystems: tuple[str, ...], ecosystem: str
    ) -> tuple[InstalledPackage, ...]:
        """A host's packages with their sources, epochs and module streams, where they are known.

        `ecosystems` are those whose feeds speak of the host, `ecosystem` its own.
        """
        if not any(self._incomplete.of(packages)):
            return packages
        packages = tuple(self._with_sources(ecosystems).of(packages))
        packages = self._with_epochs(packages)
        index = self._indexes.get(ecosystem)
        return packages if index is None else tuple(index.guide.resolve(packages, self._table))

    def _with_sources(self, ecosystems: tuple[str, ...]) -> PerPackage[InstalledPackage]:
        """Fills in sources that an inventory left out, where other hosts or a feed name them."""
        sourced = self._sourced.get(ecosystems)
        if sourced is None:
            sourced = self._sourced[ecosystems] = PerPackage(
                lambda package: self._named(package, ecosystems)
            )
        return sourced

    def _named(self, package: InstalledPackage, ecosystems: tuple[str, ...]) -> InstalledPackage:
        if not package.sourceless:
            return package
        twin = self._stated.get((package.ecosystem, package.name, package.version))
        if twin is not None:
            return self._table.change(
                package,
                source=twin.source,
                source_version=twin.source_version,
                borrowed=twin.borrowed,
            )
        candidates = (self._source_of(package, self._indexes[name]) for name in ecosystems)
        source = next(filter(None, candidates), "")
        return self._table.change(package, source=source) if source else package

    def _source_of(self, package: InstalledPackage, index: EcosystemIndex) -> str:
        """The source in the feed's lists of binaries. Ubuntu has many kernels with similar names,
        so their sources follow from name and version."""
        possible = ubuntu_sources(package.name, package.version)
        if not package.ecosystem.startswith("Ubuntu:") or not possible:
            return index.source_of(package.name)
        return next((source for source in possible if source in index.sources), "")

    def _with_epochs(self, packages: tuple[InstalledPackage, ...]) -> tuple[InstalledPackage, ...]:
        """Fill in the epochs of source versions; file names of source RPMs have none."""
        positions = [position for position, package in enumerate(packages) if package.borrowed]
        if not positions:
            return packages
        known = self._known_epoch_holders()
        here = frozenset(packages)
        changed = list(packages)
        for position in positions:
            package = packages[position]
            holders = known.get((package.ecosystem, package.source, package.source_version), ())
            present = [holder for holder in holders if holder in here]
            if present:
                full = _last(present, packages).source_version
                changed[position] = self._table.change(package, source_version=full, borrowed=False)
        return tuple(changed)

    def _known_epoch_holders(self) -> Mapping[Source, Sequence[InstalledPackage]]:
        packages = self._table.packages()
        if len(packages) != self._packages_read:
            for source, holders in epoch_holders(packages[self._packages_read :]).items():
                self._epoch_holders.setdefault(source, []).extend(holders)
            self._packages_read = len(packages)
        return self._epoch_holders


def _is_incomplete(package: InstalledPackage) -> bool:
    return package.sourceless or package.borrowed or (package.modular and not package.streams)


def _last(
    holders: Sequence[InstalledPackage], packages: tuple[InstalledPackage, ...]
) -> InstalledPackage:
    """Where the source versions differ, the holder that is last in the host's list."""
    if len({holder.source_version for holder in holders}) == 1:
        return holders[0]
    return max(holders, key=packages.index)
