"""Explain why something is, or is not, affected: the rule that makes findings, step by step."""

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
from ..matching.index import AffectedEntry, EcosystemIndex
from ..matching.installed import InstalledPackage
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

# (host, source package) -> what keeps the host from the fix, as plans and runs tell, in words
Stuck = Callable[[str, str], str]
# (host, names of a package and its source) -> the exclusion of it in the newest plan, in words
Excluded = Callable[[str, Collection[str]], str]

_MOST = 200  # judgements of one answer; more are counted


@dataclass(frozen=True)
class _Case:
    """An entry that speaks of a package: `alone` is its own verdict, `others` are CVE -> all
    entries that speak of it in this package."""

    package: InstalledPackage
    software: Software
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


class Explainer:
    """Explains hosts, CVEs and packages of a fleet. It walks all findings of the assessor."""

    def __init__(
        self, assessor: Assessor, stuck: Stuck, excluded: Excluded = lambda host, names: ""
    ) -> None:
        self._assessor = assessor
        self._stuck = stuck
        self._excluded = excluded
        self._rules = Rules(assessor.exclusions)
        self._findings: dict[str, dict[str, Finding]] = {
            name: {finding.cve: finding for finding in findings}
            for name, findings in assessor.findings()
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
        judgements = list(self._judgements(lambda package: True, {cve}, only))
        facts = list(self._known(cve))
        if not names:
            facts.append("no advisory in the feeds speaks of it for a system of this fleet")
        elif not judgements:
            listed = some(sorted({name for _, name in names}), 8)
            facts.append(f"advisories speak of it, but no host has an affected package: {listed}")
        return self._explanation("cve", cve, facts, judgements)

    def package(self, name: str, only: frozenset[str]) -> Explanation:
        """Every advisory that applies to a package, by source or binary name."""
        judgements = [
            judgement
            for judgement in self._judgements(
                lambda package: name in (package.name, package.source), None, only
            )
            if judgement.affected
        ]
        facts = [*self._installed(name, only), *self._excluding(name, only)]
        facts += self._unspoken(name, only)
        if facts and not judgements:
            facts.append("no advisory in the feeds applies to these versions")
        return self._explanation("package", name, facts, judgements)

    def host(self, host: HostInput) -> Explanation:
        """Every finding of a host."""
        findings = self._findings.get(host.name, {})
        judgements = [
            judgement
            for judgement in self._judgements(
                lambda package: True, set(findings), frozenset({host.name})
            )
            if judgement.affected
        ]
        return self._explanation("host", host.name, list(self._about(host)), judgements)

    def _explanation(
        self, kind: str, subject: str, facts: list[str], judgements: list[Judgement]
    ) -> Explanation:
        ordered = sorted(judgements, key=_order)
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
            hosts = [host for host in self._hosts[digest] if not only or host.name in only]
            for package in software.packages:
                if name in (package.name, package.source) and hosts:
                    counts[package.name, package.version] += len(hosts)
        for (binary, version), hosts_with in sorted(counts.items()):
            yield f"{binary} {version} on {count(hosts_with, 'host')}"

    def _unspoken(self, name: str, only: frozenset[str]) -> Iterator[str]:
        """Builds of a package that no feed speaks of, so that nothing is known of them."""
        matched = self._assessor.matched
        for digest, software in matched.software.items():
            if not any(not only or host.name in only for host in self._hosts[digest]):
                continue
            for package in software.packages:
                if name in (package.name, package.source) and not matched.covers(package, software):
                    build = f"{package.name} {package.version}"
                    yield f"no feed speaks of {build}: nothing is known of it"

    def _excluding(self, name: str, only: frozenset[str]) -> Iterator[str]:
        """The exclusions of a package (source or binary name), with how many hosts each is for."""
        counts: dict[str, int] = defaultdict(int)
        for host in self._assessor.hosts:
            rules = self._rules.on(host.name) if not only or host.name in only else ()
            packages = self._assessor.matched.software[host.software].packages if rules else ()
            named = [
                (package.name, package.source)
                for package in packages
                if name in (package.name, package.source)
            ]
            rule_texts = {rule.text for pair in named if (rule := excluding(rules, pair))}
            for text in rule_texts:
                counts[text] += 1
        for text, hosts in sorted(counts.items()):
            yield f"excluded on {count(hosts, 'host')} by {text}"

    def _about(self, host: HostInput) -> Iterator[str]:
        software = self._assessor.matched.software[host.software]
        facts = host.facts
        name = facts.os.pretty_name or f"{facts.os.id} {facts.os.version_id}".strip()
        yield f"system: {name}, matched as {software.platform.label}"
        if not software.ecosystems:
            yield "no feed covers this system: nothing is known of its packages"
        support = {release.ecosystem: release for release in self._assessor.summary().releases}
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
                {
                    package.name
                    for package in facts.packages
                    if rule.fits((package.name, package.source))
                }
            )
            if fitting:
                yield f"excluded: {some(fitting, 10)} by {rule.text}"
        stuck = self._stuck(host.name, "")
        if stuck:
            yield f"patching: {stuck}"

    # --- judgements -----------------------------------------------------------------------------

    def _judgements(
        self,
        is_wanted: Callable[[InstalledPackage], bool],
        cves: set[str] | None,
        only: frozenset[str],
    ) -> Iterator[Judgement]:
        """Judgements of the packages that `is_wanted` accepts. `cves`: only these; None: all."""
        for digest, software in self._assessor.matched.software.items():
            hosts = [host for host in self._hosts[digest] if not only or host.name in only]
            if not hosts:
                continue
            kernels = self._assessor.matched.kernels(software, hosts[0].facts)
            packages = (*kernels.rest, *kernels.running)
            for case in self._cases(packages, software, is_wanted, cves):
                for cve in case.entry.advisory.cves:
                    if cves is None or cve in cves:
                        yield from self._by_agreement(case, cve, hosts)
            yield from self._of_running_code(hosts, software, is_wanted, cves)

    def _of_running_code(
        self,
        hosts: list[HostInput],
        software: Software,
        is_wanted: Callable[[InstalledPackage], bool],
        cves: set[str] | None,
    ) -> Iterator[Judgement]:
        """Judgements of replaced packages that processes still run, for CVEs that the running
        version has and the installed one has not."""
        running: dict[OldCode, list[HostInput]] = defaultdict(list)
        for host in hosts:
            for code in self._assessor.running_code(host).known:
                running[code].append(host)
        for code, running_on in running.items():
            for case in self._cases((ran for _, ran in code.binaries), software, is_wanted, cves):
                for cve in case.entry.advisory.cves:
                    if not case.on(cve)[0].affected:
                        continue
                    states = {
                        package.state
                        for host in running_on
                        if (finding := self._findings[host.name].get(cve)) is not None
                        for package in finding.packages
                        if package.source == code.source
                    }
                    if (cves is None or cve in cves) and FindingState.NOT_EFFECTIVE in states:
                        yield from self._by_agreement(case, cve, running_on)

    def _cases(
        self,
        packages: Iterable[InstalledPackage],
        software: Software,
        is_wanted: Callable[[InstalledPackage], bool],
        cves: set[str] | None,
    ) -> Iterator[_Case]:
        matched = self._assessor.matched
        reaches = software.platform.reaches
        for package in packages:
            if not is_wanted(package):
                continue
            indexes = matched.indexes_of(package, software)
            try:
                weighed = weigh(package, indexes, reaches)
            except InvalidVersionError:
                continue
            others: dict[str, list[AffectedEntry]] = defaultdict(list)
            entries = [(index, entry) for index in indexes for entry in entries_of(package, index)]
            for _, entry in entries:
                for cve in entry.advisory.cves:
                    others[cve].append(entry)
            for index, entry in entries:
                if cves is None or not cves.isdisjoint(entry.advisory.cves):
                    versions = versions_of(package, index.scheme)
                    alone = judge_alone(package, versions, entry, index, reaches)
                    yield _Case(package, software, index, entry, alone, weighed, others)

    def _by_agreement(self, case: _Case, cve: str, hosts: list[HostInput]) -> Iterator[Judgement]:
        """One judgement for each group of hosts with the same finding and exclusion."""
        groups: dict[tuple[Finding | None, str], list[str]] = defaultdict(list)
        for host in hosts:
            finding = self._findings[host.name].get(cve) if case.on(cve)[0].affected else None
            groups[finding, self._kept_away(host, finding, case.package)].append(host.name)
        for (finding, excluded), names in groups.items():
            yield self._judgement(case, cve, finding, excluded, names)

    def _kept_away(
        self, host: HostInput, finding: Finding | None, package: InstalledPackage
    ) -> str:
        """The rules that keep the update of this package away, now and in the newest plan."""
        if finding is None or finding.state is FindingState.WAIVED:
            return ""
        names = (package.name, package.source)
        rule = excluding(self._rules.on(host.name), names)
        reasons = (rule.text if rule else "", self._excluded(host.name, names))
        return "; ".join(dict.fromkeys(filter(None, reasons)))

    def _delivers(self, host: str, package: AffectedPackage | None) -> str:
        """The repository of the host that has the offered version."""
        if package is None or not package.offered:
            return ""
        same = [
            update for update in self._facts[host].pending if update.candidate == package.offered
        ]
        # Two packages may have one version, so the name counts; a new kernel has another name.
        own = [update for update in same if update.name in package.binaries] or same
        return _repository(own[0]) if own else ""

    def _judgement(
        self, case: _Case, cve: str, finding: Finding | None, excluded: str, names: list[str]
    ) -> Judgement:
        installed, entry = case.package, case.entry
        verdict, decider = case.on(cve)
        by_source = entry.affected.kind is NameKind.SOURCE or bool(entry.listed)
        package = next(
            (affected for affected in finding.packages if affected.source == installed.source), None
        ) if finding else None  # fmt: skip
        stuck = self._stuck(names[0], installed.source) if finding and len(names) == 1 else ""
        return Judgement(
            hosts=tuple(sorted(names)),
            cve=cve,
            package=installed.name,
            installed=installed.version,
            source=installed.source,
            compared=installed.source_version if by_source else installed.version,
            ecosystem=case.index.ecosystem,
            advisory=entry.advisory.id,
            feed=entry.feed,
            affected=verdict.affected,
            why=verdict.why.value,
            range=_range(entry),
            channel=entry.affected.channel,
            decided_by=decider.advisory.id,
            decided_in=decider.feed,
            weighed=tuple(dict.fromkeys(weighed.advisory.id for weighed in case.others[cve])),
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
    """What on the host still runs without the installed updates."""
    if facts.reboot_required:
        asked = some(facts.reboot_packages, 10)
        yield f"waits for a reboot{f', which is wanted by {asked}' if asked else ''}"
    if old := sorted({process.unit or process.command for process in facts.stale_processes}):
        yield f"on replaced files: {some(old, 10)}"


def _repository(update: PendingUpdate) -> str:
    """The name of a repository, from the fields of its Release file."""
    return " ".join(part for part in (update.label or update.origin, update.codename) if part)


def _why_stuck(finding: Finding | None, note: str, stuck: str) -> str:
    if finding is None or finding.state is FindingState.WAIVED:
        return ""
    return "; ".join(part for part in (note, stuck) if part)


def _range(entry: AffectedEntry) -> str:
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


def _order(judgement: Judgement) -> tuple[bool, str, str, str, tuple[str, ...]]:
    return (
        not judgement.affected,
        judgement.due or "9999",
        judgement.source,
        judgement.package,
        judgement.hosts,
    )


def threat_lines(threat: Threat) -> Iterator[str]:
    """Lines on what is known of a CVE, whatever the host."""
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
    known = [f"{name} {value}" for name, value in points.items() if value]
    if known:
        yield f"SSVC: {', '.join(known)}"
    if threat.published:
        yield f"published {threat.published}"
