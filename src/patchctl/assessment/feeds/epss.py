"""Read EPSS scores as CSV, with or without the comment line that dates them.

https://www.first.org/epss/data_stats: `#model_version:…,score_date:…`, then `cve,epss,percentile`.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ...errors import InvalidInputError
from ...models.advisory import BadRecord, ExploitChance, FeedRecord
from .common import cves_of_ids, lines, seconds
from .feed_date import FeedDate

_DATE = re.compile(r"score_date:([0-9T:+Z.-]+)")
_HEADER = ["cve", "epss", "percentile"]


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield an ExploitChance for each row."""
    header = False
    for number, line in lines(stream, location):
        if isinstance(line, BadRecord):
            yield line
        elif line.startswith("#"):
            if date := _DATE.search(line):
                feed_date.date(seconds(date[1]))
        elif not header:
            if line.strip().split(",") != _HEADER:
                raise InvalidInputError(f"first line is not {','.join(_HEADER)}", where=location)
            header = True
        elif line.strip():
            yield _row(line, f"{location}:{number}")


def _row(line: str, location: str) -> ExploitChance | BadRecord:
    fields = line.split(",")
    if len(fields) != 3 or not (cves := cves_of_ids(fields[:1])):
        return BadRecord(place=location, reason="is not CVE,score,percentile")
    try:
        score, percentile = float(fields[1]), float(fields[2])
    except ValueError:
        return BadRecord(place=location, reason="score or percentile is not a number")
    # Written so that NaN fails too.
    if not (0 <= score <= 1 and 0 <= percentile <= 1):
        return BadRecord(place=location, reason="score or percentile is not from 0 to 1")
    return ExploitChance(cve=cves[0], score=score, percentile=percentile)
