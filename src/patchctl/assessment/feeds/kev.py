"""CISA's catalogue of known exploited vulnerabilities.

https://www.cisa.gov/known-exploited-vulnerabilities-catalog (the JSON file).
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ...models.advisory import BadRecord, FeedRecord, KnownExploited
from .common import DOCUMENT_BYTES, Wire, cves_of_ids, document, each, iso_date, load, seconds
from .feed_date import Told


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


def read(stream: BinaryIO, place: str, told: Told) -> Iterator[FeedRecord]:
    """The entries of the catalogue."""
    catalogue = document(load(stream, place, DOCUMENT_BYTES), _Catalogue, place)
    told.date(seconds(catalogue.dateReleased))
    entries = catalogue.vulnerabilities
    if catalogue.count is not None and catalogue.count != len(entries):
        reason = f"says it has {catalogue.count} entries but has {len(entries)}"
        yield BadRecord(place=place, reason=reason)
    for entry in each(entries, _ENTRY, place):
        yield entry if isinstance(entry, BadRecord) else _known(entry, place, told)


def _known(entry: _Entry, place: str, told: Told) -> KnownExploited | BadRecord:
    cves = cves_of_ids((entry.cveID,))
    added = iso_date(entry.dateAdded)
    if wrong := told.record(seconds(added)):
        return BadRecord(place=f"{place}: {entry.cveID}"[:200], reason=wrong)
    if not cves or not added:
        wrong = entry.cveID if not cves else f"dateAdded {entry.dateAdded}"
        return BadRecord(place=f"{place}: {entry.cveID}", reason=f"not valid: {wrong}"[:200])
    return KnownExploited(
        cve=cves[0],
        added=added,
        due=iso_date(entry.dueDate),
        ransomware=(entry.knownRansomwareCampaignUse or "").lower() == "known",
        name=entry.vulnerabilityName or "",
    )
