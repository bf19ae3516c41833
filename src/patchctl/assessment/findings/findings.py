"""Make findings of the advisories that apply: one for each CVE on each host, with its state.

Equal findings are made once, for each distinct set of binaries of one source. Hosts share the
objects.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from msgspec import structs

from ...models.advisory import Severity, VendorStatus
from ...models.assessment import AffectedPackage, FindingState
from ...models.words import day
from ..matching.installed import InstalledPackage
from ..matching.kernels import Kernels
from ..matching.match import Hit
from .available_fixes import NO_AVAILABLE_FIXES, AvailableFixes
from .fleet import HostInput, Matched, Software
from .running_code import OldCode, RunningCode, find_running_code

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """A CVE in the packages of some hosts, before it has a priority. Compared by identity, so that
    hosts can share it cheaply."""

    cve: str
    packages: tuple[AffectedPackage, ...]
    state: FindingState
    severity: Severity
    vectors: tuple[str, ...]
    published: str
    fix_published: str

    @property
    def package(self) -> AffectedPackage:
        """The package that decides the state of the finding."""
        return self.packages[0]

    @property
    def fixable(self) -> bool:
        """Whether the operator can remove it now."""
        return self.state in (FindingState.FIXABLE, FindingState.NOT_EFFECTIVE)


# Of a finding's packages the one whose state comes first here decides: states that an operator can
# resolve, then those that nobody can.
_DECIDES = [
    FindingState.FIXABLE,
    FindingState.NOT_EFFECTIVE,
    FindingState.NOT_IN_REPOSITORIES,
    FindingState.END_OF_LIFE,
    FindingState.WONT_FIX,
    FindingState.NO_FIX,
]


class Finder:
    """Makes the findings of hosts, one host at a time.

    `ended` maps ecosystems without support at the date to a note; `shared` are the digests of
    software that several hosts have.
    """

    def __init__(
        self, matched: Matched, ended: Mapping[str, str], shared: Collection[str] = ()
    ) -> None:
        self._matched = matched
        self._ended = ended
        self._shared = shared
        self._known: dict[tuple[str, str, bool], tuple[Core, ...]] = {}
        self._groups: dict[_PlatformKey, dict[tuple[object, ...], dict[str, Core]]] = defaultdict(
            dict
        )
        self._merged: dict[tuple[Core, Core], Core] = {}
        self._with_old: dict[tuple[tuple[Core, ...], tuple[OldCode, ...]], tuple[Core, ...]] = {}
        # Package whose old code runs in an unknown version -> hosts on which it does.
        self.unknown: dict[InstalledPackage, dict[str, None]] = defaultdict(dict)

    def about(self, cves: Collection[str]) -> "Finder":
        """A finder of these CVEs alone, which is much faster where they are few."""
        finder = Finder(self._matched.about(cves), self._ended, self._shared)
        finder.unknown = self.unknown
        return finder

    def of(self, host: HostInput) -> tuple[Core, ...]:
        """The host's findings, not ranked. Hosts with the same software and kernel, on which the
        same old code runs, get the same tuple."""
        cores = self._installed(host)
        old = self.running_code(host)
        software = self._matched.software[host.software]
        for package in old.unknown:
            if self._matched.covers(package, software):
                self.unknown[package][host.name] = None
        if not old.known:
            return cores
        key = (cores, old.known)
        with_old = self._with_old.get(key)
        if with_old is None:
            merged = {core.cve: core for core in cores}
            for code in old.known:
                for cve, core in self._old_code(code, software).items():
                    seen = merged.get(cve)
                    merged[cve] = core if seen is None else self._merge(seen, core)
            with_old = self._with_old[key] = tuple(merged.values())
        return with_old

    def _installed(self, host: HostInput) -> tuple[Core, ...]:
        """Findings of the installed packages and of the running kernel."""
        if host.software not in self._shared:
            return self._of(host)
        kernel = host.facts.kernel
        key = (host.software, kernel.running, kernel.managed)
        cores = self._known.get(key)
        if cores is None:
            cores = self._known[key] = self._of(host)
        return cores

    def _of(self, host: HostInput) -> tuple[Core, ...]:
        software = self._matched.software[host.software]
        available = AvailableFixes.of(host.facts, software.platform.scheme, software.held)
        kernels = self._matched.kernels(software, host.facts)
        known = self._groups[_platform_key(software)]
        by_cve: dict[str, Core] = {}
        for packages in self._by_source(kernels.rest, software):
            key = (packages, available.key_of(packages))
            group = known.get(key)
            if group is None:
                group = known[key] = self._make(packages, software, available)
            if by_cve.keys().isdisjoint(group):
                by_cve.update(group)
                continue
            for cve, core in group.items():
                seen = by_cve.get(cve)
                by_cve[cve] = core if seen is None else self._merge(seen, core)
        kernel = self._kernel(kernels, software, available)
        if by_cve.keys().isdisjoint(kernel):
            by_cve.update(kernel)
            return tuple(by_cve.values())
        for cve, core in kernel.items():
            seen = by_cve.get(cve)
            # Where both are in one state, the kernel comes first, not its headers.
            by_cve[cve] = core if seen is None else self._merge(core, seen)
        return tuple(by_cve.values())

    def running_code(self, host: HostInput) -> RunningCode:
        """The code of replaced packages that the host still runs."""
        packages = self._matched.software[host.software].packages
        return find_running_code(host.facts, packages, self._matched.table)

    def _old_code(self, code: OldCode, software: Software) -> dict[str, Core]:
        """The CVEs that are fixed in the installed version, but not in the one that runs."""
        known = self._groups[_platform_key(software)]
        cores = known.get((code,))
        if cores is None:
            installed, ran = zip(*code.binaries, strict=True)
            open_now = self._make(dict.fromkeys(installed), software, NO_AVAILABLE_FIXES)
            cores = known[(code,)] = {
                cve: _still_running(core, code)
                for cve, core in self._make(
                    dict.fromkeys(ran), software, NO_AVAILABLE_FIXES
                ).items()
                if cve not in open_now
            }
        return cores

    def _merge(self, first: Core, second: Core) -> Core:
        merged = self._merged.get((first, second))
        if merged is None:
            merged = self._merged[first, second] = _merged(first, second)
        return merged

    def _by_source(
        self, packages: Sequence[InstalledPackage], software: Software
    ) -> Iterator[tuple[InstalledPackage, ...]]:
        """Packages to which an advisory applies, grouped by source."""
        groups: dict[str, list[InstalledPackage]] = defaultdict(list)
        hits = self._matched.all_of(software)
        for package in compress(packages, map(hits.__getitem__, packages)):
            groups[package.source].append(package)
        return map(tuple, groups.values())

    def _kernel(
        self, kernels: Kernels, software: Software, available: AvailableFixes
    ) -> dict[str, Core]:
        """The CVEs of the running kernel; those that the newest one fixes need a reboot."""
        if not kernels.running:
            return {}
        known = self._groups[_platform_key(software)]
        key = (kernels.running, kernels.newest, kernels.note, *available.key)
        cores = known.get(key)
        if cores is None:
            now = self._make(kernels.running, software, available, note=kernels.note)
            later = self._make(kernels.newest, software, NO_AVAILABLE_FIXES)
            cores = known[key] = {
                cve: core if cve in later else _pending_reboot(core, kernels.newest)
                for cve, core in now.items()
            }
        return cores

    def _make(
        self,
        packages: Iterable[InstalledPackage],
        software: Software,
        available: AvailableFixes,
        note: str = "",
    ) -> dict[str, Core]:
        by_cve: dict[str, list[tuple[InstalledPackage, Hit]]] = defaultdict(list)
        only = self._matched.only
        for package in packages:
            for hit in self._matched.extra(package, software):
                for cve in hit.cves:
                    if only is None or cve in only:
                        by_cve[cve].append((package, hit))
        ended = self._ended.get(software.platform.ecosystem, "")
        return {cve: _core(cve, pairs, available, ended, note) for cve, pairs in by_cve.items()}


_PlatformKey = tuple[str, str, frozenset[str]]


def _platform_key(software: Software) -> _PlatformKey:
    """What decides on a host's findings besides its packages; cheaper to hash than the platform."""
    platform = software.platform
    return platform.ecosystem, platform.minor, platform.channels


