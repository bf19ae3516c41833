"""The whole fleet as distinct units: what is alike on many hosts is looked at once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..models.advisory import Advisory, FeedKind
from ..models.facts import HostFacts
from ..models.priority import Context
from ..models.versions import VersionScheme
from .index import EcosystemIndex
from .kernels import Kernels, split
from .match import Hit, match
from .platforms import Platform, platform_of, related
from .units import Unit, UnitTable, learn_epochs, stated_sources
from .versions import InvalidVersionError


@dataclass(frozen=True)
class HostInput:
    """A host to assess. `software` is the same for hosts with the same packages and system."""

    name: str
    facts: HostFacts
    software: str
    context: Context
    groups: tuple[str, ...] = ()


# ecosystem -> (feed, kind, advisory), each advisory with that ecosystem's packages only.
Advisories = Callable[[str], Iterable[tuple[str, FeedKind, Advisory]]]


@dataclass(frozen=True)
class Software:
    """What one distinct package list comes to: its units, kernels apart, per distinct kernel."""

    platform: Platform
    ecosystems: tuple[str, ...]
    units: tuple[Unit, ...]


@dataclass
class Matched:
    """Units and what applies to them, each distinct unit once."""

    indexes: dict[str, EcosystemIndex]
    software: dict[str, Software]
    table: UnitTable
    hits: dict[tuple[Platform, tuple[str, ...]], dict[Unit, tuple[Hit, ...]]] = field(
        default_factory=dict
    )
    invalid: set[Unit] = field(default_factory=set)
    _kernels: dict[tuple[int, str, bool], Kernels] = field(default_factory=dict)

    def all_of(self, software: Software) -> dict[Unit, tuple[Hit, ...]]:
        """What applies to the units of this software and of all with the same platform; units that
        nothing applies to are there with nothing."""
        shelf = self.hits.setdefault((software.platform, software.ecosystems), {})
        for unit in software.units:
            if unit not in shelf:
                shelf[unit] = self._match(unit, software)
        return shelf

    def extra(self, unit: Unit, software: Software) -> tuple[Hit, ...]:
        """What applies to a unit that may not be installed: a kernel that runs."""
        shelf = self.all_of(software)
        if unit not in shelf:
            shelf[unit] = self._match(unit, software)
        return shelf[unit]

    def _match(self, unit: Unit, software: Software) -> tuple[Hit, ...]:
        hits: list[Hit] = []
        for index in self.indexes_of(unit, software):
            try:
                hits += match(unit, index, software.platform.reaches)
            except InvalidVersionError:
                self.invalid.add(unit)
        return tuple(hits)

    def indexes_of(self, unit: Unit, software: Software) -> Iterable[EcosystemIndex]:
        """The indexes that speak of a unit."""
        names = (
            software.ecosystems
            if unit.ecosystem == software.platform.ecosystem
            else (unit.ecosystem,)
        )
        return [self.indexes[name] for name in names if name in self.indexes]

    def kernels(self, software: Software, facts: HostFacts) -> Kernels:
        """The units with the kernel that runs on this host."""
        place = (id(software), facts.kernel.running, facts.kernel.managed)
        found = self._kernels.get(place)
        if found is None:
            scheme = software.platform.scheme
            running, managed = facts.kernel.running, facts.kernel.managed
            found = split(software.units, running, scheme, self.table, managed=managed)
            self._kernels[place] = found
        return found

    def not_covered(self, hosts: Iterable[HostInput]) -> dict[str, int]:
        """Installed packages that no feed speaks of, each on each host, by ecosystem."""
        weights = Counter(host.software for host in hosts)
        counts: dict[tuple[Platform, tuple[str, ...]], Counter[Unit]] = defaultdict(Counter)
        alike: dict[tuple[Platform, tuple[str, ...]], Software] = {}
        for digest, number in weights.items():
            software = self.software[digest]
            place = (software.platform, software.ecosystems)
            alike[place] = software
            for _ in range(number if number < _FEW else 1):
                counts[place].update(software.units)
            if number >= _FEW:
                counts[place].update(dict.fromkeys(software.units, number - 1))
        found: Counter[str] = Counter()
        for place, units in counts.items():
            for unit, number in units.items():
                if not self.covers(unit, alike[place]):
                    found[unit.ecosystem or place[0].label] += number
        return dict(sorted(found.items()))

    def covers(self, unit: Unit, software: Software) -> bool:
        """Whether a feed speaks of the unit."""
        return unit not in self.invalid and any(
            index.covers(unit.source) for index in self.indexes_of(unit, software)
        )


_FEW = 3  # adding a list a few times is cheaper than making a dictionary of it


def look(hosts: Sequence[HostInput], available: Sequence[str], advisories: Advisories) -> Matched:
    """Normalise the fleet and index the advisories that it needs."""
    software: dict[str, Software] = {}
    table = UnitTable()
    for host in hosts:
        if host.software not in software:
            platform = platform_of(host.facts)
            software[host.software] = Software(
                platform,
                related(platform, available),
                tuple(table.of(package, platform) for package in host.facts.packages),
            )
    every = {unit for one in software.values() for unit in one.units}
    sources: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for unit in every:
        sources[unit.ecosystem][unit.name].add(unit.source)
    indexes = {}
    for name, scheme in _wanted(software.values(), every, available).items():
        known: Mapping[str, frozenset[str]] = {
            binary: frozenset(found) for binary, found in sources[name].items()
        }
        indexes[name] = EcosystemIndex.build(name, scheme, advisories(name), known)
    stated = stated_sources(every)
    for digest, one in software.items():
        software[digest] = _resolved(_sourced(one, indexes, stated, table), indexes, table)
    return Matched(indexes, software, table)


def _wanted(
    software: Iterable[Software], units: Iterable[Unit], available: Sequence[str]
) -> dict[str, VersionScheme]:
    wanted: dict[str, VersionScheme] = {}
    for one in software:
        for name in one.ecosystems:
            if one.platform.scheme is not None:
                wanted[name] = one.platform.scheme
    if "Debian:sid" in available and any(unit.ecosystem == "Debian:sid" for unit in units):
        wanted["Debian:sid"] = VersionScheme.DEB
    return wanted


def _sourced(
    software: Software,
    indexes: Mapping[str, EcosystemIndex],
    stated: Mapping[tuple[str, str, str], Unit],
    table: UnitTable,
) -> Software:
    """With the sources that an inventory left out, where other hosts or a feed tell them."""
    units = list(software.units)
    for place, unit in enumerate(units):
        if not unit.sourceless:
            continue
        twin = stated.get((unit.ecosystem, unit.name, unit.version))
        if twin is not None:
            units[place] = table.change(
                unit,
                source=twin.source,
                source_version=twin.source_version,
                borrowed=twin.borrowed,
            )
            continue
        told = (indexes[name].source_of(unit.name) for name in software.ecosystems)
        if source := next(filter(None, told), ""):
            units[place] = table.change(unit, source=source)
    return replace(software, units=tuple(units))


def _resolved(
    software: Software, indexes: Mapping[str, EcosystemIndex], table: UnitTable
) -> Software:
    """With module streams, and with the epochs of source versions, where either can be told."""
    units = list(software.units)
    if any(unit.borrowed for unit in units):
        epochs = learn_epochs(units)
        for place, unit in enumerate(units):
            full = epochs.get((unit.ecosystem, unit.source, unit.source_version))
            if unit.borrowed and full:
                units[place] = table.change(unit, source_version=full, borrowed=False)
    index = indexes.get(software.platform.ecosystem)
    if index is not None:
        units = index.guide.resolve(units, table)
    return replace(software, units=tuple(units))
