"""Sum findings up to remediations, ranked by the risk that each removes.

A remediation is one upgrade of a source package on all hosts that need it, or one reboot or
restart.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from ...models.assessment import Action, AffectedPackage, Finding, FindingState
from ...models.priority import Decision
from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, Key, key
from .ranking import cve_order


@dataclass
class _Sum:
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


Key3 = tuple[str, str, str]  # kind, ecosystem, source package


class Tally:
    """Sums findings up, host by host. `today` is an ISO date.

    Hosts share finding objects, so `add` only counts them; each distinct finding is added to its
    remediation once, at the end.
    """

    def __init__(self, today: str, schemes: dict[str, VersionScheme]) -> None:
        self._today = today
        self._schemes = schemes
        # By id(), which stays unique because the finding is held here.
        self._findings: list[Finding] = []
        self._counts: Counter[int] = Counter()
        self._keys: dict[int, tuple[Key3, ...]] = {}
        self._hosts: dict[Key3, list[str]] = defaultdict(list)
        self._late: set[int] = set()
        self.on_time = 0  # hosts with nothing overdue

    def add(self, host: str, findings: Sequence[Finding]) -> None:
        """Add the findings of one host, each CVE once."""
        ids = list(map(id, findings))
        try:
            keys = set(map(self._keys.__getitem__, ids))
        except KeyError:
            for finding in findings:
                if id(finding) not in self._keys:
                    self._findings.append(finding)
                    self._keys[id(finding)] = _keys(finding)
                    if finding.state is not FindingState.WAIVED and self._is_late(finding):
                        self._late.add(id(finding))
            keys = set(map(self._keys.__getitem__, ids))
        self._counts.update(ids)
        self.on_time += not self._late or self._late.isdisjoint(ids)
        for action in set(chain.from_iterable(keys)):
            self._hosts[action].append(host)

    def counts(self) -> tuple[dict[Decision, int], dict[FindingState, int], int]:
        """Numbers of findings by decision and by state, and of those overdue. Waived ones count by
        state only."""
        decisions: dict[Decision, int] = defaultdict(int)
        states: dict[FindingState, int] = defaultdict(int)
        overdue = 0
        for finding in self._findings:
            count = self._counts[id(finding)]
            states[finding.state] += count
            if finding.state is not FindingState.WAIVED:
                decisions[finding.decision] += count
                overdue += count * self._is_late(finding)
        return decisions, states, overdue

    def _is_late(self, finding: Finding) -> bool:
        return bool(finding.due) and str(finding.due) < self._today

    def _sums(self) -> dict[Key3, _Sum]:
        sums: dict[Key3, _Sum] = defaultdict(_Sum)
        for finding in self._findings:
            for action in self._keys[id(finding)]:
                self._count(sums[action], finding, self._counts[id(finding)])
            for package in finding.packages:
                action = _key(package)
                if action in sums:
                    self._raise(sums[action], package.ecosystem, package.fixed)
        return sums

    def _count(self, total: _Sum, finding: Finding, count: int) -> None:
        total.cves.add(finding.cve)
        total.findings += count
        total.removed += finding.score * count
        total.overdue += self._is_late(finding) * count
        if finding.kev:
            total.exploited.add(finding.cve)
        if finding.decision.urgency < total.decision.urgency:
            total.decision = finding.decision
        if finding.due and (not total.due or finding.due < total.due):
            total.due = finding.due
        if finding.cvss is not None and (total.cvss is None or finding.cvss > total.cvss):
            total.cvss = finding.cvss

    def _raise(self, total: _Sum, ecosystem: str, fixed: str) -> None:
        """Keep the newest of the fixes, which fixes all CVEs of the remediation."""
        scheme = self._schemes.get(ecosystem)
        if not fixed or fixed == total.fixed or scheme is None:
            return
        try:
            fixed_key = key(scheme, fixed)
        except InvalidVersionError:
            return
        if total.fixed_key is None or total.fixed_key < fixed_key:
            total.fixed, total.fixed_key = fixed, fixed_key

    def actions(self) -> tuple[Action, ...]:
        """The remediations, most urgent first, and within a decision by the risk removed."""
        made = (
            Action(
                kind=kind,
                package=source,
                ecosystem=ecosystem,
                fixed=total.fixed,
                hosts=tuple(sorted(self._hosts[kind, ecosystem, source])),
                cves=tuple(sorted(total.cves, key=cve_order)),
                decision=total.decision,
                due=total.due or None,
                removed=total.removed,
                findings=total.findings,
                kev=len(total.exploited),
                highest_cvss=total.cvss,
                overdue=total.overdue,
            )
            for (kind, ecosystem, source), total in self._sums().items()
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


def _key(package: AffectedPackage) -> Key3:
    return package.remedy or "upgrade", package.ecosystem, package.source


def _keys(finding: Finding) -> tuple[Key3, ...]:
    """Keys of the remediations that help against a finding."""
    if finding.state is FindingState.WAIVED:
        return ()
    return tuple(
        _key(package)
        for package in finding.packages
        if package.state in (FindingState.FIXABLE, FindingState.NOT_EFFECTIVE)
    )