def _core(
    cve: str,
    pairs: list[tuple[InstalledPackage, Hit]],
    available: AvailableFixes,
    ended: str,
    note: str,
) -> Core:
    by_source: dict[tuple[str, str], list[tuple[InstalledPackage, Hit]]] = defaultdict(list)
    for package, hit in pairs:
        by_source[package.ecosystem, package.source].append((package, hit))
    packages = sorted(
        (_package(group, available, ended, note) for group in by_source.values()), key=_deciding
    )
    hits = [hit for _, hit in pairs]
    severities = {hit.entry.affected.severity or hit.entry.advisory.severity for hit in hits}
    severities.discard(Severity.UNKNOWN)
    fixes = [hit.entry.advisory.published for hit in hits if hit.fixed]
    dates = [hit.entry.advisory.published for hit in hits]
    return Core(
        cve=cve,
        packages=tuple(packages),
        state=packages[0].state,
        severity=min(severities, key=_ORDER.index, default=Severity.UNKNOWN),
        vectors=tuple(dict.fromkeys(vector for hit in hits for vector in hit.entry.advisory.cvss)),
        published=_earliest(dates),
        fix_published=_earliest(fixes),
    )


def _package(
    group: list[tuple[InstalledPackage, Hit]], available: AvailableFixes, ended: str, note: str
) -> AffectedPackage:
    packages = sorted(
        {package for package, _ in group},
        key=lambda package: (package.name, package.arch, package.version),
    )
    source = packages[0].source
    first = next((package for package in packages if package.name == source), packages[0])
    hits = [hit for _, hit in group]
    plain = [(package, hit) for package, hit in group if hit.fixed and not hit.missing_channel]
    advisories = tuple(sorted({hit.entry.advisory.id for hit in hits}))
    state, fixed, offered, held = FindingState.NO_FIX, "", "", False
    deciding = hits[0]
    if plain:
        # Binaries of one source may have versions of their own (openssh has pam_ssh_agent_auth
        # 0.10.4), so the fix shown must be that of the binary shown.
        first = next(
            (package for package in packages if any(package is fixable for fixable, _ in plain)),
            first,
        )
        first = next((package for package, _ in plain if package.name == source), first)
        own = [hit for package, hit in plain if package is first]
        hit = min(own, key=lambda candidate: candidate.entry.fixed or b"")
        deciding, fixed = hit, hit.fixed
        fix = available.for_fix(packages, hit, first)
        offered, held = fix.version, fix.held
        state = FindingState.FIXABLE if fix.delivers else FindingState.NOT_IN_REPOSITORIES
        note = note or fix.note
    elif elsewhere := [hit for hit in hits if hit.fixed]:
        deciding, fixed = elsewhere[0], elsewhere[0].fixed
        state = FindingState.NOT_IN_REPOSITORIES
        note = f"the fix needs a subscription: {elsewhere[0].missing_channel}"
    else:
        state, note = _without_fix(hits, ended, note)
    return AffectedPackage(
        name=first.name,
        installed=first.version,
        source=source,
        ecosystem=first.ecosystem,
        binaries=tuple(dict.fromkeys(package.name for package in packages)),
        fixed=fixed,
        offered=offered,
        state=state,
        advisories=advisories,
        held=held,
        note=note,
        decided_by=deciding.entry.advisory.id,
        why=deciding.why.value,
    )


