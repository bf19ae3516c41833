"""Why something is, or is not, affected: the same rule as for findings, with every step told."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...models.advisory import NameKind
from ...models.assessment import AffectedPackage, Finding, FindingState
from ...models.exclusions import Rules, excluding
from ...models.explain import Explanation, Judgement
from ...models.facts import HostFacts, PendingUpdate
from ...models.priority import Threat
from ...models.words import count, some
from ..matching.index import EcosystemIndex, Entry
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
from ..matching.units import Unit
from ..versions import InvalidVersionError
from .assess import Assessor
from .fleet import HostInput, Software
from .outlived import OldCode

# (host, source package) -> what keeps the host from the fix, as far as plans and runs tell
Stuck = Callable[[str, str], str]
# (host, names of a package and its source) -> what of the newest plan excludes it, in words
Excluded = Callable[[str, Collection[str]], str]

_MOST = 200  # judgements of one answer; more are counted


@dataclass(frozen=True)
class _Case:
    """An entry that speaks of a unit: what it says alone, and `others` that speak of the same
    CVEs in it."""

    unit: Unit
    software: Software
    index: EcosystemIndex
    entry: Entry
    alone: Verdict
    weighed: Weighed
    others: Mapping[str, list[Entry]]

    def on(self, cve: str) -> tuple[Verdict, Entry]:
        """What all advisories together say of one CVE, and the one that decided."""
        if not self.alone.affected:
            return self.alone, self.entry
        other = self.weighed.settled.get(cve)
        if other is not None:
            return Verdict(False, Why.SETTLED, other.affected.fixed), other
        if outranked(self.entry, cve, self.index):
            higher = max(self.others[cve], key=lambda entry: entry.rank)
            return Verdict(False, Why.OVERRULED, higher.affected.fixed), higher
        return self.alone, self.entry


class Explainer:
    """Answers over an assessor whose walk has ended."""

    def __init__(
        self, assessor: Assessor, stuck: Stuck, excluded: Excluded = lambda host, names: ""
    ) -> None:
        self._assessor = assessor
        self._stuck = stuck
        self._excluded = excluded
        self._rules = Rules(assessor.exclusions)
        self._findings: dict[str, dict[str, Finding]] = {
            name: {one.cve: one for one in found} for name, found in assessor.findings()
        }
        self._facts = {host.name: host.facts for host in assessor.hosts}
        self._hosts: dict[str, list[HostInput]] = defaultdict(list)
        for host in assessor.hosts:
            self._hosts[host.software].append(host)

    def cve(self, cve: str, only: frozenset[str]) -> Explanation:
        """Every installed package that an advisory with this CVE speaks of. `only`: these hosts,
        empty for all."""
        names = {
            (index.ecosystem, entry.affected.name)
            for index in self._assessor.matched.indexes.values()
            for buckets in (index.sources, index.binaries)
            for bucket in buckets.values()
            for entry in bucket.all()
            if cve in entry.advisory.cves
        }
        found = list(self._judgements(lambda unit: True, {cve}, only))
        facts = list(self._known(cve))
        if not names:
            facts.append("no advisory in the feeds speaks of it for a system of this fleet")
        elif not found:
            listed = some(sorted({name for _, name in names}), 8)
            facts.append(f"advisories speak of it, but no host has an affected package: {listed}")
        return self._made("cve", cve, facts, found)

    def package(self, name: str, only: frozenset[str]) -> Explanation:
        """Every advisory that applies to a package, by source or binary name."""
        found = [
            one
            for one in self._judgements(lambda unit: name in (unit.name, unit.source), None, only)
            if one.affected
        ]
        facts = [*self._installed(name, only), *self._excluding(name, only)]
        facts += self._unspoken(name, only)
        if facts and not found:
            facts.append("no advisory in the feeds applies to these versions")
        return self._made("package", name, facts, found)

    def host(self, host: HostInput) -> Explanation:
        """Every finding of a host."""
        findings = self._findings.get(host.name, {})
        found = [
            one
            for one in self._judgements(lambda unit: True, set(findings), frozenset({host.name}))
            if one.affected
        ]
        return self._made("host", host.name, list(self._about(host)), found)

    def _made(
        self, kind: str, subject: str, facts: list[str], found: list[Judgement]
    ) -> Explanation:
        ordered = sorted(found, key=_order)
        if len(ordered) > _MOST:
            facts.append(f"{len(ordered)} judgements; the first {_MOST} are shown")
        summary = self._assessor.summary()
        return Explanation(
            kind=kind,
            subject=subject,
            as_of=self._assessor.today,
            facts=tuple(facts),
            judgements=tuple(ordered[:_MOST]),
            warnings=summary.warnings,
        )

    # --- facts on the subject -------------------------------------------------------------------

    def _known(self, cve: str) -> Iterator[str]:
        threat = self._assessor.intelligence({cve}).bare(cve)
        yield from threat_lines(threat)

    def _installed(self, name: str, only: frozenset[str]) -> Iterator[str]:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for digest, software in self._assessor.matched.software.items():
            hosts = [one for one in self._hosts[digest] if not only or one.name in only]
            for unit in software.units:
                if name in (unit.name, unit.source) and hosts:
                    counts[unit.name, unit.version] += len(hosts)
        for (binary, version), hosts_with in sorted(counts.items()):
            yield f"{binary} {version} on {count(hosts_with, 'host')}"

    def _unspoken(self, name: str, only: frozenset[str]) -> Iterator[str]:
        """Builds of a package of which no feed speaks, so that nothing is known of them."""
        matched = self._assessor.matched
        for digest, software in matched.software.items():
            if not any(not only or host.name in only for host in self._hosts[digest]):
                continue
            for unit in software.units:
                if name in (unit.name, unit.source) and not matched.covers(unit, software):
                    yield f"no feed speaks of {unit.name} {unit.version}: nothing is known of it"

    def _excluding(self, name: str, only: frozenset[str]) -> Iterator[str]:
        """The exclusions that hold for a package, by source or binary name, on how many hosts."""
        counts: dict[str, int] = defaultdict(int)
        for host in self._assessor.hosts:
            rules = self._rules.on(host.name) if not only or host.name in only else ()
            units = self._assessor.matched.software[host.software].units if rules else ()
            named = [(one.name, one.source) for one in units if name in (one.name, one.source)]
            said = {rule.said for pair in named if (rule := excluding(rules, pair))}
            for words in said:
                counts[words] += 1
        for words, hosts in sorted(counts.items()):
            yield f"excluded on {count(hosts, 'host')} by {words}"

    def _about(self, host: HostInput) -> Iterator[str]:
        software = self._assessor.matched.software[host.software]
        facts = host.facts
        name = facts.os.pretty_name or f"{facts.os.id} {facts.os.version_id}".strip()
        yield f"system: {name}, matched as {software.platform.label}"
        if not software.ecosystems:
            yield "no feed covers this system: nothing is known of its packages"
        support = {one.ecosystem: one for one in self._assessor.summary().releases}
        release = support.get(software.platform.label)
        if release is not None and release.support != "unknown":
            yield f"support: {release.support}" + (f" ({release.note})" if release.note else "")
        if facts.kernel.running:
            yield f"running kernel: {facts.kernel.running}"
        context = host.context
        why = f" ({context.exposure_why})" if context.exposure_why else ""
        yield f"exposure: {context.exposure.value}{why}"
        yield f"criticality: {context.criticality.name.lower()}"
        held = [package.name for package in facts.packages if package.held]
        if held:
            yield f"held on purpose: {some(held, 10)}"
        yield from _waiting(facts)
        for rule in self._rules.on(host.name):
            fitting = sorted(
                {one.name for one in facts.packages if rule.fits((one.name, one.source))}
            )
            if fitting:
                yield f"excluded: {some(fitting, 10)} by {rule.said}"
        stuck = self._stuck(host.name, "")
        if stuck:
            yield f"patching: {stuck}"

    # --- judgements -----------------------------------------------------------------------------

    def _judgements(
        self, wanted: Callable[[Unit], bool], cves: set[str] | None, only: frozenset[str]
    ) -> Iterator[Judgement]:
        """`cves`: only these; None: all."""
        for digest, software in self._assessor.matched.software.items():
            hosts = [one for one in self._hosts[digest] if not only or one.name in only]
            if not hosts:
                continue
            kernels = self._assessor.matched.kernels(software, hosts[0].facts)
            units = (*kernels.rest, *kernels.running)
            for case in self._cases(units, software, wanted, cves):
                for cve in case.entry.advisory.cves:
                    if cves is None or cve in cves:
                        yield from self._told(case, cve, hosts)
            yield from self._outlived(hosts, software, wanted, cves)

    def _outlived(
        self,
        hosts: list[HostInput],
        software: Software,
        wanted: Callable[[Unit], bool],
        cves: set[str] | None,
    ) -> Iterator[Judgement]:
        """What processes still run of packages that were replaced, where that has the CVE and what
        is installed has not."""
        running: dict[OldCode, list[HostInput]] = defaultdict(list)
        for host in hosts:
            for code in self._assessor.outlived(host).known:
                running[code].append(host)
        for code, there in running.items():
            for case in self._cases((ran for _, ran in code.binaries), software, wanted, cves):
                for cve in case.entry.advisory.cves:
                    if not case.on(cve)[0].affected:
                        continue
                    states = {
                        package.state
                        for host in there
                        if (finding := self._findings[host.name].get(cve)) is not None
                        for package in finding.packages
                        if package.source == code.source
                    }
                    if (cves is None or cve in cves) and FindingState.NOT_EFFECTIVE in states:
                        yield from self._told(case, cve, there)

    def _cases(
        self,
        units: Iterable[Unit],
        software: Software,
        wanted: Callable[[Unit], bool],
        cves: set[str] | None,
    ) -> Iterator[_Case]:
        matched = self._assessor.matched
        reaches = software.platform.reaches
        for unit in units:
            if not wanted(unit):
                continue
            indexes = matched.indexes_of(unit, software)
            try:
                weighed = weigh(unit, indexes, reaches)
            except InvalidVersionError:
                continue
            others: dict[str, list[Entry]] = defaultdict(list)
            spoken = [(index, entry) for index in indexes for entry in entries_of(unit, index)]
            for _, entry in spoken:
                for cve in entry.advisory.cves:
                    others[cve].append(entry)
            for index, entry in spoken:
                if cves is None or not cves.isdisjoint(entry.advisory.cves):
                    versions = versions_of(unit, index.scheme)
                    alone = judge_alone(unit, versions, entry, index, reaches)
                    yield _Case(unit, software, index, entry, alone, weighed, others)

    def _told(self, case: _Case, cve: str, hosts: list[HostInput]) -> Iterator[Judgement]:
        """One judgement for the hosts that agree in what follows from it."""
        groups: dict[tuple[Finding | None, str], list[str]] = defaultdict(list)
        for host in hosts:
            finding = self._findings[host.name].get(cve) if case.on(cve)[0].affected else None
            groups[finding, self._kept_away(host, finding, case.unit)].append(host.name)
        for (finding, excluded), names in groups.items():
            yield self._judgement(case, cve, finding, excluded, names)

    def _kept_away(self, host: HostInput, finding: Finding | None, unit: Unit) -> str:
        """The rules that keep the update of this package away, now and in the newest plan."""
        if finding is None or finding.state is FindingState.WAIVED:
            return ""
        names = (unit.name, unit.source)
        rule = excluding(self._rules.on(host.name), names)
        said = (rule.said if rule else "", self._excluded(host.name, names))
        return "; ".join(dict.fromkeys(filter(None, said)))

    def _delivers(self, host: str, package: AffectedPackage | None) -> str:
        """The repository of the host that has the offered version."""
        if package is None or not package.offered:
            return ""
        same = [one for one in self._facts[host].pending if one.candidate == package.offered]
        # A kernel is offered under another name; else two packages may have one version.
        own = [one for one in same if one.name in package.binaries] or same
        return _repository(own[0]) if own else ""

    def _judgement(
        self, case: _Case, cve: str, finding: Finding | None, excluded: str, names: list[str]
    ) -> Judgement:
        unit, entry = case.unit, case.entry
        verdict, decider = case.on(cve)
        by_source = entry.affected.kind is NameKind.SOURCE or bool(entry.listed)
        package = next(
            (one for one in finding.packages if one.source == unit.source), None
        ) if finding else None  # fmt: skip
        stuck = self._stuck(names[0], unit.source) if finding and len(names) == 1 else ""
        return Judgement(
            hosts=tuple(sorted(names)),
            cve=cve,
            package=unit.name,
            installed=unit.version,
            source=unit.source,
            compared=unit.source_version if by_source else unit.version,
            ecosystem=case.index.ecosystem,
            advisory=entry.advisory.id,
            feed=entry.feed,
            affected=verdict.affected,
            why=verdict.why.value,
            range=_range(entry),
            channel=entry.affected.channel,
            decided_by=decider.advisory.id,
            decided_in=decider.feed,
            weighed=tuple(dict.fromkeys(one.advisory.id for one in case.others[cve])),
            fixed=verdict.fixed,
            state=(package.state if package else finding.state).value if finding else "",
            offered=package.offered if package else "",
            repository=self._delivers(names[0], package),
            decision=finding.decision.value if finding else "",
            due=finding.due or "" if finding else "",
            rule=finding.rule if finding else "",
            reasons=finding.reasons if finding else (),
            waiver=finding.waiver if finding else "",
            excluded=excluded,
            stuck=_why_stuck(finding, package.note if package else "", stuck),
        )


def _waiting(facts: HostFacts) -> Iterator[str]:
    """What on the host goes on without the updates that are installed."""
    if facts.reboot_required:
        asked = some(facts.reboot_packages, 10)
        yield f"waits for a reboot{f', which is wanted by {asked}' if asked else ''}"
    if old := sorted({one.unit or one.command for one in facts.stale_processes}):
        yield f"on replaced files: {some(old, 10)}"


def _repository(update: PendingUpdate) -> str:
    """A repository by the names in its Release file."""
    return " ".join(part for part in (update.label or update.origin, update.codename) if part)


def _why_stuck(finding: Finding | None, note: str, stuck: str) -> str:
    if finding is None or finding.state is FindingState.WAIVED:
        return ""
    return "; ".join(part for part in (note, stuck) if part)


def _range(entry: Entry) -> str:
    affected = entry.affected
    if entry.branches:
        return "before " + " or ".join(fixed for _, _, fixed in entry.branches)
    start = f"from {affected.introduced} " if affected.introduced else ""
    if affected.versions:
        count = len(affected.versions)
        return f"{count} listed versions" if count > 1 else f"the listed {affected.versions[0]}"
    if affected.fixed:
        return f"{start}before {affected.fixed}"
    if affected.last_affected:
        return f"{start}up to {affected.last_affected}"
    return f"{start}every version" if start else "every version"


def _order(one: Judgement) -> tuple[bool, str, str, str, tuple[str, ...]]:
    return not one.affected, one.due or "9999", one.source, one.package, one.hosts


def threat_lines(threat: Threat) -> Iterator[str]:
    """What is known of a CVE, whatever the host."""
    if threat.cvss:
        cvss = threat.cvss
        yield f"CVSS {cvss.version} {cvss.score:.1f} ({cvss.source}) {cvss.vector}"
    if threat.kev:
        kev = threat.kev
        ransom = ", used by ransomware" if kev.ransomware else ""
        yield f"known exploited since {kev.added}{ransom}"
    if threat.epss:
        yield f"EPSS {threat.epss.score:.5f}, percentile {threat.epss.percentile:.3f}"
    points = {
        "exploitation": threat.exploitation,
        "automatable": threat.automatable,
        "technical impact": threat.technical_impact,
    }
    said = [f"{name} {value}" for name, value in points.items() if value]
    if said:
        yield f"SSVC: {', '.join(said)}"
    if threat.published:
        yield f"published {threat.published}"
