"""Assess the fleet: match what is known of its hosts with the feeds."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol

from ...assessment.findings.assess import Assessor, Feeds, Prioritise, Waiver
from ...assessment.findings.explain import Explainer
from ...assessment.findings.fail_on import Gate, gate
from ...assessment.findings.fleet import HostInput
from ...errors import InvalidInputError, NotFoundError, PatchctlError
from ...models import grammar, words
from ...models.assessment import Assessment, FeedUsed, Finding, Unlooked
from ...models.explain import Explanation
from ...models.facts import HostFacts
from ...models.feeds import FeedInfo
from ...models.fleet import Fleet
from ...models.priority import Context
from ...models.state import KnownHost
from ...models.words import some
from ...protocol.cleaning import sentence
from ..discovery.running_code import Earlier, with_earlier_versions
from ..exclusions import Holding
from ..inventory.show import left_out
from .remediation_status import RemediationStatus

_FEEDS = "run `patchctl feeds update` or `feeds import`"
_NAMES = 5

# (host's name, its variables (None: in no inventory), its groups, its facts) -> context
ContextOf = Callable[[str, Mapping[str, object] | None, tuple[str, ...], HostFacts], Context]


@dataclass(frozen=True)
class Parts:
    """The inputs of an assessment, which wiring provides."""

    fleet: Fleet
    seen: Callable[[], Iterable[KnownHost]]
    reasons: Callable[[], Mapping[str, str]]
    snapshot: str
    feeds: Feeds
    held: Callable[[], Iterable[FeedInfo]]
    context: ContextOf
    prioritise: Callable[[str], Prioritise]
    waiver: Callable[[str], Waiver | None]
    refuse_stale: Callable[[], Iterable[str]]
    earlier: Earlier
    exclusions: Callable[[str], Holding] = lambda day: Holding(rules=())


@dataclass(frozen=True)
class Scope:
    """The hosts of an assessment: `names` are all, `seen` those that were discovered, `reasons` why
    the last look at a host failed, `rings` the ring of each host that has one."""

    names: Sequence[str] = ()
    seen: Mapping[str, KnownHost] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    rings: Mapping[str, str] = field(default_factory=dict)


class Recorder(Protocol):
    """Keeps the findings in the history."""

    def begin(self, scope: Scope) -> None:
        """The walk begins."""

    def add(self, host: str, findings: Sequence[Finding]) -> None:
        """Take the findings of a host."""

    def store(self, assessor: Assessor) -> None:
        """The walk has ended: store what is new, all of it or nothing."""


@dataclass
class AssessmentRun:
    """An assessment that is walked once: first `hosts` for the findings, then `done`.

    `total` is the number of assessed hosts; `looked_at`: the last discovery of a host succeeded.
    `recorder` keeps the findings in the history; `unrecorded` is why it could not.
    """

    assessor: Assessor
    gate: Gate
    total: int
    looked_at: bool = True
    scope: Scope = field(default_factory=Scope)
    recorder: Recorder | None = None
    unrecorded: PatchctlError | None = field(default=None, init=False)
    _walked: bool = field(default=False, init=False)

    def hosts(self) -> Iterator[tuple[str, Sequence[Finding]]]:
        """(host name, its findings), host by host."""
        self._record(lambda recorder: recorder.begin(self.scope))
        for name, findings in self.assessor.findings():
            if self.gate.rules:
                for finding in findings:
                    self.gate.count(name, finding)
            if self.recorder is not None:
                self.recorder.add(name, findings)
            yield name, findings
        self._record(lambda recorder: recorder.store(self.assessor))
        self._walked = True

    def _record(self, step: Callable[[Recorder], None]) -> None:
        """Do a step of the recorder. Where it fails the findings are as right as before, so they
        are shown all the same; the exit code tells."""
        if self.recorder is None:
            return
        try:
            step(self.recorder)
        except PatchctlError as error:
            self.recorder, self.unrecorded = None, error

    def done(self) -> Assessment:
        """The summary with the remediations."""
        if not self._walked:
            for _ in self.hosts():
                pass
        return self.assessor.summary()


def assess(
    parts: Parts, hosts: Collection[str] | None, fail_on: Iterable[str], today: str
) -> AssessmentRun:
    """Begin an assessment of the named hosts (None: all known ones), even where no feed covers
    them.

    `fail_on` are the texts of `--fail-on`, `today` is an ISO date. Raises UsageError for an unknown
    rule.
    """
    rules = gate(fail_on, today)
    used = tuple(_used(feed, today) for feed in parts.held())
    seen = {known.name: with_earlier_versions(known, parts.earlier) for known in parts.seen()}
    in_fleet = {host.name: host for host in parts.fleet.hosts}
    if hosts is None:
        # Hosts that left the inventory do not count; imported ones were never in it.
        hosts = {*in_fleet, *(name for name, known in seen.items() if known.imported)}
    names = sorted(hosts)
    reasons = parts.reasons()
    inputs = [
        HostInput(
            name=name,
            facts=seen[name].facts,
            software=seen[name].software,
            context=parts.context(
                name,
                in_fleet[name].variables if name in in_fleet else None,
                in_fleet[name].groups if name in in_fleet else (),
                seen[name].facts,
            ),
            groups=in_fleet[name].groups if name in in_fleet else (),
        )
        for name in names
        if name in seen
    ]
    unlooked = tuple(
        Unlooked(host=name, reason=reasons.get(name) or "never discovered")
        for name in names
        if name not in seen
    )
    holds = parts.exclusions(today)
    assessor = Assessor(
        hosts=inputs,
        feeds=parts.feeds,
        prioritise=parts.prioritise(today),
        today=today,
        waiver=parts.waiver(today),
        unlooked=unlooked,
        snapshot=parts.snapshot,
        used=used,
        warnings=(
            *left_out(parts.fleet),
            *parts.refuse_stale(),
            *_doubts(inputs, reasons),
            *holds.warnings,
        ),
        exclusions=holds.rules,
    )
    looked_at = any(name in seen and name not in reasons for name in names)
    rings = {name: host.ring or "" for name, host in in_fleet.items()}
    scope = Scope(names=names, seen=seen, reasons=reasons, rings=rings)
    return AssessmentRun(assessor, rules, len(inputs), looked_at, scope)


def judged(running: AssessmentRun) -> AssessmentRun:
    """The same assessment. Raises NotFoundError where no feed covers any of the hosts, because no
    findings would then look like healthy hosts."""
    if not running.assessor.used:
        raise NotFoundError("no feeds are held, so nothing can be assessed", hint=_FEEDS)
    if running.total and not running.assessor.matched.indexes:
        systems = sorted(
            {software.platform.label for software in running.assessor.matched.software.values()}
        )
        raise NotFoundError(
            f"no feed that is held speaks of {', '.join(systems)}, so nothing can be assessed",
            hint=_FEEDS,
        )
    return running


def _doubts(hosts: Sequence[HostInput], reasons: Mapping[str, str]) -> Iterator[str]:
    """Warnings on facts that are old or incomplete, one line each."""
    old = [host.name for host in hosts if host.name in reasons]
    if old:
        why = sentence(reasons[old[0]])
        names = some(old, _NAMES)
        yield f"judged by earlier facts, the last look failed: {names} ({old[0]}: {why})"
    partly = [host.name for host in hosts if any(lists.fault for lists in host.facts.lists)]
    if partly:
        what = "which fixes can be had is not sure, not all repositories could be looked into"
        yield f"{what}: {some(partly, _NAMES)}"


def day(text: str, now_s: int) -> str:
    """`--as-of` as an ISO date, today (UTC) for an empty text. Raises InvalidInputError."""
    if not text:
        return words.day(now_s)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidInputError(
            f"--as-of {text}: is not a valid date", hint="write it as 2026-01-31"
        ) from None


def _used(feed: FeedInfo, today: str) -> FeedUsed:
    dated = datetime.fromtimestamp(feed.dated, UTC).date() if feed.dated else None
    age = (date.fromisoformat(today) - dated).days if dated else 0
    return FeedUsed(
        name=feed.name,
        dated=dated.isoformat() if dated else "",
        entries=feed.entries,
        age_days=age,
        bad=feed.bad,
    )


def explain(
    parts: Parts,
    subject: str,
    hosts: Collection[str] | None,
    remediation_status: RemediationStatus,
    today: str,
) -> Explanation:
    """Explain why `subject` (a host, a CVE id or a package) is, or is not, affected.

    Raises NotFoundError where the subject is none of these, and where no feed covers the hosts.
    """
    running = assess(parts, hosts, (), today)
    explainer = Explainer(running.assessor, remediation_status, remediation_status.excluded)
    host = next((host for host in running.assessor.hosts if host.name == subject), None)
    if host is not None:
        return explainer.host(host)
    only = frozenset(hosts or ())
    cve = subject.upper()
    if grammar.fits("CVE", cve):
        judged(running)
        return explainer.cve(cve, only)
    explanation = explainer.package(subject, only)
    if not explanation.facts:
        raise NotFoundError(
            f"{subject}: neither a host that was discovered nor a package that is installed",
            hint="a CVE is written CVE-2024-6387",
        )
    judged(running)
    return explanation
