"""Findings whose update an exclusion keeps away: they stay open, with the rule that does it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import structs

from ...models.assessment import ExcludedFindings, Finding, FindingState
from ...models.exclusions import Exclusion, Rules, excluding


@dataclass
class _Sum:
    packages: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    findings: int = 0
    overdue: int = 0


class Marker:
    """Marks findings with the rule that keeps their update away, and counts them by rule. `today`
    is an ISO date. Hosts with the same rules share what is marked."""

    def __init__(self, exclusions: Sequence[Exclusion], today: str) -> None:
        self._rules = Rules(exclusions)
        self._today = today
        # By the ids of both, which stay theirs as long as they are held: to hash them takes longer.
        self._marked: dict[tuple[int, int], Finding] = {}
        self._held: list[Finding] = []
        self._sums: dict[str, _Sum] = defaultdict(_Sum)

    def mark(self, host: str, findings: Sequence[Finding]) -> Sequence[Finding]:
        """The findings of a host in their order, those that a rule keeps open with its words."""
        rules = self._rules.on(host)
        if not rules:
            return findings
        marked = [self._one(finding, rules) for finding in findings]
        for finding in marked:
            if finding.excluded:
                self._count(host, finding)
        return marked

    def _one(self, finding: Finding, rules: tuple[Exclusion, ...]) -> Finding:
        place = (id(finding), id(rules))
        found = self._marked.get(place)
        if found is None:
            self._held.append(finding)
            said = _said(finding, rules)
            found = structs.replace(finding, excluded=said) if said else finding
            self._marked[place] = found
        return found

    def _count(self, host: str, finding: Finding) -> None:
        total = self._sums[finding.excluded]
        total.packages.add(finding.source or finding.package)
        total.hosts.add(host)
        total.findings += 1
        total.overdue += bool(finding.due) and str(finding.due) < self._today

    def sums(self) -> tuple[ExcludedFindings, ...]:
        """What was marked so far, a row a rule."""
        return tuple(
            ExcludedFindings(
                rule=said,
                packages=tuple(sorted(total.packages)),
                hosts=len(total.hosts),
                findings=total.findings,
                overdue=total.overdue,
            )
            for said, total in sorted(self._sums.items())
        )


def _said(finding: Finding, rules: Sequence[Exclusion]) -> str:
    """The first rule that keeps the update of one of its packages away. What is waived is not open,
    and what is installed needs no update."""
    if finding.state is FindingState.WAIVED:
        return ""
    for package in finding.packages:
        if package.state is not FindingState.NOT_EFFECTIVE:
            rule = excluding(rules, (package.source, package.name, *package.binaries))
            if rule is not None:
                return rule.said
    return ""
