"""Exceptions: findings that an owner accepts for a limited time, with a reason."""

from enum import StrEnum

from .base import Model, Record


class RiskException(Model):
    """An entry of exceptions.yml. `expires` is the last day on which it holds, an ISO date.

    It matches a finding whose CVE is named (none named: any), one of whose source or binary
    packages matches (none: any), on a host whose name matches or that is in one of the groups.
    Names of packages and hosts may be shell patterns.
    """

    id: str
    owner: str
    reason: str
    control: str
    expires: str
    cves: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class ExceptionState(StrEnum):
    """The state of an exception on a day. `expiring`: it holds for 30 days or less."""

    HOLDS = "holds"
    EXPIRING = "expiring"
    EXPIRED = "expired"


class ExceptionStatus(Model):
    """An exception with its state on a day. `days_left` is negative after it has expired.
    `exploited` are CVEs that it names but does not hold for, because KEV lists them."""

    exception: RiskException
    state: ExceptionState
    days_left: int
    exploited: tuple[str, ...] = ()


class ExceptionProblem(StrEnum):
    """The kinds of problems that `exceptions check` reports."""

    EXPIRED = "expired"
    EXPIRING = "expiring"
    EXPLOITED = "exploited"
    UNUSED = "unused"


class Complaint(Record):
    """One problem of one exception, in words."""

    id: str
    problem: ExceptionProblem
    detail: str


class ExceptionsReview(Model):
    """The answer of `exceptions check`. `hosts` is how many hosts were assessed for it;
    `matched` counts the findings that each exception fits, reopened ones included."""

    as_of: str
    exceptions: int
    hosts: int
    matched: dict[str, int]
    complaints: tuple[Complaint, ...] = ()

    @property
    def ok(self) -> bool:
        """True where there is nothing to fix."""
        return not self.complaints
