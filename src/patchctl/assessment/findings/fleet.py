"""Match the distinct packages of a whole fleet with the advisories, each package once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
    """One distinct package list: its packages, and the names of those that the operator holds."""

    platform: Platform
    ecosystems: tuple[str, ...]
    packages: tuple[InstalledPackage, ...]
    held: frozenset[str] = frozenset()


@dataclass
class Matched:
    """The fleet's distinct packages, with the advisories that apply to each; of those only the ones
    with one of the CVEs `only`, None for all."""

    indexes: dict[str, EcosystemIndex]
    software: dict[str, Software]
    table: PackageTable
    suites: Suites
    hits: dict[tuple[Platform, tuple[str, ...]], dict[InstalledPackage, tuple[Hit, ...]]] = field(
        default_factory=dict
    )
    invalid: set[InstalledPackage] = field(default_factory=set)
    only: frozenset[str] | None = None

    def __post_init__(self) -> None:
        self._splitter = Splitter(self.table)

    def about(self, cves: Collection[str]) -> "Matched":
        """The same fleet, matched with those advisories alone that have one of these CVEs."""
        return replace(self, hits={}, only=frozenset(cves))

    def all_of(self, software: Software) -> dict[InstalledPackage, tuple[Hit, ...]]:
        """What applies to each package of this software, and of all software with the same
        platform. A package that nothing applies to has an empty tuple."""
        shelf = self.hits.setdefault((software.platform, software.ecosystems), {})
        for package in filterfalse(shelf.__contains__, software.packages):
            shelf[package] = self._match(package, software)
        return shelf

    def extra(self, package: InstalledPackage, software: Software) -> tuple[Hit, ...]:
        """What applies to a package that may not be installed, such as a running kernel."""
        shelf = self.all_of(software)
        if package not in shelf:
            shelf[package] = self._match(package, software)
        return shelf[package]

    def cves(self, package: InstalledPackage, software: Software) -> frozenset[str] | None:
        """The CVEs that apply to a package, installed or not. Where feeds differ, the one with the
        most authority counts. None where nothing can be said: no feed covers the package, or its
        version is invalid."""
        hits = self.extra(package, software)
        if not self.covers(package, software):
            return None
        return frozenset(cve for hit in hits for cve in hit.cves)

    def as_installed(self, package: Package, software: Software) -> InstalledPackage:
        """A discovered or planned package as matching sees it on this system."""
        return self.suites.of(self.table.of((package,), software.platform))[0]

    def _match(self, package: InstalledPackage, software: Software) -> tuple[Hit, ...]:
        try:
            indexes = self.indexes_of(package, software)
            return match(package, indexes, software.platform.reaches, self.only)
        except InvalidVersionError:
            self.invalid.add(package)
            return ()

    def indexes_of(self, package: InstalledPackage, software: Software) -> Sequence[EcosystemIndex]:
        """The indexes that speak of a package."""
        names = (
            software.ecosystems
            if package.ecosystem == software.platform.ecosystem
            else (package.ecosystem,)
        )
        return [self.indexes[name] for name in names if name in self.indexes]

    def kernels(self, software: Software, facts: HostFacts) -> Kernels:
        """The packages, with the kernel that runs on this host kept apart."""
        return self._splitter.split(
            software.packages,
            facts.kernel.running,
            software.platform.scheme,
            managed=facts.kernel.managed,
        )

    def not_covered(self, hosts: Iterable[HostInput]) -> dict[str, int]:
        """Ecosystem -> how many installed packages no feed speaks of; each host counts."""
        labels: dict[tuple[Platform, tuple[str, ...]], PerPackage[str]] = {}
        counts: Counter[str] = Counter()
        for digest, number in Counter(host.software for host in hosts).items():
            software = self.software[digest]
            shelf = (software.platform, software.ecosystems)
            known = labels.get(shelf)
            if known is None:
                known = labels[shelf] = self._uncovered(software)
            for label, count in Counter(filter(None, known.of(software.packages))).items():
                counts[label] += count * number
        return dict(sorted(counts.items()))

    def _uncovered(self, software: Software) -> PerPackage[str]:
        """For packages of this platform: the ecosystem to count each under, empty where a feed
        speaks of the package."""
        label = software.platform.label
        return PerPackage(
            lambda package: "" if self.covers(package, software) else package.ecosystem or label
        )

    def covers(self, package: InstalledPackage, software: Software) -> bool:
        """Whether a feed speaks of the package. A build of a special flavour is covered only where
        the feed has advisories for that flavour."""
        indexes = self.indexes_of(package, software)
        if package in self.invalid or not any(index.covers(package.source) for index in indexes):
            return False
        return all(flavour_is_known(package, index) for index in indexes)


def match_fleet(
    hosts: Sequence[HostInput], available: Sequence[str], advisories: Advisories
) -> Matched:
    """Normalise the packages of the fleet and index the advisories that it needs.

    `available` are the ecosystems that feeds speak of.
    """
    software: dict[str, Software] = {}
    table = PackageTable()
    ecosystems: dict[Platform, tuple[str, ...]] = {}
    for host in hosts:
        if host.software not in software:
            platform = platform_of(host.facts)
            if platform not in ecosystems:
                ecosystems[platform] = related(platform, available)
            discovered = host.facts.packages
            software[host.software] = Software(
                platform,
                ecosystems[platform],
                table.of(discovered, platform),
                table.held(discovered),
            )
    sources: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for package in table.packages():
        sources[package.ecosystem][package.name].add(package.source)
    indexes = {}
    for name, scheme in _schemes(software.values()).items():
        known: Mapping[str, frozenset[str]] = {
            binary: frozenset(names) for binary, names in sources[name].items()
        }
        arches = {package.arch for package in table.packages() if package.ecosystem == name}
        indexes[name] = EcosystemIndex.build(name, scheme, advisories(name), known, arches)
    enricher = Enricher(table, indexes)
    completed = {
        digest: enricher.complete(
            package_list.packages, package_list.ecosystems, package_list.platform.ecosystem
        )
        for digest, package_list in software.items()
    }
    suites = Suites(
        table,
        indexes,
        available,
        lambda name, only: EcosystemIndex.build(
            name, VersionScheme.DEB, advisories(name), {}, only=only
        ),
    )
    for digest, package_list in software.items():
        resolved = suites.of(completed[digest])
        if resolved != package_list.packages:
            software[digest] = replace(package_list, packages=resolved)
    return Matched(indexes, software, table, suites)


def _schemes(software: Iterable[Software]) -> dict[str, VersionScheme]:
    schemes: dict[str, VersionScheme] = {}
    for package_list in software:
        for name in package_list.ecosystems:
            if package_list.platform.scheme is not None:
                schemes[name] = package_list.platform.scheme
    return schemes
