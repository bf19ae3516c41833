"""Read CVE records, JSON 5.x, as cvelistV5 and CISA's vulnrichment publish them.

https://github.com/CVEProject/cve-schema. SSVC points are in the container of CISA's ADP.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from ...models.advisory import BadRecord, CveFacts, CvssVector, FeedRecord
from ..priority.cvss import vector_of
from .common import RECORD_BYTES, UNREADABLE, Wire, cves_of_ids, load, reason_of, seconds
from .feed_date import FeedDate


class _Cvss(Wire):
    vectorString: str | None = None


class _Other(Wire):
    type: str | None = None
    content: Any = None


class _Metric(Wire):
    cvssV4_0: _Cvss | None = None
    cvssV3_1: _Cvss | None = None
    cvssV3_0: _Cvss | None = None
    cvssV2_0: _Cvss | None = None
    other: _Other | None = None


class _Container(Wire):
    title: str | None = None
    metrics: list[_Metric] | None = None


class _Containers(Wire):
    cna: _Container | None = None
    adp: list[_Container] | None = None


class _Metadata(Wire):
    cveId: str
    state: str = ""
    datePublished: str | None = None
    dateUpdated: str | None = None


class _Record(Wire):
    cveMetadata: _Metadata
    containers: _Containers | None = None


_DECODER = msgspec.json.Decoder(_Record)
# SSVC's name of a decision point -> field. Values are lower-cased: some records say `PoC`.
_POINTS = {
    "exploitation": "exploitation",
    "automatable": "automatable",
    "technical impact": "technical_impact",
}
VALUES = {
    "exploitation": {"none", "poc", "active"},
    "automatable": {"yes", "no"},
    "technical_impact": {"partial", "total"},
}


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield the record in a stream."""
    try:
        record = _DECODER.decode(load(stream, location, RECORD_BYTES))
    except UNREADABLE as error:
        yield BadRecord(place=location, reason=reason_of(error))
        return
    meta = record.cveMetadata
    cves = cves_of_ids((meta.cveId,))
    if not cves:
        yield BadRecord(place=location, reason=f"not a CVE id: {meta.cveId[:40]}")
        return
    published = seconds(meta.datePublished or "")
    modified = seconds(meta.dateUpdated or "")
    if wrong := feed_date.record(modified, published):
        yield BadRecord(place=f"{location}: {cves[0]}", reason=wrong)
        return
    containers = record.containers or _Containers()
    cna, adp = containers.cna or _Container(), containers.adp or []
    points = _ssvc(adp)
    yield CveFacts(
        cve=cves[0],
        rejected=meta.state.upper() == "REJECTED",
        published=published,
        title=(cna.title or "")[:300],
        cvss=tuple(
            dict.fromkeys(
                vector
                for container, source in ((cna, "cna"), *((extra, "adp") for extra in adp))
                for vector in _vectors(container, source)
            )
        ),
        exploitation=points.get("exploitation", ""),
        automatable=points.get("automatable", ""),
        technical_impact=points.get("technical_impact", ""),
        modified=modified,
    )


def _vectors(container: _Container, source: str) -> Iterator[CvssVector]:
    """The CVSS vectors of a container, newest version of CVSS first."""
    metrics = container.metrics or ()
    for name in ("cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"):
        for metric in metrics:
            cvss = getattr(metric, name)
            text = cvss.vectorString if cvss else None
            if text and len(text) < 300 and (vector := vector_of(text, source)):
                yield vector


def _ssvc(containers: list[_Container]) -> dict[str, str]:
    points: dict[str, str] = {}
    for container in containers:
        for metric in container.metrics or ():
            if metric.other is not None and metric.other.type == "ssvc":
                points |= _points(metric.other.content)
    return points


def _points(content: Any) -> dict[str, str]:
    """Field -> value, from `options`, a list of objects with one decision point each."""
    points: dict[str, str] = {}
    options = content.get("options") if isinstance(content, dict) else None
    for option in options if isinstance(options, list) else ():
        for name, value in option.items() if isinstance(option, dict) else ():
            point = _POINTS.get(name.lower())
            if point and isinstance(value, str) and value.lower() in VALUES[point]:
                points[point] = value.lower()
    return points
