"""Judge installed packages by each advisory that speaks of them, each distinct package once.

Hosts that agree on a package (the same findings, rules and updates) are told together, so that the
cost grows with what differs and not with the hosts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...models.assessment import AffectedPackage, Finding, FindingState
from ...models.exclusions import Rules, excluding
from ...models.facts import PendingUpdate
from ..matching.index import AffectedEntry, EcosystemIndex
from ..matching.installed import InstalledPackage, PerPackage
from ..matching.match import (
    Verdict,
    Weighed,
    Why,
    entries_of,
    judge_alone,
    outranked,
    versions_of,
    weigh,
)
from ..versions import InvalidVersionError
from .assess import Assessor
from .fleet import HostInput, Software
from .running_code import OldCode

# (host, names of a package and its source) -> the exclusion of it in the newest plan, in words
Excluded = Callable[[str, Collection[str]], str]
_Shelf = tuple[object, ...]


@dataclass(frozen=True)
class Case:
    """An entry that speaks of a package: `alone` is its own verdict, `others` are CVE -> all
    entries that speak of it in this package."""

    package: InstalledPackage
    index: EcosystemIndex
    entry: AffectedEntry
    alone: Verdict
    weighed: Weighed
    others: Mapping[str, list[AffectedEntry]]

    def on(self, cve: str) -> tuple[Verdict, AffectedEntry]:
        """The verdict of all advisories together on one CVE, and the entry that decided."""
        if not self.alone.affected:
            return self.alone, self.entry
        other = self.weighed.settled.get(cve)
        if other is not None:
            return Verdict(False, Why.SETTLED, other.affected.fixed), other
        if outranked(self.entry, cve, self.index):
            higher = max(self.others[cve], key=lambda entry: entry.rank)
            return Verdict(False, Why.OVERRULED, higher.affected.fixed), higher
        return self.alone, self.entry


@dataclass(frozen=True)
class Opinion:
    """A case on one CVE, for hosts that agree: their finding (None where it is not affected), the
    exclusion and the repository that concern the package there. `hosts` are sorted."""

    case: Case
    cve: str
    finding: Finding | None
    excluded: str
    repository: str
    hosts: tuple[str, ...]

    @property
    def affected_package(self) -> AffectedPackage | None:
        """What the finding says of this source package."""
        packages = self.finding.packages if self.finding is not None else ()
        source = self.case.package.source
        return next((affected for affected in packages if affected.source == source), None)

    @property
    def state(self) -> str:
        """The state of the package's finding, empty where it is not affected."""
        if self.finding is None:
            return ""
        package = self.affected_package
        return (package.state if package is not None else self.finding.state).value


@dataclass
class _Agreeing:
    """Hosts with the same findings, exclusion and updates of a package."""

    findings: Mapping[str, Finding]
    excluded: str
    hosts: list[HostInput] = field(default_factory=list)


