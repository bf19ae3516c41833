"""Assess a fleet: take its hosts and the feeds, give ranked findings, one host at a time."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import structs

from ...models.advisory import (
    Advisory,
    CveFacts,
    ExploitChance,
    FeedKind,
    KnownExploited,
    Lifecycle,
)
from ...models.assessment import (
    Assessment,
    FeedUsed,
    Finding,
    FindingState,
    Release,
    Unlooked,
)
from ...models.exclusions import Exclusion
from ...models.priority import Context, Decision, Priority, Threat
from ...models.words import some
from ..matching.releases import releases
from ..priority.threats import Intelligence
from .excluded import Marker
from .findings import Core, Finder
from .fleet import HostInput, Matched, match_fleet
from .ranking import Ranking
from .remediations import Tally
from .running_code import RunningCode


class Feeds(Protocol):
    """What an assessment reads from the feed store."""

    def ecosystems(self) -> Collection[str]:
        """Canonical names of the ecosystems that any feed speaks of."""

    def advisories(self, ecosystem: str) -> Iterable[tuple[str, FeedKind, Advisory]]:
        """(feed name, kind, advisory); advisories name packages of that ecosystem only."""

    def known_exploited(self) -> Mapping[str, KnownExploited]:
        """CVE -> its entry in KEV."""

    def exploit_chances(self, cves: Collection[str]) -> Mapping[str, ExploitChance]:
        """CVE -> its EPSS score, for those that have one."""

    def cve_facts(self, cves: Collection[str]) -> Mapping[str, CveFacts]:
        """CVE -> its CVE record, for those that have one."""

    def lifecycles(self) -> Iterable[Lifecycle]:
        """Support dates of every release that a feed knows."""


@dataclass(frozen=True)
class Waived:
    """What the exception `ident` says of a finding, and whether it holds. One that does not hold
    (expired, or the CVE is exploited by now) leaves its note on the reopened finding."""

    ident: str
    holds: bool
    note: str


# (host, CVE, names of its packages and sources, known exploited) -> an exception that fits, or None
Waiver = Callable[[HostInput, str, Collection[str], bool], Waived | None]
Prioritise = Callable[[Threat, Context], Priority]


@dataclass
class Assessor:
    """Assesses hosts: `findings` walks them, and `summary` is complete when the walk has ended.

    `today` is an ISO date.
    """

    hosts: Sequence[HostInput]
    feeds: Feeds
    prioritise: Prioritise
    today: str
    waiver: Waiver | None = None
    unlooked: tuple[Unlooked, ...] = ()
    snapshot: str = ""
    used: tuple[FeedUsed, ...] = ()
    warnings: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    matched: Matched = field(init=False)
    tally: Tally = field(init=False)
    # (CVE, source package) -> when it and its fix were published, ISO dates, empty: not known.
    published: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.matched = match_fleet(
            self.hosts, tuple(self.feeds.ecosystems()), self.feeds.advisories
        )
        platforms = {
            digest: software.platform for digest, software in self.matched.software.items()
        }
        self._releases = releases(
            (platforms[name] for name in self._software()), self.feeds.lifecycles(), self.today
        )
        schemes = {name: index.scheme for name, index in self.matched.indexes.items()}
        self.tally = Tally(self.today, schemes)
        self._excluded = Marker(self.exclusions, self.today)
        self._finder = Finder(
            self.matched,
            {
                release.ecosystem: release.note
                for release in self._releases
                if release.support == "ended"
            },
            {name for name, count in Counter(self._software()).items() if count > 1},
        )

    def _software(self) -> Iterator[str]:
        return (host.software for host in self.hosts)

    def findings(
        self, cves: Collection[str] | None = None, hosts: Sequence[HostInput] | None = None
    ) -> Iterator[tuple[str, Sequence[Finding]]]:
        """(host name, findings with the most urgent first), host by host in the order given.
        `cves`, `hosts`: only these, None for all; nothing else is found out then, so `summary`
        counts only these."""
        finder = self._finder if cves is None else self._finder.about(cves)
        hosts = self.hosts if hosts is None else hosts
        cores = [finder.of(host) for host in hosts]
        distinct = set[Core]().union(*cores)
        known = self.intelligence({core.cve for core in distinct})
        contexts = (host.context for host in hosts)
        ranking = Ranking(
            zip(contexts, cores, strict=True),
            lambda core, context: self._make(core, context, known),
        )
        for host, own in zip(hosts, cores, strict=True):
            findings = self._excluded.mark(host.name, self._of(host, own, ranking))
            self.tally.add(host.name, findings)
            yield host.name, findings

    def running_code(self, host: HostInput) -> RunningCode:
        """The code of replaced packages that the host still runs."""
        return self._finder.running_code(host)

    def _of(self, host: HostInput, cores: tuple[Core, ...], ranking: Ranking) -> Sequence[Finding]:
        if self.waiver is None:
            return ranking.of(host.context, cores)
        pairs = ranking.pairs(host.context, cores)
        findings = [self._waived(host, core, finding) for core, finding in pairs]
        # What is waived comes last; the rest is in order already.
        return sorted(findings, key=_is_waived)

    def intelligence(self, cves: Collection[str]) -> Intelligence:
        """What the feeds know of these CVEs."""
        exploited = self.feeds.known_exploited()
        return Intelligence(
            {cve: exploited[cve] for cve in cves if cve in exploited},
            self.feeds.exploit_chances(cves),
            self.feeds.cve_facts(cves),
        )

    def _make(self, core: Core, context: Context, known: Intelligence) -> Finding:
        threat = known.threat(core)
        priority = self.prioritise(threat, context)
        package = core.package
        dates = threat.published, threat.fix_published
        for affected in core.packages:
            key = core.cve, affected.source or affected.name
            self.published[key] = _earlier(self.published.get(key, dates), dates)
        return Finding(
            cve=core.cve,
            advisories=tuple(
                dict.fromkeys(ident for affected in core.packages for ident in affected.advisories)
            ),
            package=package.name,
            installed=package.installed,
            fixed=package.fixed or None,
            state=core.state,
            decision=priority.decision,
            due=priority.due or None,
            cvss=threat.cvss.score if threat.cvss else None,
            kev=threat.kev is not None,
            epss=threat.epss.score if threat.epss else None,
            severity=core.severity.value,
            source=package.source,
            rule=priority.rule,
            reasons=priority.reasons,
            packages=core.packages,
            note=package.note,
            score=priority.score,
        )

    def _waived(self, host: HostInput, core: Core, finding: Finding) -> Finding:
        if self.waiver is None:
            return finding
        # An exception for openssl does not cover the same CVE in a package that embeds openssl.
        answers = [
            self.waiver(host, core.cve, {affected.source, *affected.binaries}, finding.kev)
            for affected in core.packages
        ]
        fitting = [waived for waived in answers if waived is not None]
        if not fitting:
            return finding
        holding = [waived for waived in fitting if waived.holds]
        if len(holding) == len(core.packages):
            return structs.replace(
                finding, state=FindingState.WAIVED, waiver=holding[0].ident, note=holding[0].note
            )
        if holding:
            note = f"exception {holding[0].ident} covers only a part of its packages"
            return structs.replace(
                finding, waiver=holding[0].ident, note=_joined(note, finding.note)
            )
        first = fitting[0]
        return structs.replace(finding, waiver=first.ident, note=_joined(first.note, finding.note))

    def summary(self) -> Assessment:
        """Everything but the findings themselves."""
        by_decision, by_state, overdue = self.tally.counts()
        return Assessment(
            as_of=self.today,
            snapshot=self.snapshot,
            feeds=self.used,
            not_covered=self.matched.not_covered(self.hosts),
            releases=self._releases,
            unlooked=self.unlooked,
            actions=self.tally.actions(),
            warnings=self.doubts(),
            by_decision={decision.value: by_decision.get(decision, 0) for decision in Decision},
            by_state={state.value: by_state[state] for state in FindingState if state in by_state},
            overdue=overdue,
            on_time=self.tally.on_time,
            excluded=self._excluded.sums(),
        )

    @property
    def releases(self) -> tuple[Release, ...]:
        """Until when the systems of the fleet are supported."""
        return self._releases

    def doubts(self) -> tuple[str, ...]:
        """What makes the result less sure, complete when the walk has ended."""
        return (*self.warnings, *self._problems())

    def _problems(self) -> Iterator[str]:
        for name, index in sorted(self.matched.indexes.items()):
            if index.problems:
                yield f"{name}: {index.problems} affected ranges have versions that are none"
        for package, hosts in sorted(self._finder.unknown.items(), key=lambda item: item[0].name):
            yield (
                f"{package.name}: replaced, but old code of it runs on {some(hosts, 1)} in a"
                " version that is not known, so its CVEs are not listed: restart what runs it"
            )
        if self.matched.invalid:
            packages = len(self.matched.invalid)
            example = min(self.matched.invalid, key=lambda package: package.name)
            yield (
                f"{packages} packages have versions that are none, so they count as not covered: "
                f"{example.name} {example.version}"
            )


def _earlier(first: tuple[str, str], second: tuple[str, str]) -> tuple[str, str]:
    """The earlier of each two dates; one that is not known counts as the later."""
    if first == second:
        return first
    published, fix = (
        min(filter(None, pair), default="") for pair in zip(first, second, strict=True)
    )
    return published, fix


def _is_waived(finding: Finding) -> bool:
    return finding.state is FindingState.WAIVED


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
