"""Counts, plurals, lists, times, durations and sizes in words, once for the whole project.

All stages write sentences (a reason, an error, a table) and use these functions. Times are given in
epoch seconds and written in UTC.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

_LENGTHS = (("d", 86_400), ("h", 3600), ("m", 60))


def plural(noun: str, number: int) -> str:
    """Return the singular or plural of the noun, as it follows the number.

    >>> plural("host", 1), plural("host", 0), plural("repository", 2), plural("process", 2)
    ('host', 'hosts', 'repositories', 'processes')
    """
    if number == 1:
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "host"), count(2, "open finding")
    ('1 host', '2 open findings')
    """
    return f"{number} {plural(noun, number)}"


def some(names: Iterable[str], most: int = 3, *, full: bool = False) -> str:
    """Return the first `most` names in their order, and the number of the others.

    `full` gives all names.

    >>> some(["a", "b", "c"], 2), some(["a", "b", "c"], 2, full=True)
    ('a, b and 1 more', 'a, b, c')
    """
    every = list(names)
    if full or len(every) <= most:
        return ", ".join(every)
    return f"{', '.join(every[:most])} {more(len(every) - most)}"


def more(number: int, noun: str = "") -> str:
    """Return the end of a shortened list.

    >>> more(2), more(1, "host"), more(2, "host")
    ('and 2 more', 'and 1 more host', 'and 2 more hosts')
    """
    return f"and {number} more {plural(noun, number)}" if noun else f"and {number} more"


def moment(seconds: int) -> str:
    """Return a time to the minute, `unknown` for 0.

    >>> moment(1795435800), moment(0)
    ('2026-11-23 12:10 UTC', 'unknown')
    """
    return f"{_utc(seconds):%Y-%m-%d %H:%M} UTC" if seconds else "unknown"


def second(seconds: int) -> str:
    """Return a time to the second, where the minute is not enough.

    >>> second(1795435805)
    '2026-11-23 12:10:05 UTC'
    """
    return f"{_utc(seconds):%Y-%m-%d %H:%M:%S} UTC"


def clock(seconds: float) -> str:
    """Return the time of the day, for lines of progress.

    >>> clock(1795435805.25)
    '12:10:05'
    """
    return f"{_utc(seconds):%H:%M:%S}"


def day(seconds: int) -> str:
    """Return the day of a time.

    >>> day(1795435805)
    '2026-11-23'
    """
    return f"{_utc(seconds):%Y-%m-%d}"


def timestamp(seconds: int) -> str:
    """Return a time for programs: ISO 8601, empty for 0.

    >>> timestamp(1795435805), timestamp(0)
    ('2026-11-23T12:10:05Z', '')
    """
    return f"{_utc(seconds):%Y-%m-%dT%H:%M:%SZ}" if seconds else ""


def seconds_of(text: str) -> int:
    """The epoch seconds of a time for programs.

    >>> seconds_of("2026-11-23T12:10:05Z")
    1795435805
    """
    return int(datetime.fromisoformat(text).timestamp())


def rfc3339(milliseconds: int) -> str | None:
    """A time for programs, from epoch milliseconds; None for 0, which is no time.

    >>> rfc3339(1795435805250), rfc3339(0)
    ('2026-11-23T12:10:05Z', None)
    """
    return _kept_timestamp(milliseconds // 1000) or None


# A screen asks for the same thousands of times again and again.
@lru_cache(maxsize=16_384)
def _kept_timestamp(seconds: int) -> str:
    return timestamp(seconds)


def until(seconds: int, now: int) -> str:
    """The end of a wait, and how long it is until then.

    >>> until(1795435805, 1795349465)
    'until 2026-11-23 12:10 UTC (23h59m left)'
    """
    return f"until {moment(seconds)} ({span(seconds - now)} left)"


def read_day(written: str | None) -> str:
    """Return the day of a time that `timestamp` made, `-` for None.

    >>> read_day("2026-11-23T12:10:05Z"), read_day(None)
    ('2026-11-23', '-')
    """
    return written[:10] if written else "-"


def read_moment(written: str) -> str:
    """Return a time that `timestamp` made as `moment` has it.

    >>> read_moment("2026-11-23T12:10:05Z")
    '2026-11-23 12:10 UTC'
    """
    return moment(seconds_of(written))


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def duration(seconds: int) -> str:
    """Return a duration in the form of the settings, in the largest unit that is exact.

    >>> duration(1_209_600), duration(5400), duration(90), duration(0)
    ('14d', '90m', '90s', '0s')
    """
    for unit, length in _LENGTHS:
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def span(seconds: int) -> str:
    """A time that has passed or is left, in its two largest units.

    >>> span(45), span(723), span(86_340), span(183_600)
    ('45s', '12m03s', '23h59m', '2d03h')
    """
    if seconds < 60:
        return f"{max(0, seconds)}s"
    for large, small, length in (("d", "h", 86_400), ("h", "m", 3600)):
        if seconds >= length:
            part = 3600 if small == "h" else 60
            return f"{seconds // length}{large}{seconds % length // part:02}{small}"
    return f"{seconds // 60}m{seconds % 60:02}s"


def size(length: int) -> str:
    """Return a size in bytes as KiB, rounded up, or in a larger unit.

    >>> size(1), size(5_000_000)
    ('1 KiB', '4.8 MiB')
    """
    if length < 1024 * 1024:
        return f"{-(-length // 1024)} KiB"
    return f"{length / 1024 / 1024:.1f} MiB"


def short(digest: str) -> str:
    """Return the first 12 digits of a digest, which are enough to identify its content.

    >>> short("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return digest.removeprefix("sha256:")[:12]
