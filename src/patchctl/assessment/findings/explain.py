"""Explain why something is, or is not, affected: the rule that makes findings, step by step."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...models.advisory import NameKind
from ...models.assessment import FindingState
from ...models.exclusions import Rules, excluding
from ...models.explain import Explanation, Judgement
from ...models.facts import HostFacts
from ...models.priority import Threat
from ...models.words import count, some
from ..matching.index import AffectedEntry
from ..matching.installed import InstalledPackage
from ..matching.match import entries_of
from .assess import Assessor
from .explained_groups import groups
from .fleet import HostInput, Software
from .judgements import Excluded, Judge, Opinion, tally

# (host, source package) -> what keeps the host from the fix, as plans and runs tell, in words
Stuck = Callable[[str, str], str]

_MOST = 200  # judgements of one answer; more are counted
_STUCK = 3  # different reasons of one judgement


class Explainer:
    """Explains hosts, CVEs and packages of a fleet."""

    def __init__(
        self, assessor: Assessor, stuck: Stuck, excluded: Excluded = lambda host, names: ""
    ) -> None:
        self._assessor = assessor
        self._stuck = stuck
        self._excluded = excluded
        self._rules = Rules(assessor.exclusions)
        self._stuck_on: dict[tuple[str, str], str] = {}

    def _judge(self, hosts: Sequence[HostInput], cves: frozenset[str] | None) -> Judge:
        return Judge(self._assessor, self._rules, self._excluded, hosts, cves)

    def _hosts(self, only: frozenset[str]) -> list[HostInput]:
        return [host for host in self._assessor.hosts if not only or host.name in only]

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
        opinions = self._judge(self._hosts(only), frozenset({cve})).opinions(self._speaks_of(cve))
        facts = list(self._known(cve))
        if not names:
            facts.append("no advisory in the feeds speaks of it for a system of this fleet")
        elif not opinions:
            listed = some(sorted({name for _, name in names}), 8)
            facts.append(f"advisories speak of it, but no host has an affected package: {listed}")
        return self._explanation("cve", cve, facts, opinions)

    def _speaks_of(self, cve: str) -> Callable[[InstalledPackage, Software], bool]:
        """Does an advisory with this CVE speak of a package?"""
        return lambda package, software: any(
            cve in entry.advisory.cves for entry in self._entries(package, software)
        )

    def _entries(self, package: InstalledPackage, software: Software) -> Iterator[AffectedEntry]:
        for index in self._assessor.matched.indexes_of(package, software):
            yield from entries_of(package, index)

    def package(self, name: str, only: frozenset[str]) -> Explanation:
        """Every advisory that applies to a package, by source or binary name."""
        hosts = self._hosts(only)
        named = self._named(name, hosts)
        cves = frozenset(
            cve
            for software, packages in named
            for package in packages
            for entry in self._entries(package, software)
            for cve in entry.advisory.cves
        )
        opinions = [
            opinion
            for opinion in self._judge(hosts, cves).opinions(
                lambda package, _: name in (package.name, package.source)
            )
            if opinion.case.on(opinion.cve)[0].affected
        ]
        facts = [*self._installed(name, hosts), *self._excluding(name, hosts)]
        facts += self._unspoken(named)
        if facts and not opinions:
            facts.append("no advisory in the feeds applies to these versions")
        return self._explanation("package", name, facts, opinions)

    def host(self, host: HostInput) -> Explanation:
        """Every finding of a host."""
        opinions = [
            opinion
            for opinion in self._judge([host], None).opinions(lambda package, software: True)
            if opinion.finding is not None
        ]
        return self._explanation("host", host.name, list(self._about(host)), opinions)

    def _explanation(
        self, kind: str, subject: str, facts: list[str], opinions: list[Opinion]
    ) -> Explanation:
        ordered = sorted(opinions, key=_order)
        if len(ordered) > _MOST:
            facts.append(f"{len(ordered)} judgements; the first {_MOST} are listed")
        return Explanation(
            kind=kind,
            subject=subject,
            as_of=self._assessor.today,
            facts=tuple(facts),
            judgements=tuple(map(self._judgement, ordered[:_MOST])),
            warnings=self._assessor.doubts(),
            groups=groups(opinions),
        )

    # --- facts on the subject -------------------------------------------------------------------

    def _known(self, cve: str) -> Iterator[str]:
        threat = self._assessor.intelligence({cve}).bare(cve)
        yield from threat_lines(threat)

    def _named(
        self, name: str, hosts: Iterable[HostInput]
    ) -> list[tuple[Software, tuple[InstalledPackage, ...]]]:
        """The distinct packages of that name or source, by the systems that have them."""
        matched = self._assessor.matched
        known: dict[tuple[object, ...], tuple[Software, dict[InstalledPackage, None]]] = {}
        for digest in dict.fromkeys(host.software for host in hosts):
            software = matched.software[digest]
            key = (software.platform, software.ecosystems)
            packages = known.setdefault(key, (software, {}))[1]
            packages.update(dict.fromkeys(_of_name(software, name)))
        return [(software, tuple(packages)) for software, packages in known.values()]

    def _installed(self, name: str, hosts: Iterable[HostInput]) -> Iterator[str]:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        by_software = tally(host.software for host in hosts)
        for digest, number in by_software:
            for package in _of_name(self._assessor.matched.software[digest], name):
                counts[package.name, package.version] += number
        for (binary, version), hosts_with in sorted(counts.items()):
            yield f"{binary} {version} on {count(hosts_with, 'host')}"

    def _unspoken(
        self, named: Iterable[tuple[Software, Iterable[InstalledPackage]]]
    ) -> Iterator[str]:
        """Builds of a package that no feed speaks of, so that nothing is known of them."""
        for software, packages in named:
            for package in packages:
                if not self._assessor.matched.covers(package, software):
                    build = f"{package.name} {package.version}"
                    yield f"no feed speaks of {build}: nothing is known of it"

    def _excluding(self, name: str, hosts: Iterable[HostInput]) -> Iterator[str]:
        """The exclusions of a package (source or binary name), with how many hosts each is for."""
        counts: dict[str, int] = defaultdict(int)
        for host in hosts:
            rules = self._rules.on(host.name)
            software = self._assessor.matched.software[host.software]
            named = _of_name(software, name) if rules else ()
            pairs = [(package.name, package.source) for package in named]
            rule_texts = {rule.text for pair in pairs if (rule := excluding(rules, pair))}
            for text in rule_texts:
                counts[text] += 1
        for text, number in sorted(counts.items()):
            yield f"excluded on {count(number, 'host')} by {text}"

    def _about(self, host: HostInput) -> Iterator[str]:
        software = self._assessor.matched.software[host.software]
        facts = host.facts
        name = facts.os.pretty_name or f"{facts.os.id} {facts.os.version_id}".strip()
        yield f"system: {name}, matched as {software.platform.label}"
        if not software.ecosystems:
            yield "no feed covers this system: nothing is known of its packages"
        support = {release.ecosystem: release for release in self._assessor.releases}
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

    def _judgement(self, opinion: Opinion) -> Judgement:
        case, finding = opinion.case, opinion.finding
        installed, entry = case.package, case.entry
        verdict, decider = case.on(opinion.cve)
        by_source = entry.affected.kind is NameKind.SOURCE or bool(entry.listed)
        package = opinion.affected_package
        return Judgement(
            hosts=opinion.hosts,
            cve=opinion.cve,
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
            weighed=tuple(dict.fromkeys(other.advisory.id for other in case.others[opinion.cve])),
            fixed=verdict.fixed,
            state=opinion.state,
            offered=package.offered if package else "",
            repository=opinion.repository,
            decision=finding.decision.value if finding else "",
            due=finding.due or "" if finding else "",
            rule=finding.rule if finding else "",
            reasons=finding.reasons if finding else (),
            waiver=finding.waiver if finding else "",
            excluded=opinion.excluded,
            stuck=self._why_stuck(opinion, package.note if package else ""),
        )

    def _why_stuck(self, opinion: Opinion, note: str) -> str:
        """What keeps the hosts from the fix; where they differ, on how many of them."""
        if opinion.finding is None or opinion.finding.state is FindingState.WAIVED:
            return ""
        reasons = tally(self._reason(host, opinion.case.package.source) for host in opinion.hosts)
        if len(reasons) == 1:
            told = reasons[0][0]
        else:
            on_hosts = (
                f"on {count(number, 'host')} {reason or 'nothing'}" for reason, number in reasons
            )
            told = some(on_hosts, _STUCK)
        return "; ".join(part for part in (note, told) if part)

    def _reason(self, host: str, source: str) -> str:
        key = (host, source)
        if key not in self._stuck_on:
            self._stuck_on[key] = self._stuck(host, source)
        return self._stuck_on[key]


def _of_name(software: Software, name: str) -> list[InstalledPackage]:
    return [package for package in software.packages if name in (package.name, package.source)]


def _waiting(facts: HostFacts) -> Iterator[str]:
    """What on the host still runs without the installed updates."""
    if facts.reboot_required:
        asked = some(facts.reboot_packages, 10)
        yield f"waits for a reboot{f', which is wanted by {asked}' if asked else ''}"
    if old := sorted({process.unit or process.command for process in facts.stale_processes}):
        yield f"on replaced files: {some(old, 10)}"


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


def _order(opinion: Opinion) -> tuple[bool, str, str, str, tuple[str, ...]]:
    finding, package = opinion.finding, opinion.case.package
    return (
        not opinion.case.on(opinion.cve)[0].affected,
        (finding.due if finding else None) or "9999",
        package.source,
        package.name,
        opinion.hosts,
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
