"""Count for each host what its newest facts and the feeds say of it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ...assessment.findings.assess import Assessor
from ...models.assessment import Finding, FindingState
from ...models.exclusions import Exclusion, Rules, excluding
from ...models.facts import HostFacts
from ...models.fleet_status import HostFigures
from ...models.priority import Decision
from ...models.state import KnownHost


def figures(
    assessor: Assessor, known: Mapping[str, KnownHost], exclusions: Sequence[Exclusion]
) -> Iterator[HostFigures]:
    """Yield the figures of each host of the assessment; `known` has the hosts by name."""
    rules = Rules(exclusions)
    counts = _Counts(assessor.today)
    ecosystems = {
        digest: tuple(name for name in software.ecosystems if name in assessor.matched.indexes)
        for digest, software in assessor.matched.software.items()
    }
    for name, findings in assessor.findings():
        host = known[name]
        speaking = ecosystems[host.software]
        yield _figures(host, speaking, counts.of(findings) if speaking else None, rules.on(name))


class _Numbers:
    """Open findings of a host by decision, and how many of them are special."""

    def __init__(self) -> None:
        self.decisions: Counter[Decision] = Counter()
        self.overdue = self.excluded = self.waived = 0


class _Counts:
    """Counts findings; hosts share their objects, so each is looked into once."""

    def __init__(self, today: str) -> None:
        self._today = today
        # By id(), which stays unique because the finding is held here.
        self._kinds: dict[int, tuple[Decision | None, bool, bool]] = {}
        self._held: list[Finding] = []

    def of(self, findings: Sequence[Finding]) -> _Numbers:
        """Return the numbers of one host."""
        numbers = _Numbers()
        for kind, count in Counter(map(self._kind, findings)).items():
            decision, overdue, excluded = kind
            if decision is None:
                numbers.waived += count
                continue
            numbers.decisions[decision] += count
            numbers.overdue += count * overdue
            numbers.excluded += count * excluded
        return numbers

    def _kind(self, finding: Finding) -> tuple[Decision | None, bool, bool]:
        """The decision (None: waived), whether it is overdue, and whether it is excluded."""
        kind = self._kinds.get(id(finding))
        if kind is None:
            decision = None if finding.state is FindingState.WAIVED else finding.decision
            overdue = bool(finding.due) and str(finding.due) < self._today
            kind = self._kinds[id(finding)] = (decision, overdue, bool(finding.excluded))
            self._held.append(finding)
        return kind


def _figures(
    host: KnownHost,
    ecosystems: tuple[str, ...],
    numbers: _Numbers | None,
    rules: tuple[Exclusion, ...],
) -> HostFigures:
    facts = host.facts
    # A file of hosts has their packages, and says neither what is pending nor what runs.
    pending = None if host.imported or "pending" in facts.unread else facts.pending
    running = not host.imported
    decisions = (
        None
        if numbers is None
        else {decision: numbers.decisions[decision] for decision in Decision}
    )
    needed = [lists for lists in facts.lists if not lists.optional]
    return HostFigures(
        name=host.name,
        os=f"{facts.os.id} {facts.os.version_id}".strip(),
        taken=host.taken,
        imported=host.imported,
        pending=None if pending is None else len(pending),
        security=None if pending is None else sum(update.security for update in pending),
        excluded=None if pending is None else _excluded(facts, rules),
        reboot_required=facts.reboot_required if running else None,
        old_code=_old_code(facts) if running else None,
        findings=decisions,
        overdue=None if numbers is None else numbers.overdue,
        excluded_findings=None if numbers is None else numbers.excluded,
        waived=None if numbers is None else numbers.waived,
        ecosystems=ecosystems,
        lists_fetched=min((lists.fetched for lists in needed), default=facts.lists_updated),
        faulty_repositories=sum(bool(lists.fault) for lists in needed),
    )


def _old_code(facts: HostFacts) -> int | None:
    """How many processes run replaced files; None where not all processes could be read."""
    if facts.stale_processes:
        return len(facts.stale_processes)
    return 0 if facts.as_root and "stale" not in facts.unread else None


def _excluded(facts: HostFacts, rules: Collection[Exclusion]) -> int:
    """How many pending updates a rule keeps out of plans, by binary or source name."""
    if not rules or not facts.pending:
        return 0
    sources = {package.name: package.source for package in facts.packages}
    return sum(
        excluding(rules, _names(update.name, update.replaces, sources)) is not None
        for update in facts.pending
    )


def _names(name: str, replaced: str, sources: Mapping[str, str]) -> tuple[str, ...]:
    return (name, *filter(None, (replaced, sources.get(name), sources.get(replaced))))
