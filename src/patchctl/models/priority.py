"""The priority of a vulnerability on a host: the inputs and results of the decision.

All dates are ISO dates (UTC). `due` is the last day for the fix.
"""

from enum import IntEnum, StrEnum

from .advisory import CvssVector, ExploitChance, KnownExploited, Severity
from .base import Record


class Decision(StrEnum):
    """The outcomes of SSVC's deployer tree, under names for operators."""

    ACT = "act"  # immediate
    OUT_OF_CYCLE = "out_of_cycle"
    SCHEDULED = "scheduled"
    DEFER = "defer"

    @property
    def urgency(self) -> int:
        """The rank of the decision; 0 is the most urgent."""
        return _URGENCY[self]


_URGENCY = {decision: index for index, decision in enumerate(Decision)}


class Exposure(StrEnum):
    """SSVC system exposure. `open`: reachable from the internet; `controlled`: networks with
    access rules; `small`: local or highly isolated."""

    OPEN = "open"
    CONTROLLED = "controlled"
    SMALL = "small"


class Criticality(IntEnum):
    """SSVC human impact of losing the host, from the inventory's variables."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    VERY_HIGH = 4


class Context(Record):
    """The properties of a host that count for priority; hosts with equal ones share decisions.

    `exposure_why` says where the exposure comes from: a declaration or a listening socket.
    """

    exposure: Exposure = Exposure.CONTROLLED
    exposure_why: str = ""
    criticality: Criticality = Criticality.MEDIUM
    environment: str = ""


class Threat(Record):
    """The data of a CVE that counts for its priority on all hosts.

    `cvss` is the vector that is used (the vendor's before the CNA's before others); `severity` is
    the vendor's own. SSVC points are empty where unknown: then the cautious value is used and the
    reasons say so. `fix_published` is the date of the first fix, `published` that of the CVE or
    advisory; empty where unknown. `fix_out`: a fix exists, even if no repository of the host has
    it; `fixable`: the operator can install it now.
    """

    cve: str
    severity: Severity = Severity.UNKNOWN
    cvss: CvssVector | None = None
    kev: KnownExploited | None = None
    epss: ExploitChance | None = None
    exploitation: str = ""
    automatable: str = ""
    technical_impact: str = ""
    published: str = ""
    fix_published: str = ""
    fix_out: bool = False
    fixable: bool = False


class Clock(Record):
    """The deadline of one rule: `rule` names it (`BOD 26-04: 14 days`), `start` is the date from
    which it runs, and why."""

    rule: str
    due: str
    start: str = ""


class Priority(Record):
    """A decision, the earliest due date with its rule, all deadlines (`clocks`), and the reasons.

    `due` is empty where no rule sets a date. `score` is the risk that a fix removes, a positive
    number to rank and add; EPSS breaks ties in it and is never a gate alone.
    """

    decision: Decision
    due: str = ""
    rule: str = ""
    clocks: tuple[Clock, ...] = ()
    reasons: tuple[str, ...] = ()
    score: int = 0


class Profile(StrEnum):
    """Rules that set decisions or dates; several combine, the earliest deadline wins."""

    SSVC_DEPLOYER = "ssvc-deployer"
    BOD_26_04 = "bod-26-04"
    PCI_DSS = "pci-dss"
    CVSS_SLA = "cvss-sla"
    BOD_22_01 = "bod-22-01"


class Sla(Record):
    """Days from the day when a fix is published, by CVSS band (CVSS v3.1 section 5); 0: no
    deadline."""

    critical: int = 7
    high: int = 30
    medium: int = 90
    low: int = 0


class PriorityPolicy(Record):
    """The rules for priority that the site uses."""

    profiles: tuple[Profile, ...] = (Profile.SSVC_DEPLOYER, Profile.BOD_26_04, Profile.CVSS_SLA)
    sla: Sla = Sla()
