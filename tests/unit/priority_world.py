"""Make threats, contexts and policies for the tests of priority."""

from datetime import date

from hypothesis import strategies as st

from patchctl.assessment.priority.cvss import vector_of
from patchctl.models.advisory import CvssVector, ExploitChance, KnownExploited, Severity
from patchctl.models.priority import (
    Context,
    Criticality,
    Exposure,
    PriorityPolicy,
    Profile,
    Sla,
    Threat,
)

CVE = "CVE-2024-6387"
TODAY = "2026-11-23"
WORST = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOCAL = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"


def cvss(vector: str) -> CvssVector:
    parsed = vector_of(vector, "vendor")
    assert parsed is not None
    return parsed


def kev(added: str = "2026-09-11", due: str = "", *, ransomware: bool = False) -> KnownExploited:
    return KnownExploited(cve=CVE, added=added, due=due, ransomware=ransomware)


def epss(score: float) -> ExploitChance:
    return ExploitChance(cve=CVE, score=score, percentile=score)


def policy(*profiles: Profile, sla: Sla | None = None) -> PriorityPolicy:
    return PriorityPolicy(profiles=profiles, sla=sla or Sla())


# CVSS 3.1 metrics from harmless to harmful.
METRICS = {
    "AV": "PLAN",
    "AC": "HL",
    "PR": "HLN",
    "UI": "RN",
    "S": "UC",
    "C": "NLH",
    "I": "NLH",
    "A": "NLH",
}
DATES = st.dates(date(1999, 1, 1), date(2030, 12, 31)).map(date.isoformat)

levels = st.fixed_dictionaries({name: st.sampled_from(word) for name, word in METRICS.items()})


def of_levels(chosen: dict[str, str]) -> CvssVector:
    return cvss("CVSS:3.1/" + "/".join(f"{name}:{value}" for name, value in chosen.items()))


vectors = levels.map(of_levels)

threats = st.builds(
    Threat,
    cve=st.just(CVE),
    severity=st.sampled_from(Severity),
    cvss=st.none() | vectors,
    kev=st.none() | st.builds(kev, DATES, st.just("") | DATES, ransomware=st.booleans()),
    epss=st.none() | st.floats(0, 1).map(epss),
    exploitation=st.sampled_from(["", "none", "poc", "active"]),
    automatable=st.sampled_from(["", "yes", "no"]),
    technical_impact=st.sampled_from(["", "partial", "total"]),
    published=st.just("") | DATES,
    fix_published=st.just("") | DATES,
    fix_out=st.booleans(),
    fixable=st.booleans(),
)
contexts = st.builds(
    Context, exposure=st.sampled_from(Exposure), criticality=st.sampled_from(Criticality)
)
slas = st.lists(st.integers(1, 400), min_size=4, max_size=4).map(
    lambda days: Sla(**dict(zip(("critical", "high", "medium", "low"), sorted(days), strict=True)))
)
policies = st.builds(
    PriorityPolicy,
    profiles=st.lists(st.sampled_from(Profile), min_size=1, unique=True).map(tuple),
    sla=slas | st.just(Sla()),
)
