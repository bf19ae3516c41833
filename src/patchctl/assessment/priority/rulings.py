"""Combine the rulings of all profiles: how urgent a vulnerability is on a host, by when and why."""

from ...models.advisory import Severity
from ...models.priority import Clock, Context, Decision, Exposure, Priority, PriorityPolicy, Threat
from .deadlines import Case, Ruling, band_of, fix_out, rulings
from .ssvc import points_of

# Scores of findings are summed for a remediation, so an urgent one must outweigh many others.
_WEIGHT = {
    Decision.DEFER: 1,
    Decision.SCHEDULED: 8,
    Decision.OUT_OF_CYCLE: 64,
    Decision.ACT: 512,
}
_EXPOSED = {Exposure.SMALL: 1, Exposure.CONTROLLED: 2, Exposure.OPEN: 3}
# Assumed tenths of a CVSS score, where there is no score.
_TENTHS = {
    Severity.CRITICAL: 95,
    Severity.IMPORTANT: 80,
    Severity.MODERATE: 55,
    Severity.LOW: 30,
    Severity.NEGLIGIBLE: 5,
    Severity.UNKNOWN: 50,
}


def prioritise(threat: Threat, context: Context, policy: PriorityPolicy, today: str) -> Priority:
    """The priority of one CVE on hosts with one context; `today` is an ISO date.

    The most urgent decision and the earliest date of all profiles count.
    """
    if threat.severity is Severity.NEGLIGIBLE and threat.kev is None:
        # Debian's `unimportant`, Ubuntu's `negligible`: not in the binaries, or cannot be used.
        return Priority(
            decision=Decision.DEFER,
            reasons=("negligible to the vendor: no deadline",),
            score=_score(Decision.DEFER, threat, context),
        )
    case = Case(threat, context, points_of(threat), band_of(threat), policy, today)
    results = rulings(case)
    clocks = tuple(sorted((clock for ruling in results for clock in ruling.clocks), key=_by_date))
    decision = _decision(results, case.band)
    first = clocks[0] if clocks else None
    return Priority(
        decision=decision,
        due=first.due if first else "",
        rule=first.rule if first else "",
        clocks=clocks,
        reasons=_reasons(case, results),
        score=_score(decision, threat, context),
    )


def _by_date(clock: Clock) -> str:
    return clock.due


def _decision(results: list[Ruling], band: str) -> Decision:
    decisions = [ruling.decision for ruling in results if ruling.decision is not None]
    if decisions:
        return min(decisions, key=_URGENCY.__getitem__)
    # No profile applies: regular maintenance, but no deadline for low severities.
    return Decision.DEFER if band in ("none", "low") else Decision.SCHEDULED


_URGENCY = {decision: urgency for urgency, decision in enumerate(Decision)}


def _reasons(case: Case, results: list[Ruling]) -> tuple[str, ...]:
    threat, context = case.threat, case.context
    reasons = []
    kev = threat.kev
    if kev is not None:
        used = ", used by ransomware" if kev.ransomware else ""
        reasons.append(f"known to be exploited: in KEV since {kev.added}{used}")
    if threat.severity is Severity.NEGLIGIBLE:
        reasons.append("negligible to the vendor, but it is exploited")
    reasons += [line for ruling in results for line in ruling.lines()]
    if context.exposure_why:
        reasons.append(f"exposure {context.exposure.value}: {context.exposure_why}")
    reasons += case.points.notes
    if not fix_out(threat):
        reasons.append(
            "no fix is out: mitigate it or take it out of service by the due date"
            if any(ruling.clocks for ruling in results)
            else "no fix is out: deadlines begin with the fix"
        )
    if threat.epss is not None:
        reasons.append(f"EPSS {threat.epss.score:.3f}: only orders what is otherwise alike")
    return tuple(reasons)


def _score(decision: Decision, threat: Threat, context: Context) -> int:
    """A positive number without a unit. Its last two digits are EPSS in percent, which orders
    findings that are otherwise equal."""
    tenths = round(threat.cvss.score * 10) if threat.cvss else _TENTHS[threat.severity]
    exploited = 1 if threat.kev is None else 3 if threat.kev.ransomware else 2
    worth = (
        _WEIGHT[decision]
        * (tenths + 1)
        * exploited
        * _EXPOSED[context.exposure]
        * context.criticality
    )
    return worth * 100 + (min(99, int(threat.epss.score * 100)) if threat.epss else 0)
