"""Findings: a vulnerability on a host, with its state, its urgency and its due date."""

from enum import StrEnum

from .base import Model, Record
from .priority import Decision


class FindingState(StrEnum):
    """The state of a finding. `not_affected` is only shown by `explain`, never listed."""

    FIXABLE = "fixable"
    # A fix exists, but no repository of the host offers it: a stale mirror, a missing subscription.
    NOT_IN_REPOSITORIES = "not_in_repositories"
    NO_FIX = "no_fix"
    WONT_FIX = "wont_fix"
    END_OF_LIFE = "end_of_life"
    # The fix is installed but the old code still runs: reboot or restart.
    NOT_EFFECTIVE = "not_effective"
    WAIVED = "waived"
    NOT_AFFECTED = "not_affected"


class AffectedPackage(Record):
    """One installed source package with the CVE, under the name of one of its binaries.

    `fixed` is empty where there is no fix; `offered` is the version that a repository of the host
    offers, empty where there is none or it is unknown. `binaries` are all that are affected;
    `held`: the operator holds one of them on purpose. `remedy` is what makes an installed fix
    effective: `reboot` or `restart`. `decided_by` is the advisory that decided, by the rule `why`.
    """

    name: str
    installed: str
    source: str
    ecosystem: str
    binaries: tuple[str, ...] = ()
    fixed: str = ""
    offered: str = ""
    state: FindingState = FindingState.FIXABLE
    advisories: tuple[str, ...] = ()
    held: bool = False
    note: str = ""
    remedy: str = ""
    decided_by: str = ""
    why: str = ""


class Finding(Record):
    """One CVE on one host. It does not name the host, because hosts with equal findings share it.

    `package` is the affected package that decides the state; `packages` are all affected ones.
    `due` is an ISO date, None where no rule sets one. `cvss` is the base score that is used.
    `excluded` describes the exclusion that keeps the update out of plans: the finding stays open.
    """

    cve: str
    advisories: tuple[str, ...]
    package: str
    installed: str
    fixed: str | None
    state: FindingState
    decision: Decision
    due: str | None
    cvss: float | None
    kev: bool
    epss: float | None
    severity: str = ""
    source: str = ""
    rule: str = ""
    reasons: tuple[str, ...] = ()
    packages: tuple[AffectedPackage, ...] = ()
    note: str = ""
    waiver: str = ""
    score: int = 0
    excluded: str = ""


class Action(Record):
    """A remediation: upgrade a source package to a version that fixes these CVEs on all hosts that
    need it, reboot these hosts, or restart services.

    `kind` is `upgrade`, `reboot` or `restart`; `due` is the earliest date. `removed` is the risk
    that it removes, summed over findings.
    """

    kind: str
    package: str
    ecosystem: str
    fixed: str
    hosts: tuple[str, ...]
    cves: tuple[str, ...]
    decision: Decision
    due: str | None
    removed: int
    findings: int
    kev: int = 0
    highest_cvss: float | None = None
    overdue: int = 0


class FeedUsed(Record):
    """A feed that was used. `dated` is the content's own date (ISO), `age_days` its age."""

    name: str
    dated: str
    entries: int
    age_days: int = 0
    bad: int = 0


class Release(Record):
    """An operating-system release of the fleet and its support at the date of the assessment.

    `support` is `supported`, `extended` (needs a contract or is community LTS), `ended` or
    `unknown`."""

    ecosystem: str
    hosts: int
    support: str
    end: str = ""
    extended_end: str = ""
    note: str = ""


class Unlooked(Record):
    """A host without facts. It is not free of findings: its findings are unknown."""

    host: str
    reason: str


class ExcludedFindings(Record):
    """Open findings whose update one exclusion keeps out of plans. `rule` is the rule in words,
    `packages` are source packages, `hosts` counts the hosts."""

    rule: str
    packages: tuple[str, ...]
    hosts: int
    findings: int
    overdue: int = 0


class Assessment(Model):
    """The result of an assessment without its findings, which are streamed.

    `not_covered` is ecosystem -> number of installed packages that no feed covers, counted on each
    host. `on_time` counts the assessed hosts that have nothing overdue; findings under an exclusion
    count like others.
    """

    as_of: str
    snapshot: str
    feeds: tuple[FeedUsed, ...]
    not_covered: dict[str, int]
    releases: tuple[Release, ...]
    unlooked: tuple[Unlooked, ...]
    actions: tuple[Action, ...]
    warnings: tuple[str, ...] = ()
    by_decision: dict[str, int] = {}
    by_state: dict[str, int] = {}
    overdue: int = 0
    on_time: int = 0
    excluded: tuple[ExcludedFindings, ...] = ()
