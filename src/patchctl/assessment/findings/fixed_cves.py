"""Which CVEs a transaction removes: the rule that finds them, asked of both versions.

Only the transaction and the platform decide, not what else a host has installed: hosts with equal
transactions remove the same. Only what a kernel of rpm's comes beside is asked of the host.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...models.facts import HostFacts, Package
from ...models.plan import Transition
from ..matching.installed import InstalledPackage
from ..matching.kernels import Splitter, newest_of
from .fleet import HostInput, Matched, Software
from .ranking import cve_order


def fixed_cves_of(
    matched: Matched,
    host: HostInput,
    transitions: Sequence[Transition],
    source_versions: Mapping[str, str],
) -> tuple[tuple[str, ...], ...]:
    """For each transition the CVEs that apply to its source package before and no longer after, in
    their order. `source_versions` as in `models.resolution.Resolution`.

    Nothing is removed where a feed can't judge the new version: a promise must be one.
    """
    changes = _Changes(matched, host)
    groups: dict[str, list[tuple[InstalledPackage | None, InstalledPackage | None]]] = defaultdict(
        list
    )
    sources = []
    for one in transitions:
        pair = changes.step(one, source_versions.get(one.package, ""))
        unit = pair[1] or pair[0]
        sources.append(unit.source if unit is not None else one.source)
        groups[sources[-1]].append(pair)
    gone = {source: changes.gone(pairs) for source, pairs in groups.items()}
    return tuple(gone[source] for source in sources)


def in_order(cves: frozenset[str] | set[str]) -> tuple[str, ...]:
    """By year and number, and by text where those are the same."""
    return tuple(sorted(cves, key=lambda cve: (*cve_order(cve), cve)))


def built_from(matched: Matched, host: HostInput) -> Mapping[str, frozenset[str]]:
    """Source package as findings name it -> the host's installed binaries of it. Debian's kernel
    comes through meta packages, which are no kernel but are what gets updated."""
    found: dict[str, set[str]] = defaultdict(set)
    for package, unit in _units(host.facts, matched.software[host.software]):
        found[unit.source].add(package.name)
    return {source: frozenset(names) for source, names in found.items()}


def _units(facts: HostFacts, software: Software) -> Iterator[tuple[Package, InstalledPackage]]:
    """Equal software is equal packages in one order, so the units stand in the same one."""
    return zip(facts.packages, software.units, strict=True)


class _Changes:
    """The transitions of one host as units before and after."""

    def __init__(self, matched: Matched, host: HostInput) -> None:
        self._matched = matched
        self._software = matched.software[host.software]
        # By name and architecture, then by version: kernels of rpm's have several.
        self._installed: dict[tuple[str, str], dict[str, InstalledPackage]] = defaultdict(dict)
        for package, unit in _units(host.facts, self._software):
            self._installed[package.name, package.arch][package.version] = unit

    def step(
        self, one: Transition, source_version: str
    ) -> tuple[InstalledPackage | None, InstalledPackage | None]:
        """The units before and after, None where there is no such version. Before one that comes
        beside its older versions is the newest of these."""
        there = self._installed.get((one.package, one.arch), {})
        before = self._newest(there.values())
        if one.from_:
            before = there.get(one.from_) or self._unit(one, one.from_, "")
        after = self._unit(one, one.to, source_version) if one.to else None
        return before, after

    def _newest(self, units: Iterable[InstalledPackage]) -> InstalledPackage | None:
        scheme = self._software.platform.scheme
        return next(iter(newest_of(units, scheme)), None) if scheme is not None else None

    def _unit(self, one: Transition, version: str, source_version: str) -> InstalledPackage:
        package = Package(
            name=one.package,
            version=version,
            arch=one.arch,
            source=one.source,
            source_version=source_version,
        )
        return self._matched.unit(package, self._software)

    def gone(
        self, pairs: Sequence[tuple[InstalledPackage | None, InstalledPackage | None]]
    ) -> tuple[str, ...]:
        """What applies to a unit before and to none after."""
        # What is removed takes its CVEs along only where something else of its source comes: by
        # itself it may come back any day.
        kept = [after for _, after in pairs if after is not None]
        if not self._counts(kept):
            return ()
        earlier: set[str] = set()
        still: set[str] = set()
        for before, after in pairs:
            if after is not None:
                later = self._matched.cves(after, self._software)
                if later is None:
                    return ()
                still |= later
            if before is not None:
                earlier |= self._matched.cves(before, self._software) or frozenset()
        return in_order(earlier - still)

    def _counts(self, units: Sequence[InstalledPackage]) -> bool:
        """False for headers and meta packages of a kernel that come without a kernel: its
        vulnerabilities are not in them."""
        scheme = self._software.platform.scheme
        found = Splitter(self._matched.table).split(units, "", scheme, managed=True)
        return bool(found.rest or found.newest)
