"""From what applies to packages to findings: one for each CVE on each host, with its state.

What is alike is made once: per distinct set of binaries of one source, per distinct context.
Hosts then only point to it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from msgspec import structs

from ...models.advisory import Severity, VendorStatus
from ...models.assessment import AffectedPackage, FindingState
from ...models.words import day
from ..matching.kernels import Kernels
from ..matching.match import Hit
from ..matching.units import Unit
from .fleet import HostInput, Matched, Software
from .offers import NO_OFFERS, Offers
from .outlived import OldCode, Outlived, outlived

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """A CVE in the packages of some hosts, before priority: identity is enough to share it."""

    cve: str
    packages: tuple[AffectedPackage, ...]
    state: FindingState
    severity: Severity
    vectors: tuple[str, ...]
    published: str
    fix_published: str

    @property
    def package(self) -> AffectedPackage:
        """The one that decides."""
        return self.packages[0]

    @property
    def fixable(self) -> bool:
        """Whether the operator can remove it now."""
        return self.state in (FindingState.FIXABLE, FindingState.NOT_EFFECTIVE)


# A package whose state comes first here decides for the finding: what can be done, then what
# cannot.
_DECIDES = [
    FindingState.FIXABLE,
    FindingState.NOT_EFFECTIVE,
    FindingState.NOT_IN_REPOSITORIES,
    FindingState.END_OF_LIFE,
    FindingState.WONT_FIX,
    FindingState.NO_FIX,
]


class Finder:
    """Findings of hosts, one host at a time. `ended` are ecosystems without support at the date;
    `shared` the software that several hosts have."""

    def __init__(
        self, matched: Matched, ended: Mapping[str, str], shared: Collection[str] = ()
    ) -> None:
        self._matched = matched
        self._ended = ended
        self._shared = shared
        self._known: dict[tuple[str, str, bool], tuple[Core, ...]] = {}
        self._groups: dict[_Place, dict[tuple[object, ...], dict[str, Core]]] = defaultdict(dict)
        self._merged: dict[tuple[Core, Core], Core] = {}
        self._with_old: dict[tuple[tuple[Core, ...], tuple[OldCode, ...]], tuple[Core, ...]] = {}
        # Packages whose old code runs in an unknown version -> hosts that `of` was asked for.
        self.unknown: dict[Unit, dict[str, None]] = defaultdict(dict)

    def of(self, host: HostInput) -> tuple[Core, ...]:
        """The host's findings, not ranked. Of hosts with the same software and kernel, on which the
        same old code runs, it is the same tuple."""
        cores = self._installed(host)
        old = self.outlived(host)
        software = self._matched.software[host.software]
        for unit in old.unknown:
            if self._matched.covers(unit, software):
                self.unknown[unit][host.name] = None
        if not old.known:
            return cores
        place = (cores, old.known)
        found = self._with_old.get(place)
        if found is None:
            merged = {core.cve: core for core in cores}
            for code in old.known:
                for cve, core in self._old_code(code, software).items():
                    seen = merged.get(cve)
                    merged[cve] = core if seen is None else self._merge(seen, core)
            found = self._with_old[place] = tuple(merged.values())
        return found

    def _installed(self, host: HostInput) -> tuple[Core, ...]:
        """Findings of what is installed and of the kernel that runs."""
        if host.software not in self._shared:
            return self._of(host)
        kernel = host.facts.kernel
        place = (host.software, kernel.running, kernel.managed)
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._of(host)
        return found

    def _of(self, host: HostInput) -> tuple[Core, ...]:
        software = self._matched.software[host.software]
        offers = Offers.of(host.facts, software.platform.scheme, software.held)
        kernels = self._matched.kernels(software, host.facts)
        known = self._groups[_place(software)]
        found: dict[str, Core] = {}
        for units in self._by_source(kernels.rest, software):
            place = (units, offers.of_names(units))
            group = known.get(place)
            if group is None:
                group = known[place] = self._make(units, software, offers)
            if found.keys().isdisjoint(group):
                found.update(group)
                continue
            for cve, core in group.items():
                seen = found.get(cve)
                found[cve] = core if seen is None else self._merge(seen, core)
        for cve, core in self._kernel(kernels, software, offers).items():
            seen = found.get(cve)
            # The kernel first, not the headers beside it, where both are in one state.
            found[cve] = core if seen is None else self._merge(core, seen)
        return tuple(found.values())

    def outlived(self, host: HostInput) -> Outlived:
        """The code of replaced packages that the host still runs."""
        units = self._matched.software[host.software].units
        return outlived(host.facts, units, self._matched.table)

    def _old_code(self, code: OldCode, software: Software) -> dict[str, Core]:
        """The CVEs that are fixed in what is installed and not in what runs."""
        known = self._groups[_place(software)]
        found = known.get((code,))
        if found is None:
            installed, ran = zip(*code.binaries, strict=True)
            open_now = self._make(dict.fromkeys(installed), software, NO_OFFERS)
            found = known[(code,)] = {
                cve: _still_running(core, code)
                for cve, core in self._make(dict.fromkeys(ran), software, NO_OFFERS).items()
                if cve not in open_now
            }
        return found

    def _merge(self, one: Core, other: Core) -> Core:
        found = self._merged.get((one, other))
        if found is None:
            found = self._merged[one, other] = _merged(one, other)
        return found

    def _by_source(self, units: Sequence[Unit], software: Software) -> Iterator[tuple[Unit, ...]]:
        """The units of every source that anything applies to."""
        groups: dict[str, list[Unit]] = defaultdict(list)
        hits = self._matched.all_of(software)
        for unit in compress(units, map(hits.__getitem__, units)):
            groups[unit.source].append(unit)
        return map(tuple, groups.values())

    def _kernel(self, kernels: Kernels, software: Software, offers: Offers) -> dict[str, Core]:
        """Kernels have rules of their own."""
        if not kernels.running:
            return {}
        known = self._groups[_place(software)]
        place = (kernels.running, kernels.newest, kernels.note, *offers.key)
        found = known.get(place)
        if found is None:
            now = self._make(kernels.running, software, offers, note=kernels.note)
            later = self._make(kernels.newest, software, NO_OFFERS)
            found = known[place] = {
                cve: core if cve in later else _pending_reboot(core, kernels.newest)
                for cve, core in now.items()
            }
        return found

    def _make(
        self,
        units: Iterable[Unit],
        software: Software,
        offers: Offers,
        note: str = "",
    ) -> dict[str, Core]:
        by_cve: dict[str, list[tuple[Unit, Hit]]] = defaultdict(list)
        for unit in units:
            for hit in self._matched.extra(unit, software):
                for cve in hit.cves:
                    by_cve[cve].append((unit, hit))
        ended = self._ended.get(software.platform.ecosystem, "")
        return {cve: _core(cve, pairs, offers, ended, note) for cve, pairs in by_cve.items()}


_Place = tuple[str, str, frozenset[str]]


def _place(software: Software) -> _Place:
    """What else than its units decides on a host's findings; cheap to hash, unlike the platform."""
    platform = software.platform
    return platform.ecosystem, platform.minor, platform.channels