def _without_fix(hits: list[Hit], ended: str, note: str) -> tuple[FindingState, str]:
    packages = [hit.entry.affected for hit in hits]
    vendor_note = next((package.note for package in packages if package.note), "")
    statuses = {package.status for package in packages}
    if ended or VendorStatus.END_OF_LIFE in statuses:
        return FindingState.END_OF_LIFE, ended or vendor_note or note
    if VendorStatus.WONT_FIX in statuses:
        return FindingState.WONT_FIX, vendor_note or note
    return FindingState.NO_FIX, vendor_note or note


def _deciding(package: AffectedPackage) -> tuple[int, str]:
    return _DECIDES.index(package.state), package.source


def _merged(first: Core, second: Core) -> Core:
    """One finding for the same CVE in several sources of a host."""
    packages = tuple(sorted((*first.packages, *second.packages), key=_deciding))
    known = [core.severity for core in (first, second) if core.severity is not Severity.UNKNOWN]
    return Core(
        cve=first.cve,
        packages=packages,
        state=packages[0].state,
        severity=min(known, key=_ORDER.index, default=Severity.UNKNOWN),
        vectors=tuple(dict.fromkeys((*first.vectors, *second.vectors))),
        published=min(filter(None, (first.published, second.published)), default=""),
        fix_published=min(filter(None, (first.fix_published, second.fix_published)), default=""),
    )


def _pending_reboot(core: Core, newest: tuple[InstalledPackage, ...]) -> Core:
    """The finding for a CVE that the running kernel has and the newest installed one has not."""
    installed = newest[0].version if newest else ""
    packages = tuple(
        structs.replace(
            package,
            state=FindingState.NOT_EFFECTIVE,
            note=f"{installed} is installed but not booted: reboot",
            remedy="reboot",
        )
        for package in core.packages
    )
    return replace(core, packages=packages, state=FindingState.NOT_EFFECTIVE)


def _still_running(core: Core, code: OldCode) -> Core:
    """The finding for a CVE that the installed version fixes while old code still runs."""
    packages = tuple(
        structs.replace(
            package,
            installed=code.binaries[0][0].version,
            state=FindingState.NOT_EFFECTIVE,
            note=code.note,
            remedy=code.remedy,
        )
        for package in core.packages
    )
    return replace(core, packages=packages, state=FindingState.NOT_EFFECTIVE)


def _earliest(times: Iterable[int]) -> str:
    known = [time for time in times if time > 0]
    return day(min(known)) if known else ""
