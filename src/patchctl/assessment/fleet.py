"""The whole fleet as distinct units: what is alike on many hosts is looked at once."""

from collections import defaultdict
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
from .units import Unit, learn_epochs, unit_of
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
    hits: dict[tuple[Unit, frozenset[str]], tuple[Hit, ...]] = field(default_factory=dict)
    invalid: set[Unit] = field(default_factory=set)
    _kernels: dict[tuple[int, str, bool], Kernels] = field(default_factory=dict)

    def of(self, unit: Unit, software: Software) -> tuple[Hit, ...]:
        """What applies to a unit on hosts of this software."""
        place = (unit, software.platform.channels)
        found = self.hits.get(place)
        if found is None:
            found = self.hits[place] = self._match(unit, software)
        return found

    def _match(self, unit: Unit, software: Software) -> tuple[Hit, ...]:
        hits: list[Hit] = []
        for index in self.indexes_of(unit, software):
            try:
                hits += match(unit, index, software.platform.channels)
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
            found = split(software.units, running, scheme, managed=managed)
            self._kernels[place] = found
        return found

    def covered(self, unit: Unit, software: Software) -> bool:
        """Whether any feed speaks of a unit."""
        return unit not in self.invalid and any(
            index.covers(unit.source) for index in self.indexes_of(unit, software)
        )


def look(hosts: Sequence[HostInput], available: Sequence[str], advisories: Advisories) -> Matched:
    """Normalise the fleet and index the advisories that it needs."""
    software: dict[str, Software] = {}
    for host in hosts:
        if host.software not in software:
            platform = platform_of(host.facts)
            software[host.software] = Software(
                platform,
                related(platform, available),
                _units(host.facts, platform),
            )
    every = [unit for one in software.values() for unit in one.units]
    sources: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for unit in set(every):
        sources[unit.ecosystem][unit.name].add(unit.source)
    indexes = {}
    for name, scheme in _wanted(software.values(), every, available).items():
        known: Mapping[str, frozenset[str]] = {
            binary: frozenset(found) for binary, found in sources[name].items()
        }
        indexes[name] = EcosystemIndex.build(name, scheme, advisories(name), known)
    for digest, one in software.items():
        software[digest] = _resolved(one, indexes)
    return Matched(indexes, software)


def _units(facts: HostFacts, platform: Platform) -> tuple[Unit, ...]:
    return tuple(unit_of(package, platform) for package in facts.packages)


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


def _resolved(software: Software, indexes: Mapping[str, EcosystemIndex]) -> Software:
    """With module streams, and with the epochs of source versions, where either can be told."""
    units = list(software.units)
    epochs = learn_epochs(units)
    for place, unit in enumerate(units):
        if unit.borrowed:
            full = epochs.get((unit.ecosystem, unit.source, unit.source_version))
            if full:
                units[place] = replace(unit, source_version=full, borrowed=False)
    index = indexes.get(software.platform.ecosystem)
    if index is not None:
        units = index.guide.resolve(units)
    return replace(software, units=tuple(units))
