"""From what applies to packages to findings: one for each CVE on each host, with its state.

What is alike is made once: per distinct set of binaries of one source, per distinct context.
Hosts then only point to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from msgspec import structs

from ..models.advisory import Severity, VendorStatus
from ..models.assessment import AffectedPackage, FindingState
from ..models.facts import HostFacts
from .fleet import HostInput, Matched, Software
from .match import Hit
from .offers import NO_OFFERS, Offers
from .outlived import OldCode, Outlived, outlived
from .units import Unit

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
    """Findings of hosts, one host at a time. `ended` are ecosystems without support at the date."""

    def __init__(self, matched: Matched, ended: Mapping[str, str]) -> None:
        self._matched = matched
        self._ended = ended
        self._groups: dict[tuple[object, ...], dict[str, Core]] = {}
        self._merged: dict[tuple[Core, Core], Core] = {}
        self._sources: dict[str, tuple[tuple[Unit, ...], ...]] = {}
        # Packages whose old code runs in an unknown version -> hosts that `of` was asked for.
        self.unknown: dict[Unit, dict[str, None]] = defaultdict(dict)

    def of(self, host: HostInput) -> list[Core]:
        """The host's findings, not ranked."""
        software = self._matched.software[host.software]
        offers = Offers.of(host.facts, software.platform.scheme)
        found: dict[str, Core] = {}
        for units in self._by_source(host, software):
            for cve, core in self._group(units, software, offers).items():
                seen = found.get(cve)
                found[cve] = core if seen is None else self._merge(seen, core)
        for cve, core in self._kernel(host.facts, software, offers).items():
            seen = found.get(cve)
            # The kernel first, not the headers beside it, where both are in one state.
            found[cve] = core if seen is None else self._merge(core, seen)
        old = self.outlived(host)
        for unit in old.unknown:
            if self._matched.covers(unit, software):
                self.unknown[unit][host.name] = None
        for code in old.known:
            for cve, core in self._old_code(code, software).items():
                seen = found.get(cve)
                found[cve] = core if seen is None else self._merge(seen, core)
        return list(found.values())

    def outlived(self, host: HostInput) -> Outlived:
        """The code of replaced packages that the host still runs."""
        units = self._matched.software[host.software].units
        return outlived(host.facts, units, self._matched.table)

    def _old_code(self, code: OldCode, software: Software) -> dict[str, Core]:
        """The CVEs that are fixed in what is installed and not in what runs."""
        place = (code, *_place(software))
        found = self._groups.get(place)
        if found is None:
            installed, ran = zip(*code.binaries, strict=True)
            open_now = self._make(dict.fromkeys(installed), software, NO_OFFERS)
            found = self._groups[place] = {
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

    def _by_source(self, host: HostInput, software: Software) -> tuple[tuple[Unit, ...], ...]:
        """The units of every source that anything applies to; kernels have rules of their own."""
        known = self._sources.get(host.software)
        if known is None:
            kernels = self._matched.kernels(software, host.facts)
            groups: dict[str, list[Unit]] = defaultdict(list)
            hits = self._matched.all_of(software)
            for unit in kernels.rest:
                if hits[unit]:
                    groups[unit.source].append(unit)
            known = tuple(tuple(group) for group in groups.values())
            self._sources[host.software] = known
        return known

    def _group(
        self, units: tuple[Unit, ...], software: Software, offers: Offers
    ) -> dict[str, Core]:
        place = (units, *_place(software), offers.of_names(units))
        found = self._groups.get(place)
        if found is None:
            found = self._groups[place] = self._make(units, software, offers)
        return found

    def _kernel(self, facts: HostFacts, software: Software, offers: Offers) -> dict[str, Core]:
        kernels = self._matched.kernels(software, facts)
        if not kernels.running:
            return {}
        place = (kernels.running, kernels.newest, *_place(software), offers.key)
        found = self._groups.get(place)
        if found is None:
            now = self._make(kernels.running, software, offers, note=kernels.note)
            later = self._make(kernels.newest, software, NO_OFFERS)
            found = {
                cve: core if cve in later else _pending_reboot(core, kernels.newest)
                for cve, core in now.items()
            }
            self._groups[place] = found
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
                for cve in self._counted(unit, hit, software):
                    by_cve[cve].append((unit, hit))
        ended = self._ended.get(software.platform.ecosystem, "")
        return {cve: _core(cve, pairs, offers, ended, note) for cve, pairs in by_cve.items()}

    def _counted(self, unit: Unit, hit: Hit, software: Software) -> Iterator[str]:
        """The CVEs of an advisory on which no feed with more authority speaks."""
        entry = hit.entry
        for index in self._matched.indexes_of(unit, software):
            if index.ecosystem == entry.affected.ecosystem:
                for cve in entry.advisory.cves:
                    if index.authority.get((entry.affected.name, cve), 0) <= entry.rank:
                        yield cve


def _place(software: Software) -> tuple[object, ...]:
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
    units = sorted({unit for unit, _ in group}, key=lambda unit: (unit.name, unit.arch))
    source = units[0].source
    first = next((unit for unit in units if unit.name == source), units[0])
    hits = [hit for _, hit in group]
    plain = [(unit, hit) for unit, hit in group if hit.fixed and not hit.missing_channel]
    advisories = tuple(sorted({hit.entry.advisory.id for hit in hits}))
    state, fixed, offered, held = FindingState.NO_FIX, "", "", False
    if plain:
        # Binaries of one source may have versions of their own (openssh has pam_ssh_agent_auth
        # 0.10.4): the fix that is shown is of the binary that is shown.
        first = next((unit for unit in units if any(unit is one for one, _ in plain)), first)
        first = next((unit for unit, _ in plain if unit.name == source), first)
        own = [hit for unit, hit in plain if unit is first]
        hit = min(own, key=lambda one: one.entry.fixed or b"")
        fixed = hit.fixed
        offer = offers.for_fix(units, hit, first)
        offered, held = offer.version, offer.held
        state = FindingState.FIXABLE if offer.delivers else FindingState.NOT_IN_REPOSITORIES
        note = note or offer.note
    elif elsewhere := [hit for hit in hits if hit.fixed]:
        fixed = elsewhere[0].fixed
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
    return datetime.fromtimestamp(min(known), UTC).date().isoformat() if known else ""
