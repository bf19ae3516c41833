"""Mark findings whose update an exclusion keeps away: they stay open and name the rule."""

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
    """Marks findings with the rule that keeps their update away, and counts them by rule.

    `today` is an ISO date. Hosts with the same rules share the marked findings.
    """

    def __init__(self, exclusions: Sequence[Exclusion], today: str) -> None:
        self._rules = Rules(exclusions)
        self._today = today
        # By the id() of finding and rules, because hashing them takes longer. `_held` keeps the
        # findings alive, so that an id is not given to another object.
        self._marked: dict[tuple[int, int], Finding] = {}
        self._held: list[Finding] = []
        self._sums: dict[str, _Sum] = defaultdict(_Sum)

    def mark(self, host: str, findings: Sequence[Finding]) -> Sequence[Finding]:
        """The findings of a host in the same order; `excluded` names the rule that keeps one open,
        in words."""
        rules = self._rules.on(host)
        if not rules:
            return findings
        marked = [self._mark(finding, rules) for finding in findings]
        for finding in marked:
            if finding.excluded:
                self._count(host, finding)
        return marked

    def _mark(self, finding: Finding, rules: tuple[Exclusion, ...]) -> Finding:
        ids = (id(finding), id(rules))
        marked = self._marked.get(ids)
        if marked is None:
            self._held.append(finding)
            rule = _rule_against(finding, rules)
            marked = structs.replace(finding, excluded=rule) if rule else finding
            self._marked[ids] = marked
        return marked

    def _count(self, host: str, finding: Finding) -> None:
        total = self._sums[finding.excluded]
        total.packages.add(finding.source or finding.package)
        total.hosts.add(host)
        total.findings += 1
        total.overdue += bool(finding.due) and str(finding.due) < self._today

    def sums(self) -> tuple[ExcludedFindings, ...]:
        """The findings marked so far, one row for each rule."""
        return tuple(
            ExcludedFindings(
                rule=rule,
                packages=tuple(sorted(total.packages)),
                hosts=len(total.hosts),
                findings=total.findings,
                overdue=total.overdue,
            )
            for rule, total in sorted(self._sums.items())
        )


def _rule_against(finding: Finding, rules: Sequence[Exclusion]) -> str:
    """The first rule that keeps the update of one of the finding's packages away, in words; else
    empty. Waived findings are not open, and an installed fix needs no update."""
    if finding.state is FindingState.WAIVED:
        return ""
    for package in finding.packages:
        if package.state is not FindingState.NOT_EFFECTIVE:
            rule = excluding(rules, (package.source, package.name, *package.binaries))
            if rule is not None:
                return rule.text
    return ""
