"""Tell which CVEs a transaction fixes: match the versions before and after, and compare.

Only the transaction and the platform decide, not what else is installed: hosts with equal
transactions fix the same CVEs. Only what a kernel of rpm's comes beside is asked of the host.
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
    """For each transition, in their order, the CVEs that apply to its source package before and no
    longer after. `source_versions` as in `models.resolution.Resolution`.

    No CVE counts as fixed where no feed can judge the new version, because a plan promises it.
    """
    changes = _Changes(matched, host)
    groups: dict[str, list[tuple[InstalledPackage | None, InstalledPackage | None]]] = defaultdict(
        list
    )
    sources = []
    for transition in transitions:
        pair = changes.step(transition, source_versions.get(transition.package, ""))
        package = pair[1] or pair[0]
        sources.append(package.source if package is not None else transition.source)
        groups[sources[-1]].append(pair)
    gone = {source: changes.gone(pairs) for source, pairs in groups.items()}
    return tuple(gone[source] for source in sources)


def in_order(cves: frozenset[str] | set[str]) -> tuple[str, ...]:
    """CVE ids sorted by year and number, and by text where those are equal."""
    return tuple(sorted(cves, key=lambda cve: (*cve_order(cve), cve)))


def built_from(matched: Matched, host: HostInput) -> Mapping[str, frozenset[str]]:
    """Source package, as findings name it -> the host's installed binaries of it. Meta packages of
    Debian's kernel are among them, because an update of the kernel updates them."""
    binaries: dict[str, set[str]] = defaultdict(set)
    for package, installed in _with_installed(host.facts, matched.software[host.software]):
        binaries[installed.source].add(package.name)
    return {source: frozenset(names) for source, names in binaries.items()}


def _with_installed(
    facts: HostFacts, software: Software
) -> Iterator[tuple[Package, InstalledPackage]]:
    """(discovered package, the same as matching sees it). Hosts with equal software have equal
    packages in the same order."""
    return zip(facts.packages, software.packages, strict=True)


class _Changes:
    """The transitions of one host as pairs of packages, before and after."""

    def __init__(self, matched: Matched, host: HostInput) -> None:
        self._matched = matched
        self._software = matched.software[host.software]
        # By name and architecture, then by version: kernels of rpm's have several.
        self._installed: dict[tuple[str, str], dict[str, InstalledPackage]] = defaultdict(dict)
        for package, installed in _with_installed(host.facts, self._software):
            self._installed[package.name, package.arch][package.version] = installed

    def step(
        self, transition: Transition, source_version: str
    ) -> tuple[InstalledPackage | None, InstalledPackage | None]:
        """The package before and after, None where there is no such version. Before one that comes
        beside its older versions is the newest of these."""
        versions = self._installed.get((transition.package, transition.arch), {})
        before = self._newest(versions.values())
        if transition.from_:
            known = versions.get(transition.from_)
            before = known or self._as_installed(transition, transition.from_, "")
        after = None
        if transition.to:
            after = self._as_installed(transition, transition.to, source_version)
        return before, after

    def _newest(self, packages: Iterable[InstalledPackage]) -> InstalledPackage | None:
        scheme = self._software.platform.scheme
        return next(iter(newest_of(packages, scheme)), None) if scheme is not None else None

    def _as_installed(
        self, transition: Transition, version: str, source_version: str
    ) -> InstalledPackage:
        package = Package(
            name=transition.package,
            version=version,
            arch=transition.arch,
            source=transition.source,
            source_version=source_version,
        )
        return self._matched.as_installed(package, self._software)

    def gone(
        self, pairs: Sequence[tuple[InstalledPackage | None, InstalledPackage | None]]
    ) -> tuple[str, ...]:
        """The CVEs that apply to a package of the source before, and to none after."""
        # What is removed takes its CVEs along only where something else of its source comes: by
        # itself it may come back any day.
        remaining = [after for _, after in pairs if after is not None]
        if not self._counts(remaining):
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

    def _counts(self, packages: Sequence[InstalledPackage]) -> bool:
        """False for headers and meta packages of a kernel that come without a kernel: its
        vulnerabilities are not in them."""
        scheme = self._software.platform.scheme
        kernels = Splitter(self._matched.table).split(packages, "", scheme, managed=True)
        return bool(kernels.rest or kernels.newest)
