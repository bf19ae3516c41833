"""Keep exceptions.yml: list, add, check."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from ...assessment.findings.assess import Waiver
from ...assessment.findings.exceptions import Waivers, complaints, status_of
from ...errors import InvalidInputError, NotFoundError, UsageError
from ...models.exceptions import ExceptionsReview, ExceptionStatus, RiskException
from ..interfaces import Files


def listed(
    exceptions: Iterable[RiskException], known_exploited: Collection[str], today: str
) -> list[ExceptionStatus]:
    """The status of every exception on a day (ISO date), the next to expire first."""
    return sorted(
        (status_of(exception, today, known_exploited) for exception in exceptions),
        key=lambda status: (status.days_left, status.exception.id),
    )


def last_day(text: str, today: str) -> str:
    """The ISO date that `2027-01-31`, or `90d` from `today`, means. Raises UsageError."""
    start = date.fromisoformat(today)
    days = re.fullmatch(r"([0-9]{1,4})d", text)
    try:
        if not days and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        day = start + timedelta(days=int(days[1])) if days else date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--expires {text}: is not a valid date",
            hint="write it as 2027-01-31, or as 90d from today",
        ) from None
    if day < start:
        raise UsageError(f"--expires {text}: is past, so the exception would never hold")
    return day.isoformat()


def free_id(exceptions: Sequence[RiskException]) -> str:
    """EX-1, or the number after the highest id of this format."""
    numbers = [
        int(exception.id[3:])
        for exception in exceptions
        if re.fullmatch(r"EX-[0-9]{1,9}", exception.id)
    ]
    return f"EX-{max(numbers, default=0) + 1}"


def add(
    path: Path,
    lock: Path,
    load: Callable[[Path], Sequence[RiskException]],
    append: Callable[[str, RiskException], str],
    make: Callable[[str], RiskException],
    files: Files,
) -> RiskException:
    """Append an exception to the file, completely or not at all; the rest stays byte for byte.

    `make` makes the exception with a free id; `lock` is held meanwhile. Raises InvalidInputError
    where the file is broken or the id exists.
    """
    with files.locked(lock):
        new = make(free_id(load(path)))
        target = path.resolve()  # a link stays a link
        exists = target.exists()
        data = target.read_bytes() if exists else b""
        mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
        text = append(data[len(mark) :].decode(), new)
        mode = target.stat().st_mode & 0o777 if exists else 0o644  # reviewed like patchctl.yml
        files.write_atomic(target, mark + text.encode(), mode=mode)
    return new


def check(
    exceptions: Sequence[RiskException],
    known_exploited: Collection[str],
    walk: Callable[[Waiver], int],
    today: str,
) -> ExceptionsReview:
    """Find exceptions that need attention.

    `walk` assesses the fleet with a waiver and returns the number of hosts. Raises NotFoundError
    where that is 0, because nothing would show which exceptions fit.
    """
    waivers = Waivers(exceptions, today)
    hosts = walk(waivers) if exceptions else 0
    if exceptions and not hosts:
        raise NotFoundError(
            "no host was discovered, so nothing shows whether exceptions are needed",
            hint="run `patchctl discover`",
        )
    return ExceptionsReview(
        as_of=today,
        exceptions=len(exceptions),
        hosts=hosts,
        matched={exception.id: waivers.matched[exception.id] for exception in exceptions},
        complaints=tuple(complaints(exceptions, waivers, known_exploited, today)),
    )


def printable(name: str, text: str) -> str:
    """The text without blanks around it. Raises InvalidInputError where it is not one line."""
    if not text.strip() or not text.isprintable():
        raise InvalidInputError(f"--{name} must be one line of text")
    return text.strip()