class Judge:
    """Gives the opinions on packages of some hosts. `cves` are judged, None for all; `excluded`
    tells what only the newest plan leaves out."""

    def __init__(
        self,
        assessor: Assessor,
        rules: Rules,
        excluded: Excluded,
        hosts: Sequence[HostInput],
        cves: frozenset[str] | None,
    ) -> None:
        self._assessor = assessor
        self._matched = assessor.matched
        self._rules = rules
        self._excluded = excluded
        self._hosts = hosts
        self._cves = cves
        self._findings = _shared_findings(assessor.findings(cves, hosts))
        self._cases: dict[tuple[_Shelf, InstalledPackage], list[Case]] = {}
        self._names: dict[tuple[int, ...], tuple[str, ...]] = {}
        self._repositories: dict[tuple[str, int], str] = {}
        self._kept: list[object] = []  # whose id() is a key above

    def opinions(self, is_wanted: Callable[[InstalledPackage, Software], bool]) -> list[Opinion]:
        """All opinions on the packages that `is_wanted` accepts."""
        return [*self._of_installed(is_wanted), *self._of_running_code(is_wanted)]

    def _of_installed(
        self, is_wanted: Callable[[InstalledPackage, Software], bool]
    ) -> Iterator[Opinion]:
        alike: dict[tuple[str, str, bool], list[HostInput]] = defaultdict(list)
        for host in self._hosts:
            kernel = host.facts.kernel
            alike[host.software, kernel.running, kernel.managed].append(host)
        holders: dict[tuple[_Shelf, InstalledPackage], list[HostInput]] = defaultdict(list)
        wanted: dict[_Shelf, PerPackage[bool]] = {}
        software_of: dict[_Shelf, Software] = {}
        for (digest, *_), hosts in alike.items():
            software = self._matched.software[digest]
            shelf = _shelf(software)
            if shelf not in wanted:
                software_of[shelf] = software
                wanted[shelf] = _asked(is_wanted, software)
            kernels = self._matched.kernels(software, hosts[0].facts)
            for package in filter(wanted[shelf].__getitem__, (*kernels.rest, *kernels.running)):
                holders[shelf, package] += hosts
        for (shelf, package), hosts in holders.items():
            cases = self._cases_of(package, software_of[shelf])
            yield from self._by_agreement(cases, package, hosts)

    def _of_running_code(
        self, is_wanted: Callable[[InstalledPackage, Software], bool]
    ) -> Iterator[Opinion]:
        """Opinions on replaced packages that processes still run, for CVEs that the running version
        has and the installed one has not."""
        running: dict[tuple[_Shelf, OldCode], tuple[Software, list[HostInput]]] = {}
        for host in self._hosts:
            if host.facts.stale_processes:
                software = self._matched.software[host.software]
                for code in self._assessor.running_code(host).known:
                    key = _shelf(software), code
                    running.setdefault(key, (software, []))[1].append(host)
        for (_, code), (software, hosts) in running.items():
            still_open = self._without_effect(code.source, hosts)
            for ran in dict.fromkeys(ran for _, ran in code.binaries):
                if is_wanted(ran, software):
                    cases = self._cases_of(ran, software)
                    yield from self._by_agreement(cases, ran, hosts, still_open)

    def _without_effect(self, source: str, hosts: Iterable[HostInput]) -> set[str]:
        """CVEs whose fix in this source is installed on one of the hosts and not effective."""
        distinct = {id(self._findings[host.name]): self._findings[host.name] for host in hosts}
        return {
            cve
            for findings in distinct.values()
            for cve, finding in findings.items()
            for package in finding.packages
            if package.source == source and package.state is FindingState.NOT_EFFECTIVE
        }

    def _cases_of(self, package: InstalledPackage, software: Software) -> list[Case]:
        key = _shelf(software), package
        if key not in self._cases:
            self._cases[key] = list(self._make_cases(package, software))
        return self._cases[key]

    def _make_cases(self, package: InstalledPackage, software: Software) -> Iterator[Case]:
        indexes = self._matched.indexes_of(package, software)
        reaches = software.platform.reaches
        try:
            weighed = weigh(package, indexes, reaches, self._cves)
        except InvalidVersionError:
            return
        entries = [
            (index, entry)
            for index in indexes
            for entry in entries_of(package, index)
            if self._cves is None or not self._cves.isdisjoint(entry.advisory.cves)
        ]
        others: dict[str, list[AffectedEntry]] = defaultdict(list)
        for _, entry in entries:
            for cve in entry.advisory.cves:
                others[cve].append(entry)
        for index, entry in entries:
            versions = versions_of(package, index.scheme)
            alone = judge_alone(package, versions, entry, index, reaches)
            yield Case(package, index, entry, alone, weighed, others)

    def _by_agreement(
        self,
        cases: Iterable[Case],
        package: InstalledPackage,
        hosts: Iterable[HostInput],
        still_open: Collection[str] | None = None,
    ) -> Iterator[Opinion]:
        """One opinion for each case, CVE, and hosts with the same finding, exclusion and
        repository. `still_open`: only what is affected by one of these CVEs, None for all."""
        agreeing = self._agreeing(package, hosts)
        for case in cases:
            for cve in case.entry.advisory.cves:
                if self._cves is not None and cve not in self._cves:
                    continue
                is_affected = case.on(cve)[0].affected
                if still_open is not None and not (is_affected and cve in still_open):
                    continue
                groups: dict[tuple[int, str, str], list[_Agreeing]] = defaultdict(list)
                findings: dict[int, Finding | None] = {}
                for group in agreeing:
                    finding = group.findings.get(cve) if is_affected else None
                    key = (id(finding), *self._around(group, package, finding))
                    findings[id(finding)] = finding
                    groups[key].append(group)
                for (number, excluded, repository), same in groups.items():
                    names = self._names_of(same)
                    yield Opinion(case, cve, findings[number], excluded, repository, names)

    def _agreeing(
        self, package: InstalledPackage, hosts: Iterable[HostInput]
    ) -> Collection[_Agreeing]:
        groups: dict[tuple[int, str, str], _Agreeing] = {}
        for host in hosts:
            findings = self._findings[host.name]
            excluded = self._kept_away(host.name, package) if findings else ""
            updates = host.software if host.facts.pending else ""
            group = groups.setdefault(
                (id(findings), excluded, updates), _Agreeing(findings, excluded)
            )
            group.hosts.append(host)
        self._kept += groups.values()
        return groups.values()

    def _kept_away(self, host: str, package: InstalledPackage) -> str:
        """The rules that keep the update of this package away, now and in the newest plan."""
        names = (package.name, package.source)
        rules = self._rules.on(host)
        rule = excluding(rules, names) if rules else None
        reasons = (rule.text if rule else "", self._excluded(host, names))
        return "; ".join(dict.fromkeys(filter(None, reasons)))

    def _around(
        self, group: _Agreeing, package: InstalledPackage, finding: Finding | None
    ) -> tuple[str, str]:
        """The exclusion and the repository that count for this finding."""
        if finding is None:
            return "", ""
        excluded = "" if finding.state is FindingState.WAIVED else group.excluded
        affected = next((row for row in finding.packages if row.source == package.source), None)
        if affected is None or not affected.offered:
            return excluded, ""
        host = group.hosts[0]
        key = host.software, id(affected)
        if key not in self._repositories:
            self._repositories[key] = _delivers(host.facts.pending, affected)
        return excluded, self._repositories[key]

    def _names_of(self, groups: Sequence[_Agreeing]) -> tuple[str, ...]:
        key = tuple(map(id, groups))
        if key not in self._names:
            self._names[key] = tuple(
                sorted({host.name for group in groups for host in group.hosts})
            )
        return self._names[key]


