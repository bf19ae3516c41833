"""Assess the fleet: what is known of its hosts, against what feeds say."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from ...assessment.findings.assess import Assessor, Feeds, Prioritise, Waiver
from ...assessment.findings.explain import Explainer
from ...assessment.findings.fail_on import Gate, gate
from ...assessment.findings.fleet import HostInput
from ...errors import InvalidInputError, NotFoundError
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
from ..discovery.outlived import Earlier, remembered
from ..exclusions import Holding
from ..inventory.show import left_out
from .standing import Standing

# (host's name, its variables and groups, None where it is in no inventory, its facts) -> context
_FEEDS = "run `patchctl feeds update` or `feeds import`"
_NAMES = 5

ContextOf = Callable[[str, Mapping[str, object] | None, tuple[str, ...], HostFacts], Context]


@dataclass(frozen=True)
class Parts:
    """What an assessment is made of; wiring fills it in."""

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


@dataclass
class Running:
    """An assessment that is walked once: `hosts` gives (host, findings), then `done` the rest.

    `total` hosts are assessed; `looked_at`: the last look at some host succeeded.
    """

    assessor: Assessor
    gate: Gate
    total: int
    looked_at: bool = True
    _walked: bool = field(default=False, init=False)

    def hosts(self) -> Iterator[tuple[str, Sequence[Finding]]]:
        """Host by host."""
        for name, findings in self.assessor.findings():
            if self.gate.rules:
                for finding in findings:
                    self.gate.look(name, finding)
            yield name, findings
        self._walked = True

    def done(self) -> Assessment:
        """The summary and the actions."""
        if not self._walked:
            for _ in self.hosts():
                pass
        return self.assessor.summary()


def assess(
    parts: Parts, hosts: Collection[str] | None, fail_on: Iterable[str], today: str
) -> Running:
    """Begin an assessment of the named hosts (None: all that are known), also where no feed tells
    anything of them.

    `today` is an ISO date. Raises UsageError for a rule that is none.
    """
    rules = gate(fail_on, today)
    used = tuple(_used(feed, today) for feed in parts.held())
    seen = {one.name: remembered(one, parts.earlier) for one in parts.seen()}
    in_fleet = {host.name: host for host in parts.fleet.hosts}
    if hosts is None:
        # A host that left the inventory is nobody's any more; an imported one never was in it.
        hosts = {*in_fleet, *(name for name, one in seen.items() if one.imported)}
    wanted = sorted(hosts)
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
        for name in wanted
        if name in seen
    ]
    unlooked = tuple(
        Unlooked(host=name, reason=reasons.get(name) or "never discovered")
        for name in wanted
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
    looked_at = any(name in seen and name not in reasons for name in wanted)
    return Running(assessor, rules, len(inputs), looked_at)


def judged(running: Running) -> Running:
    """The same. Raises NotFoundError where nothing can be found because no feed speaks of any of
    the hosts: that there are no findings would mean nothing."""
    if not running.assessor.used:
        raise NotFoundError("no feeds are held, so nothing can be assessed", hint=_FEEDS)
    if running.total and not running.assessor.matched.indexes:
        systems = sorted({one.platform.label for one in running.assessor.matched.software.values()})
        raise NotFoundError(
            f"no feed that is held speaks of {', '.join(systems)}, so nothing can be assessed",
            hint=_FEEDS,
        )
    return running


def _doubts(hosts: Sequence[HostInput], reasons: Mapping[str, str]) -> Iterator[str]:
    """What makes less sure what is known of hosts, one line each."""
    old = [one.name for one in hosts if one.name in reasons]
    if old:
        why = sentence(reasons[old[0]])
        names = some(old, _NAMES)
        yield f"judged by earlier facts, the last look failed: {names} ({old[0]}: {why})"
    partly = [one.name for one in hosts if any(lists.fault for lists in one.facts.lists)]
    if partly:
        what = "which fixes can be had is not sure, not all repositories could be looked into"
        yield f"{what}: {some(partly, _NAMES)}"


def day(text: str, now_s: int) -> str:
    """`--as-of`: an ISO date, today (UTC) where nothing is said. Raises InvalidInputError."""
    if not text:
        return words.day(now_s)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidInputError(
            f"--as-of {text}: is no date", hint="write it as 2026-01-31"
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
    parts: Parts, subject: str, hosts: Collection[str] | None, standing: Standing, today: str
) -> Explanation:
    """Why a host, a CVE or a package is, or is not, affected; the name tells which.

    Raises NotFoundError where it is neither a CVE id nor a host nor an installed package, and where
    no feed speaks of what is asked.
    """
    running = assess(parts, hosts, (), today)
    explainer = Explainer(running.assessor, standing, standing.excluded)
    host = next((one for one in running.assessor.hosts if one.name == subject), None)
    if host is not None:
        return explainer.host(host)
    only = frozenset(hosts or ())
    cve = subject.upper()
    if grammar.fits("CVE", cve):
        judged(running)
        return explainer.cve(cve, only)
    found = explainer.package(subject, only)
    if not found.facts:
        raise NotFoundError(
            f"{subject}: neither a host that was discovered nor a package that is installed",
            hint="a CVE is written CVE-2024-6387",
        )
    judged(running)
    return found