def _core(cve: str, pairs: list[tuple[Unit, Hit]], offers: Offers, ended: str, note: str) -> Core:
    by_source: dict[tuple[str, str], list[tuple[Unit, Hit]]] = defaultdict(list)
    for unit, hit in pairs:
        by_source[unit.ecosystem, unit.source].append((unit, hit))
    packages = sorted(
        (_package(group, offers, ended, note) for group in by_source.values()), key=_deciding
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
    group: list[tuple[Unit, Hit]], offers: Offers, ended: str, note: str
) -> AffectedPackage:
    units = sorted(
        {unit for unit, _ in group}, key=lambda unit: (unit.name, unit.arch, unit.version)
    )
    source = units[0].source
    first = next((unit for unit in units if unit.name == source), units[0])
    hits = [hit for _, hit in group]
    plain = [(unit, hit) for unit, hit in group if hit.fixed and not hit.missing_channel]
    advisories = tuple(sorted({hit.entry.advisory.id for hit in hits}))
    state, fixed, offered, held = FindingState.NO_FIX, "", "", False
    deciding = hits[0]
    if plain:
        # Binaries of one source may have versions of their own (openssh has pam_ssh_agent_auth
        # 0.10.4): the fix that is shown is of the binary that is shown.
        first = next((unit for unit in units if any(unit is one for one, _ in plain)), first)
        first = next((unit for unit, _ in plain if unit.name == source), first)
        own = [hit for unit, hit in plain if unit is first]
        hit = min(own, key=lambda one: one.entry.fixed or b"")
        deciding, fixed = hit, hit.fixed
        offer = offers.for_fix(units, hit, first)
        offered, held = offer.version, offer.held
        state = FindingState.FIXABLE if offer.delivers else FindingState.NOT_IN_REPOSITORIES
        note = note or offer.note
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
        binaries=tuple(dict.fromkeys(unit.name for unit in units)),
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
    affected = [hit.entry.affected for hit in hits]
    said = next((one.note for one in affected if one.note), "")
    statuses = {one.status for one in affected}
    if ended or VendorStatus.END_OF_LIFE in statuses:
        return FindingState.END_OF_LIFE, ended or said or note
    if VendorStatus.WONT_FIX in statuses:
        return FindingState.WONT_FIX, said or note
    return FindingState.NO_FIX, said or note


def _deciding(package: AffectedPackage) -> tuple[int, str]:
    return _DECIDES.index(package.state), package.source


def _merged(one: Core, other: Core) -> Core:
    """The same CVE in several sources of a host."""
    packages = tuple(sorted((*one.packages, *other.packages), key=_deciding))
    known = [core.severity for core in (one, other) if core.severity is not Severity.UNKNOWN]
    return Core(
        cve=one.cve,
        packages=packages,
        state=packages[0].state,
        severity=min(known, key=_ORDER.index, default=Severity.UNKNOWN),
        vectors=tuple(dict.fromkeys((*one.vectors, *other.vectors))),
        published=min(filter(None, (one.published, other.published)), default=""),
        fix_published=min(filter(None, (one.fix_published, other.fix_published)), default=""),
    )


def _pending_reboot(core: Core, newest: tuple[Unit, ...]) -> Core:
    """The running kernel has it, the newest installed one does not."""
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
    """What is installed does not have it any more, what runs does."""
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