def _asked(
    is_wanted: Callable[[InstalledPackage, Software], bool], software: Software
) -> PerPackage[bool]:
    return PerPackage(lambda package: is_wanted(package, software))


def _shelf(software: Software) -> _Shelf:
    return software.platform, software.ecosystems


def _shared_findings(
    walk: Iterable[tuple[str, Sequence[Finding]]],
) -> dict[str, Mapping[str, Finding]]:
    """Host -> CVE -> finding; one object for hosts with equal findings, and for equal findings."""
    unique: dict[Finding, Finding] = {}
    by_id: dict[int, Finding] = {}
    made: dict[tuple[int, ...], Mapping[str, Finding]] = {}
    kept: list[Sequence[Finding]] = []  # so that an id() is not given to another finding
    found_on: dict[str, Mapping[str, Finding]] = {}
    for host, findings in walk:
        ids = tuple(map(id, findings))
        if ids not in made:
            kept.append(findings)
            for finding in findings:
                if id(finding) not in by_id:
                    by_id[id(finding)] = unique.setdefault(finding, finding)
            same = tuple(by_id[number] for number in ids)
            key = tuple(map(id, same))
            made[ids] = made.setdefault(key, {finding.cve: finding for finding in same})
        found_on[host] = made[ids]
    return found_on


def _delivers(pending: Iterable[PendingUpdate], affected: AffectedPackage) -> str:
    """The repository of the host that has the offered version."""
    same = [update for update in pending if update.candidate == affected.offered]
    # Two packages may have one version, so the name counts; a new kernel has another name.
    own = [update for update in same if update.name in affected.binaries] or same
    return _repository(own[0]) if own else ""


def _repository(update: PendingUpdate) -> str:
    """The name of a repository, from the fields of its Release file."""
    return " ".join(part for part in (update.label or update.origin, update.codename) if part)


def tally(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Distinct texts with how often each is there, the most frequent first."""
    return sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))
