"""From findings to what an operator does: one upgrade of a source package, over all hosts that need
it; or one reboot. Ranked by the risk that it removes."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..models.assessment import Action, Finding, FindingState
from ..models.priority import Decision
from ..models.versions import VersionScheme
from .versions import InvalidVersionError, Key, key


@dataclass
class _Sum:
    hosts: set[str] = field(default_factory=set)
    cves: set[str] = field(default_factory=set)
    exploited: set[str] = field(default_factory=set)
    decision: Decision = Decision.DEFER
    due: str = ""
    fixed: str = ""
    fixed_key: Key | None = None
    removed: int = 0
    findings: int = 0
    cvss: float | None = None
    overdue: int = 0


class Tally:
    """Adds findings up as they pass. `today` is an ISO date."""

    def __init__(self, today: str, schemes: dict[str, VersionScheme]) -> None:
        self._today = today
        self._schemes = schemes
        self._sums: dict[tuple[str, str, str], _Sum] = defaultdict(_Sum)
        self.by_state: dict[FindingState, int] = defaultdict(int)
        self.by_decision: dict[Decision, int] = defaultdict(int)
        self.findings = 0
        self.overdue = 0

    def add(self, host: str, finding: Finding) -> None:
        """One finding of one host."""
        self.findings += 1
        self.by_state[finding.state] += 1
        late = bool(finding.due) and str(finding.due) < self._today
        if finding.state is not FindingState.WAIVED:
            self.by_decision[finding.decision] += 1
            self.overdue += late
        for package in finding.packages:
            if package.state is FindingState.FIXABLE:
                kind = "upgrade"
            elif package.state is FindingState.NOT_EFFECTIVE:
                kind = "reboot"
            else:
                continue
            if finding.state is FindingState.WAIVED:
                continue
            total = self._sums[kind, package.ecosystem, package.source]
            self._count(total, host, finding, late)
            self._raise(total, package.ecosystem, package.fixed)

    def _count(self, total: _Sum, host: str, finding: Finding, late: bool) -> None:
        total.hosts.add(host)
        total.cves.add(finding.cve)
        total.findings += 1
        total.removed += finding.score
        total.overdue += late
        if finding.kev:
            total.exploited.add(finding.cve)
        if finding.decision.urgency < total.decision.urgency:
            total.decision = finding.decision
        if finding.due and (not total.due or finding.due < total.due):
            total.due = finding.due
        if finding.cvss is not None and (total.cvss is None or finding.cvss > total.cvss):
            total.cvss = finding.cvss

    def _raise(self, total: _Sum, ecosystem: str, fixed: str) -> None:
        """The version that fixes all of them is the newest of their fixes."""
        scheme = self._schemes.get(ecosystem)
        if not fixed or fixed == total.fixed or scheme is None:
            return
        try:
            place = key(scheme, fixed)
        except InvalidVersionError:
            return
        if total.fixed_key is None or total.fixed_key < place:
            total.fixed, total.fixed_key = fixed, place

    def actions(self) -> tuple[Action, ...]:
        """Most urgent first; within a decision by the risk removed."""
        made = (
            Action(
                kind=kind,
                package=source,
                ecosystem=ecosystem,
                fixed=total.fixed,
                hosts=tuple(sorted(total.hosts)),
                cves=tuple(sorted(total.cves, key=cve_order)),
                decision=total.decision,
                due=total.due or None,
                removed=total.removed,
                findings=total.findings,
                kev=len(total.exploited),
                highest_cvss=total.cvss,
                overdue=total.overdue,
            )
            for (kind, ecosystem, source), total in self._sums.items()
        )
        return tuple(sorted(made, key=_rank))


def _rank(action: Action) -> tuple[int, int, str, str, str]:
    return (
        action.decision.urgency,
        -action.removed,
        action.kind,
        action.package,
        action.ecosystem,
    )


def cve_order(cve: str) -> tuple[int, int, str]:
    """CVE ids by year and number (numbers have four digits or more)."""
    parts = cve.split("-")
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return int(parts[1]), int(parts[2]), ""
    return 0, 0, cve


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The findings of one host, most urgent first."""
    return sorted(
        findings,
        key=lambda one: (
            one.state is FindingState.WAIVED,
            one.decision.urgency,
            one.due or "9999",
            -one.score,
            cve_order(one.cve),
        ),
    )
