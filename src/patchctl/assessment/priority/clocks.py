"""What each profile says of a vulnerability on a host: how urgent, and by which day.

No memory is needed: a clock starts on a published date, so that a deadline does not move when
patchctl runs again. Only where no date is known does it start today, and says so.

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
from .points import Points
from .tables import BOD_26_04, DEPLOYER, Timeline

# Within so many days a deadline cannot wait for the next maintenance window, or not even for
# regular hours.
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
    """One CVE on hosts of one kind, on a day (ISO date)."""

    threat: Threat
    context: Context
    points: Points
    band: str
    policy: PriorityPolicy
    today: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one profile says. `decision` is None where it says nothing of this CVE; `advice` is
    what it asks for besides a fix."""

    decision: Decision | None
    reason: str
    clocks: tuple[Clock, ...] = ()
    advice: str = ""

    def lines(self) -> list[str]:
        """In words, with every date and where it is counted from."""
        told = [f"due {clock.due}, counted from {clock.start}" for clock in self.clocks]
        return ["; ".join((self.reason, *told)), *([self.advice] if self.advice else [])]


def band_of(threat: Threat) -> str:
    """CVSS v3.1's band; without a score that of the vendor's word, medium without either."""
    if threat.cvss is None:
        return _BAND_OF.get(threat.severity, "medium")
    score = threat.cvss.score
    return BANDS[(score > 0) + (score >= 4) + (score >= 7) + (score >= 9)]


def rulings(case: Case) -> list[Ruling]:
    """Every chosen profile's, in the order of the settings."""
    return [_RULES[profile](case) for profile in case.policy.profiles]


def fix_out(threat: Threat) -> bool:
    """Whether a fix is known to be out, on whichever repository."""
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
    """Runs from the listing in KEV for what is listed, else from the fix.

    Appendix A says the earlier of the listing and the detection on the asset. A detection is known
    only to who remembers it; the fix comes before it, so this date is never the laxer one.
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
    # A listing may come years after the fix; it never moves a deadline that stood already.
    before = _bod_clock(unlisted, _since_fix(case), ", from before its listing in KEV")
    if before and before[0].due < clocks[0].due:
        clocks += before
    # Evidence is lost with the update: the guidance has it collected within 24 hours, before.
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
    """6.3.3: patches for critical vulnerabilities within one month of release; 6.3.1 leaves the
    ranking to the entity. Here: CVSS critical, critical to the vendor, or known exploited."""
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
        clocks = (Clock(rule="PCI DSS 6.3.3: one month", due=due, start=_told(start)),)
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
    """The catalogue's own dates. Where an entry has none: two weeks, six months for CVEs from
    before 2021."""
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
        clock = Clock(rule="BOD 22-01: KEV's due date", due=kev.due, start=_told(start))
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
    """What a deadline means for the day's work, where the profile only gives days."""
    if days is None:
        return Decision.DEFER
    if days <= _ACT_DAYS:
        return Decision.ACT
    return Decision.OUT_OF_CYCLE if days <= _OUT_OF_CYCLE_DAYS else Decision.SCHEDULED


# --- dates --------------------------------------------------------------------------------------


def _since_fix(case: Case) -> tuple[str, str] | None:
    """(date, why) from which a deadline for a fix runs; None where no fix is out."""
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
    return Clock(rule=rule, due=_later(start[0], days), start=_told(start))


def _told(start: tuple[str, str]) -> str:
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
    """The same day of the next month, else that month's last."""
    day = date.fromisoformat(start)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, monthrange(year, month)[1])).isoformat()
