"""Rule by each profile how urgent a vulnerability is on a host, and by which day to fix it.

A deadline runs from a published date, so it does not move when patchctl runs again and needs no
stored state. Only where no date is known does it run from today, and the reason says so.

Sources: CISA BOD 26-04 (2026-06-10), Table 1 and Appendix A; CISA BOD 22-01 (2021-11-03,
revoked by 26-04); PCI DSS 4.0.1, requirements 6.3.1 and 6.3.3; CVSS v3.1 section 5.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from ...models.advisory import KnownExploited, Severity
from ...models.priority import Clock, Context, Decision, Exposure, PriorityPolicy, Profile, Threat
from ...models.words import count
from .decision_tables import BOD_26_04, DEPLOYER, Timeline
from .ssvc import DecisionPoints

# A deadline within so many days cannot wait for regular hours, or for the next maintenance window.
_ACT_DAYS, _OUT_OF_CYCLE_DAYS = 3, 21
BANDS = ("none", "low", "medium", "high", "critical")

_BAND_OF = {
    Severity.CRITICAL: "critical",
    Severity.IMPORTANT: "high",
    Severity.MODERATE: "medium",
    Severity.LOW: "low",
    Severity.NEGLIGIBLE: "low",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One CVE on hosts with one context, on a day (ISO date)."""

    threat: Threat
    context: Context
    points: DecisionPoints
    band: str
    policy: PriorityPolicy
    today: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """The ruling of one profile. `decision` is None where the profile does not apply to the CVE;
    `advice` is what it asks for besides a fix."""

    decision: Decision | None
    reason: str
    clocks: tuple[Clock, ...] = ()
    advice: str = ""

    def lines(self) -> list[str]:
        """The ruling in words, with each due date and the date that it is counted from."""
        dates = [f"due {clock.due}, counted from {clock.start}" for clock in self.clocks]
        return ["; ".join((self.reason, *dates)), *([self.advice] if self.advice else [])]


def band_of(threat: Threat) -> str:
    """The band of CVSS v3.1; without a score that of the vendor's severity, else medium."""
    if threat.cvss is None:
        return _BAND_OF.get(threat.severity, "medium")
    score = threat.cvss.score
    return BANDS[(score > 0) + (score >= 4) + (score >= 7) + (score >= 9)]


def rulings(case: Case) -> list[Ruling]:
    """The rulings of all chosen profiles, in the order of the settings."""
    return [_RULES[profile](case) for profile in case.policy.profiles]


def fix_out(threat: Threat) -> bool:
    """Whether a fix is known to be out, in any repository."""
    return threat.fixable or threat.fix_out or bool(_date(threat.fix_published))


def _ssvc(case: Case) -> Ruling:
    points, context = case.points, case.context
    decision = DEPLOYER[
        points.exploitation, context.exposure, points.automatable, context.criticality
    ]
    automatable = "yes" if points.automatable else "no"
    impact = context.criticality.name.lower().replace("_", " ")
    return Ruling(
        decision,
        f"SSVC Deployer: {_WORDS[decision]} (exploitation {points.exploitation}, exposure "
        f"{context.exposure.value}, automatable {automatable}, human impact {impact})",
    )


def _bod_26_04(case: Case) -> Ruling:
    """Rule by BOD 26-04: the deadline runs from the listing in KEV, else from the fix.

    Appendix A says the earlier of the listing and the detection on the asset. Detections are not
    stored; the fix comes before the detection, so this date is never later.
    """
    kev, points = case.threat.kev, case.points
    exposed = case.context.exposure is Exposure.OPEN
    unlisted = BOD_26_04[False, exposed, points.automatable, points.total]
    if kev is None:
        return Ruling(
            _by_days(unlisted.days),
            _bod_reason(unlisted, case, "not in KEV"),
            _bod_clock(unlisted, _since_fix(case)),
        )
    listed = BOD_26_04[True, exposed, points.automatable, points.total]
    clocks = _bod_clock(listed, _since_listing(kev) or _since_fix(case) or _from_today(case))
    # A listing may come years after the fix; it never moves an earlier deadline.
    before = _bod_clock(unlisted, _since_fix(case), ", from before its listing in KEV")
    if before and before[0].due < clocks[0].due:
        clocks += before
    # The update destroys evidence: the guidance says to collect it within 24 hours, before.
    advice = "look for a compromise before patching, and keep the evidence (BOD 26-04)"
    return Ruling(
        _by_days(listed.days),
        _bod_reason(listed, case, "in KEV"),
        clocks,
        advice if listed is Timeline.TRIAGE else "",
    )


def _bod_reason(timeline: Timeline, case: Case, listed: str) -> str:
    exposed = "" if case.context.exposure is Exposure.OPEN else "not "
    automatable = "" if case.points.automatable else "not "
    impact = "total" if case.points.total else "partial"
    return (
        f"BOD 26-04: {timeline.words} ({listed}, {exposed}publicly exposed, "
        f"{automatable}automatable, {impact} impact)"
    )


def _bod_clock(
    timeline: Timeline, start: tuple[str, str] | None, suffix: str = ""
) -> tuple[Clock, ...]:
    if timeline.days is None or start is None:
        return ()
    return (_clock(f"BOD 26-04: {timeline.words}{suffix}", start, timeline.days),)


