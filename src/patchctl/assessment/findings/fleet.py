"""The whole fleet as distinct units: what is alike on many hosts is looked at once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import filterfalse

from ...models.advisory import Advisory, FeedKind
from ...models.facts import HostFacts, Package
from ...models.priority import Context
from ...models.versions import VersionScheme
from ..matching.enrich import Enricher
from ..matching.index import EcosystemIndex
from ..matching.installed import InstalledPackage, PackageTable, PerPackage
from ..matching.kernels import Kernels, Splitter
from ..matching.match import Hit, flavour_is_known, match
from ..matching.platforms import Platform, platform_of, related
from ..matching.suites import Suites
from ..versions import InvalidVersionError


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
    """What one distinct package list comes to: its units, and the names of those that the operator
    holds."""

    platform: Platform
    ecosystems: tuple[str, ...]
    units: tuple[InstalledPackage, ...]
    held: frozenset[str] = frozenset()


@dataclass
class Matched:
    """Units and what applies to them, each distinct unit once."""

    indexes: dict[str, EcosystemIndex]
    software: dict[str, Software]
    table: PackageTable
    suites: Suites
    hits: dict[tuple[Platform, tuple[str, ...]], dict[InstalledPackage, tuple[Hit, ...]]] = field(
        default_factory=dict
    )
    invalid: set[InstalledPackage] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._splitter = Splitter(self.table)

    def all_of(self, software: Software) -> dict[InstalledPackage, tuple[Hit, ...]]:
        """What applies to the units of this software and of all with the same platform; units that
        nothing applies to are there with nothing."""
        shelf = self.hits.setdefault((software.platform, software.ecosystems), {})
        for unit in filterfalse(shelf.__contains__, software.units):
            shelf[unit] = self._match(unit, software)
        return shelf

    def extra(self, unit: InstalledPackage, software: Software) -> tuple[Hit, ...]:
        """What applies to a unit that may not be installed: a kernel that runs."""
        shelf = self.all_of(software)
        if unit not in shelf:
            shelf[unit] = self._match(unit, software)
        return shelf[unit]

    def cves(self, unit: InstalledPackage, software: Software) -> frozenset[str] | None:
        """What applies to a unit, be it installed or not; where feeds differ, by the one with most
        authority. None where nothing can be said: no feed covers it, or its version is none."""
        hits = self.extra(unit, software)
        if not self.covers(unit, software):
            return None
        return frozenset(cve for hit in hits for cve in hit.cves)

    def unit(self, package: Package, software: Software) -> InstalledPackage:
        """The unit of a package that may not be installed on this system."""
        return self.suites.of(self.table.of((package,), software.platform))[0]

    def _match(self, unit: InstalledPackage, software: Software) -> tuple[Hit, ...]:
        try:
            return match(unit, self.indexes_of(unit, software), software.platform.reaches)
        except InvalidVersionError:
            self.invalid.add(unit)
            return ()

    def indexes_of(self, unit: InstalledPackage, software: Software) -> Sequence[EcosystemIndex]:
        """The indexes that speak of a unit."""
        names = (
            software.ecosystems
            if unit.ecosystem == software.platform.ecosystem
            else (unit.ecosystem,)
        )
        return [self.indexes[name] for name in names if name in self.indexes]

    def kernels(self, software: Software, facts: HostFacts) -> Kernels:
        """The units with the kernel that runs on this host."""
        return self._splitter.split(
            software.units,
            facts.kernel.running,
            software.platform.scheme,
            managed=facts.kernel.managed,
        )

    def not_covered(self, hosts: Iterable[HostInput]) -> dict[str, int]:
        """Installed packages that no feed speaks of, each on each host, by ecosystem."""
        labels: dict[tuple[Platform, tuple[str, ...]], PerPackage[str]] = {}
        found: Counter[str] = Counter()
        for digest, number in Counter(host.software for host in hosts).items():
            software = self.software[digest]
            place = (software.platform, software.ecosystems)
            known = labels.get(place)
            if known is None:
                known = labels[place] = self._uncovered(software)
            for label, count in Counter(filter(None, known.of(software.units))).items():
                found[label] += count * number
        return dict(sorted(found.items()))

    def _uncovered(self, software: Software) -> PerPackage[str]:
        """Of units of this platform: the ecosystem to count them under, empty where a feed speaks
        of them."""
        label = software.platform.label
        return PerPackage(
            lambda unit: "" if self.covers(unit, software) else unit.ecosystem or label
        )

    def covers(self, unit: InstalledPackage, software: Software) -> bool:
        """Whether a feed speaks of the unit; of another flavour than the plain one only one with
        advisories for it."""
        indexes = self.indexes_of(unit, software)
        if unit in self.invalid or not any(index.covers(unit.source) for index in indexes):
            return False
        return all(flavour_is_known(unit, index) for index in indexes)


def look(hosts: Sequence[HostInput], available: Sequence[str], advisories: Advisories) -> Matched:
    """Normalise the fleet and index the advisories that it needs."""
    software: dict[str, Software] = {}
    table = PackageTable()
    ecosystems: dict[Platform, tuple[str, ...]] = {}
    for host in hosts:
        if host.software not in software:
            platform = platform_of(host.facts)
            if platform not in ecosystems:
                ecosystems[platform] = related(platform, available)
            packages = host.facts.packages
            software[host.software] = Software(
                platform,
                ecosystems[platform],
                table.of(packages, platform),
                table.held(packages),
            )
    sources: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for unit in table.units():
        sources[unit.ecosystem][unit.name].add(unit.source)
    indexes = {}
    for name, scheme in _wanted(software.values()).items():
        known: Mapping[str, frozenset[str]] = {
            binary: frozenset(found) for binary, found in sources[name].items()
        }
        arches = {unit.arch for unit in table.units() if unit.ecosystem == name}
        indexes[name] = EcosystemIndex.build(name, scheme, advisories(name), known, arches)
    completer = Enricher(table, indexes)
    completed = {
        digest: completer.complete(one.units, one.ecosystems, one.platform.ecosystem)
        for digest, one in software.items()
    }
    suites = Suites(
        table,
        indexes,
        available,
        lambda name, only: EcosystemIndex.build(
            name, VersionScheme.DEB, advisories(name), {}, only=only
        ),
    )
    for digest, one in software.items():
        units = suites.of(completed[digest])
        if units != one.units:
            software[digest] = replace(one, units=units)
    return Matched(indexes, software, table, suites)


def _wanted(software: Iterable[Software]) -> dict[str, VersionScheme]:
    wanted: dict[str, VersionScheme] = {}
    for one in software:
        for name in one.ecosystems:
            if one.platform.scheme is not None:
                wanted[name] = one.platform.scheme
    return wanted
