"""Show exceptions to people. Pure: models to rows and lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..models.exceptions import ExceptionsReview, ExceptionStatus, RiskException
from ..models.words import count, some
from .view import Lines, Note, Part, Table, View

COLUMNS = ["ID", "WHAT", "WHERE", "OWNER", "EXPIRES", "STATE", "REASON"]


def row(status: ExceptionStatus) -> list[str]:
    """Return the row of one exception."""
    exception = status.exception
    days = f"{abs(status.days_left)} d"
    left = f"expired {days} ago" if status.days_left < 0 else f"{status.state.value}, {days}"
    if status.exploited:
        left += f"; not for {some(status.exploited)} (KEV)"
    return [
        exception.id,
        what(exception),
        where(exception),
        exception.owner,
        exception.expires,
        left,
        exception.reason,
    ]


def what(exception: RiskException) -> str:
    """Return its CVEs and packages."""
    parts = [some(exception.cves), some(exception.packages)]
    return " in ".join(part for part in parts if part)


def where(exception: RiskException) -> str:
    """Return its hosts and groups."""
    hosts = "all hosts" if "*" in exception.hosts else some(exception.hosts)
    groups = f"groups {some(exception.groups)}" if exception.groups else ""
    return ", ".join(part for part in (hosts, groups) if part)


def review_lines(review: ExceptionsReview) -> Iterator[str]:
    """Return a line for each exception that needs attention."""
    for complaint in review.complaints:
        yield f"{complaint.id}: {complaint.detail}"


def closing(review: ExceptionsReview) -> str:
    """Return one line that sums up the review."""
    exceptions = count(review.exceptions, "exception")
    if not review.exceptions:
        return "there are no exceptions"
    bad = len({complaint.id for complaint in review.complaints})
    verdict = f"{bad} need attention" if bad > 1 else "1 needs attention" if bad else "all are well"
    hosts = count(review.hosts, "host")
    return f"{exceptions} against the findings of {hosts} as of {review.as_of}: {verdict}"


@dataclass(frozen=True)
class ExceptionsView(View):
    """`exceptions list`."""

    exceptions: Sequence[ExceptionStatus]

    def data(self) -> Sequence[ExceptionStatus]:
        """All exceptions with their state, the next to expire first."""
        return self.exceptions

    def parts(self) -> Iterator[Part]:
        """A row for each exception."""
        if self.exceptions:
            yield Table(COLUMNS, map(row, self.exceptions))
        else:
            yield Note("there are no exceptions; `patchctl exceptions add` makes one", kept=True)


@dataclass(frozen=True)
class NewExceptionView(View):
    """`exceptions add`."""

    exception: RiskException

    def data(self) -> RiskException:
        """The new exception."""
        return self.exception

    def parts(self) -> Iterator[Part]:
        """The same in one line."""
        new = self.exception
        yield Note(f"exceptions.yml: {new.id} added, holds until {new.expires}", kept=True)


@dataclass(frozen=True)
class ExceptionsReviewView(View):
    """`exceptions check`."""

    review: ExceptionsReview

    def data(self) -> ExceptionsReview:
        """The review."""
        return self.review

    def parts(self) -> Iterator[Part]:
        """What needs attention."""
        yield Lines(review_lines(self.review))
