"""Read CISA's catalogue of known exploited vulnerabilities (KEV).

https://www.cisa.gov/known-exploited-vulnerabilities-catalog (the JSON file).
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ...models.advisory import BadRecord, FeedRecord, KnownExploited
from .common import DOCUMENT_BYTES, Wire, cves_of_ids, document, each, iso_date, load, seconds
from .feed_date import FeedDate


class _Catalogue(Wire):
    vulnerabilities: list[msgspec.Raw]
    dateReleased: str = ""
    count: int | None = None


class _Entry(Wire):
    cveID: str
    dateAdded: str
    dueDate: str | None = None
    knownRansomwareCampaignUse: str | None = None
    vulnerabilityName: str | None = None


_ENTRY = msgspec.json.Decoder(_Entry)


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield the entries of the catalogue."""
    catalogue = document(load(stream, location, DOCUMENT_BYTES), _Catalogue, location)
    feed_date.date(seconds(catalogue.dateReleased))
    entries = catalogue.vulnerabilities
    if catalogue.count is not None and catalogue.count != len(entries):
        reason = f"says it has {catalogue.count} entries but has {len(entries)}"
        yield BadRecord(place=location, reason=reason)
    for entry in each(entries, _ENTRY, location):
        yield entry if isinstance(entry, BadRecord) else _known(entry, location, feed_date)


def _known(entry: _Entry, location: str, feed_date: FeedDate) -> KnownExploited | BadRecord:
    cves = cves_of_ids((entry.cveID,))
    added = iso_date(entry.dateAdded)
    if wrong := feed_date.record(seconds(added)):
        return BadRecord(place=f"{location}: {entry.cveID}"[:200], reason=wrong)
    if not cves or not added:
        wrong = entry.cveID if not cves else f"dateAdded {entry.dateAdded}"
        return BadRecord(place=f"{location}: {entry.cveID}", reason=f"not valid: {wrong}"[:200])
    return KnownExploited(
        cve=cves[0],
        added=added,
        due=iso_date(entry.dueDate),
        ransomware=(entry.knownRansomwareCampaignUse or "").lower() == "known",
        name=entry.vulnerabilityName or "",
    )
