"""Exceptions for people. Pure: models to rows and lines."""

from collections.abc import Iterable, Iterator

from ..models.exceptions import ExceptionsReview, ExceptionStatus, RiskException

COLUMNS = ["ID", "WHAT", "WHERE", "OWNER", "EXPIRES", "STATE", "REASON"]


def row(status: ExceptionStatus) -> list[str]:
    """One exception."""
    one = status.exception
    days = f"{abs(status.days_left)} d"
    left = f"expired {days} ago" if status.days_left < 0 else f"{status.state.value}, {days}"
    if status.exploited:
        left += f"; not for {_few(status.exploited)} (KEV)"
    return [one.id, what(one), where(one), one.owner, one.expires, left, one.reason]


def what(one: RiskException) -> str:
    """The CVEs and packages."""
    parts = [_few(one.cves), _few(one.packages)]
    return " in ".join(part for part in parts if part)


def where(one: RiskException) -> str:
    """The hosts and groups."""
    hosts = "all hosts" if "*" in one.hosts else _few(one.hosts)
    groups = f"groups {_few(one.groups)}" if one.groups else ""
    return ", ".join(part for part in (hosts, groups) if part)


def _few(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    return ", ".join(every[:3]) + more


def review_lines(review: ExceptionsReview) -> Iterator[str]:
    """What needs attention, a line each."""
    for one in review.complaints:
        yield f"{one.id}: {one.detail}"


def closing(review: ExceptionsReview) -> str:
    """One line over all."""
    exceptions = "1 exception" if review.exceptions == 1 else f"{review.exceptions} exceptions"
    if not review.exceptions:
        return "there are no exceptions"
    bad = len({one.id for one in review.complaints})
    verdict = f"{bad} need attention" if bad > 1 else "1 needs attention" if bad else "all are well"
    hosts = "1 host" if review.hosts == 1 else f"{review.hosts} hosts"
    return f"{exceptions} against the findings of {hosts} as of {review.as_of}: {verdict}"