def _pci(case: Case) -> Ruling:
    """Rule by PCI DSS. 6.3.3: patch critical vulnerabilities within one month of release; 6.3.1
    leaves the ranking to the entity. Here critical is: CVSS critical, critical to the vendor, or
    known exploited."""
    threat = case.threat
    critical = (
        case.band == "critical" or threat.severity is Severity.CRITICAL or threat.kev is not None
    )
    if not critical:
        return Ruling(None, "PCI DSS 6.3.3: not critical, so in the site's own time frame")
    start = _since_fix(case)
    clocks: tuple[Clock, ...] = ()
    if start is not None:
        due = _month_later(start[0])
        clocks = (Clock(rule="PCI DSS 6.3.3: one month", due=due, start=_start_in_words(start)),)
    reason = "PCI DSS 6.3.3: critical, within one month of the fix"
    return Ruling(Decision.SCHEDULED, reason, clocks)


def _sla(case: Case) -> Ruling:
    sla = case.policy.sla
    days = {
        "critical": sla.critical,
        "high": sla.high,
        "medium": sla.medium,
        "low": sla.low,
    }.get(case.band, 0)
    named = _band_words(case)
    if not days:
        return Ruling(Decision.DEFER, f"SLA: no deadline for {named}")
    rule = f"SLA: {case.band} within {count(days, 'day')}"
    start = _since_fix(case)
    clocks = (_clock(rule, start, days),) if start is not None else ()
    return Ruling(_by_days(days), f"SLA: {named}, {count(days, 'day')} after the fix", clocks)


def _band_words(case: Case) -> str:
    threat = case.threat
    if threat.cvss is not None:
        return f"{case.band} (CVSS {threat.cvss.version} {threat.cvss.score:.1f})"
    if threat.severity is Severity.UNKNOWN:
        return f"{case.band} (neither CVSS nor a vendor's word is known)"
    return f"{case.band} (the vendor's {threat.severity.value}, no CVSS)"


def _bod_22_01(case: Case) -> Ruling:
    """Rule by BOD 22-01: KEV's own due dates. Where an entry has none: two weeks, or six months for
    CVEs from before 2021."""
    kev = case.threat.kev
    if kev is None:
        return Ruling(None, "BOD 22-01: not in KEV")
    start = _since_listing(kev) or _since_fix(case) or _from_today(case)
    due = _date(kev.due)
    if due is None:
        old = kev.cve[4:8].isdigit() and int(kev.cve[4:8]) < 2021
        clock = _clock(
            "BOD 22-01: " + ("six months" if old else "two weeks"), start, 183 if old else 14
        )
    else:
        clock = Clock(rule="BOD 22-01: KEV's due date", due=kev.due, start=_start_in_words(start))
    days = (date.fromisoformat(clock.due) - date.fromisoformat(start[0])).days
    return Ruling(_by_days(max(days, 0)), clock.rule, (clock,))


_RULES: dict[Profile, Callable[[Case], Ruling]] = {
    Profile.SSVC_DEPLOYER: _ssvc,
    Profile.BOD_26_04: _bod_26_04,
    Profile.PCI_DSS: _pci,
    Profile.CVSS_SLA: _sla,
    Profile.BOD_22_01: _bod_22_01,
}
_WORDS = {
    Decision.ACT: "immediate",
    Decision.OUT_OF_CYCLE: "out of cycle",
    Decision.SCHEDULED: "scheduled",
    Decision.DEFER: "defer",
}


def _by_days(days: int | None) -> Decision:
    """The decision for a deadline, where the profile gives days only."""
    if days is None:
        return Decision.DEFER
    if days <= _ACT_DAYS:
        return Decision.ACT
    return Decision.OUT_OF_CYCLE if days <= _OUT_OF_CYCLE_DAYS else Decision.SCHEDULED


# --- dates --------------------------------------------------------------------------------------


def _since_fix(case: Case) -> tuple[str, str] | None:
    """(date, reason) from which a deadline for a fix runs; None where no fix is out."""
    threat = case.threat
    if _date(threat.fix_published):
        return threat.fix_published, "the fix was published"
    if not fix_out(threat):
        return None
    if _date(threat.published):
        return threat.published, "the CVE was published; the day of the fix is not known"
    return _from_today(case)


def _since_listing(kev: KnownExploited) -> tuple[str, str] | None:
    return (kev.added, "listed in KEV") if _date(kev.added) else None


def _from_today(case: Case) -> tuple[str, str]:
    return case.today, "today; no published date is known, so it moves"


def _clock(rule: str, start: tuple[str, str], days: int) -> Clock:
    return Clock(rule=rule, due=_later(start[0], days), start=_start_in_words(start))


def _start_in_words(start: tuple[str, str]) -> str:
    return f"{start[0]}, {start[1]}"


@lru_cache(maxsize=4096)
def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def _later(start: str, days: int) -> str:
    return (date.fromisoformat(start) + timedelta(days=days)).isoformat()


@lru_cache(maxsize=4096)
def _month_later(start: str) -> str:
    """The same day of the next month, or that month's last day."""
    day = date.fromisoformat(start)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, monthrange(year, month)[1])).isoformat()
