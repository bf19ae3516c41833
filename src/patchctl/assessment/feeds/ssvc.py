"""Read an extract of CVE records as CSV: SSVC decision points and a CVSS vector for each CVE."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from ...errors import InvalidInputError
from ...models.advisory import BadRecord, CveFacts, FeedRecord
from ..priority.cvss import vector_of
from .common import cves_of_ids, lines
from .cve import VALUES
from .feed_date import FeedDate

HEADER = (
    "cve,exploitation,automatable,technical_impact,cvss_version,cvss_vector,cvss_score,cvss_source"
)
_COLUMNS = HEADER.split(",")


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield CveFacts for each row. The table states no date."""
    for number, line in lines(stream, location):
        line_location = f"{location}:{number}"
        if isinstance(line, BadRecord):
            yield line
        elif number == 1:
            if line.strip() != HEADER:
                raise InvalidInputError(f"first line is not {HEADER}", where=location)
        elif line.strip():
            try:
                fields = next(csv.reader([line], strict=True))
            except csv.Error as error:
                yield BadRecord(place=line_location, reason=str(error))
                continue
            yield _row(fields, line_location)


def _row(fields: list[str], location: str) -> CveFacts | BadRecord:
    if len(fields) != len(_COLUMNS):
        return BadRecord(place=location, reason=f"{len(fields)} columns, not {len(_COLUMNS)}")
    row = dict(zip(_COLUMNS, fields, strict=True))
    if not (cves := cves_of_ids((row["cve"],))):
        return BadRecord(place=location, reason=f"not a CVE id: {row['cve'][:40]}")
    for name, values in VALUES.items():
        if row[name] and row[name].lower() not in values:
            return BadRecord(place=location, reason=f"{name} is {row[name][:40]}")
    vector = None
    if row["cvss_vector"]:
        source = row["cvss_source"] if row["cvss_source"] in ("cna", "adp") else "adp"
        vector = vector_of(row["cvss_vector"], source)
        if vector is None:
            return BadRecord(place=location, reason=f"no CVSS vector: {row['cvss_vector'][:80]}")
    return CveFacts(
        cve=cves[0],
        cvss=(vector,) if vector else (),
        exploitation=row["exploitation"].lower(),
        automatable=row["automatable"].lower(),
        technical_impact=row["technical_impact"].lower(),
    )
