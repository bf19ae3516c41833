"""Read OSV records, one JSON document each. https://ossf.github.io/osv-schema/"""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from ...models.advisory import (
    Advisory,
    AdvisoryKind,
    Affected,
    BadRecord,
    FeedRecord,
    NameKind,
    Severity,
    VendorStatus,
)
from ..matching import ecosystems
from .common import (
    RECORD_BYTES,
    UNREADABLE,
    Wire,
    cves_of_ids,
    load,
    reason_of,
    seconds,
    severity_of,
    unique,
)
from .feed_date import FeedDate
from .listed import outside


class _Event(Wire):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(Wire):
    type: str = ""
    events: list[_Event] | None = None


class _Package(Wire):
    ecosystem: str = ""
    name: str = ""


class _Severity(Wire):
    type: str = ""
    score: str = ""


class _Specific(Wire):
    urgency: str | None = None
    availability: str | None = None
    ubuntu_priority: str | None = None
    severity: str | None = None
    # Ubuntu: objects with binary_name; SUSE: objects name -> version.
    binaries: list[dict[str, Any]] | None = None


class _Affected(Wire):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    ecosystem_specific: _Specific | None = None


class _Reference(Wire):
    url: str = ""


class _Record(Wire):
    id: str
    summary: str | None = None
    published: str | None = None
    modified: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    related: list[str] | None = None
    upstream: list[str] | None = None
    references: list[_Reference] | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None


# AlmaLinux writes `.module_el8`, Red Hat and Rocky `.module+el8`.
MODULAR = re.compile(r"\.module[_+]el")
_DECODER = msgspec.json.Decoder(_Record)
# Vendors whose OSV records name binary packages.
_BINARY_NAMES = {"AlmaLinux", "Red Hat"}
# The second letter group of ids such as ALSA, RHBA, RLEA.
_KINDS = {
    "SA": AdvisoryKind.SECURITY,
    "BA": AdvisoryKind.BUGFIX,
    "EA": AdvisoryKind.ENHANCEMENT,
}


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield the record in a stream."""
    try:
        record = _DECODER.decode(load(stream, location, RECORD_BYTES))
    except UNREADABLE as error:
        yield BadRecord(place=location, reason=reason_of(error))
        return
    if not record.id:
        yield BadRecord(place=location, reason="has no id")
        return
    advisory = _advisory(record)
    wrong = feed_date.record(advisory.modified, advisory.published)
    yield BadRecord(place=f"{location}: {record.id[:80]}", reason=wrong) if wrong else advisory


def _advisory(record: _Record) -> Advisory:
    title = record.summary or ""
    severity = _severity(record, title)
    return Advisory(
        id=record.id,
        kind=_kind(record.id),
        title=title,
        severity=severity,
        cves=_cves(record),
        cvss=unique(
            rating.score
            for rating in record.severity or ()
            if rating.type.startswith("CVSS") and rating.score
        ),
        published=seconds(record.published or ""),
        modified=seconds(record.modified or ""),
        withdrawn=seconds(record.withdrawn or "") or int(bool(record.withdrawn)),
        # Ubuntu's notices for the Livepatch service.
        live_patch=record.id.startswith("LSN-"),
        affected=tuple(entry for affected in record.affected or () for entry in _entries(affected)),
    )


def _kind(ident: str) -> AdvisoryKind:
    """The kind by the id: AlmaLinux, Rocky and Red Hat also publish bug fixes and enhancements."""
    prefix = ident.partition("-")[0]
    if len(prefix) == 4 and prefix[:2] in ("AL", "RL", "RH", "RX", "EL"):
        return _KINDS.get(prefix[2:], AdvisoryKind.UNKNOWN)
    return AdvisoryKind.SECURITY


def _severity(record: _Record, title: str) -> Severity:
    """The severity: Ubuntu has a type for it, Red Hat's relatives write it before the summary."""
    for rating in record.severity or ():
        if rating.type == "Ubuntu":
            return severity_of(rating.score)
    prefix, colon, _ = title.partition(":")
    return severity_of(prefix) if colon else Severity.UNKNOWN


def _cves(record: _Record) -> tuple[str, ...]:
    """The CVEs of a record. The field has changed over the years: aliases, then related, then
    upstream; some records have CVEs only in the id or in links."""
    stated = cves_of_ids(
        (
            record.id,
            *(record.aliases or ()),
            *(record.upstream or ()),
            *(record.related or ()),
        )
    )
    if not stated:
        stated = cves_of_ids(
            reference.url.rstrip("/").rpartition("/")[2] for reference in record.references or ()
        )
    return unique(stated)


def _entries(affected: _Affected) -> Iterator[Affected]:
    package = affected.package
    if package is None or not package.name or not package.ecosystem:
        return  # an entry for a git repository
    ecosystem, channel = ecosystems.of_osv(package.ecosystem)
    vendor = package.ecosystem.partition(":")[0]
    specific = affected.ecosystem_specific or _Specific()
    status, severity = _vendor_view(specific)
    ranges = [span for span in affected.ranges or () if span.type == "ECOSYSTEM"]
    pairs = [pair for span in ranges for pair in _pairs(span.events or ())]
    shared: dict[str, Any] = {
        "ecosystem": ecosystem,
        "name": package.name,
        "kind": NameKind.BINARY if vendor in _BINARY_NAMES else NameKind.SOURCE,
        "binaries": _binaries(specific.binaries),
        "status": status,
        "severity": severity,
    }
    if not pairs:
        if affected.versions:
            yield Affected(**shared, channel=channel, versions=tuple(affected.versions))
        return
    # OSV lists the versions that a release of Debian had; where nothing is fixed, the last is the
    # current one.
    in_release = tuple(affected.versions[-1:]) if vendor == "Debian" and affected.versions else ()
    for introduced, fixed, last in pairs:
        yield Affected(
            **shared,
            channel=_subscription(vendor, channel, fixed, specific.availability or ""),
            introduced=introduced,
            fixed=fixed,
            last_affected=last,
            module="modular" if MODULAR.search(fixed) else "",
            in_release=() if fixed else in_release,
        )
    for fixed, versions in outside(vendor, pairs, affected.versions or ()).items():
        yield Affected(**shared, channel=channel, versions=versions, fixed=fixed)


def _pairs(events: "list[_Event] | tuple[()]") -> Iterator[tuple[str, str, str]]:
    """(introduced, fixed, last_affected) for each range in one list of events."""
    begun: str | None = None
    # The schema asks readers to sort events; without comparing versions only "0" can be put first.
    for event in sorted(events, key=lambda event: event.introduced != "0"):
        if event.introduced is not None:
            if begun is not None:
                yield begun, "", ""
            begun = "" if event.introduced == "0" else event.introduced
        elif begun is not None and (event.fixed or event.last_affected):
            yield begun, event.fixed or "", "" if event.fixed else event.last_affected or ""
            begun = None
    if begun is not None:
        yield begun, "", ""


def _subscription(vendor: str, channel: str, fixed: str, availability: str) -> str:
    """The channel of a fix. Before `Ubuntu:Pro` was an ecosystem, only the version or the
    availability told it; the availability may also tell which of the two archives has the fix."""
    if vendor != "Ubuntu" or channel not in ("", "esm"):
        return channel
    if channel or "~esm" in fixed or "+esm" in fixed or "Ubuntu Pro" in availability:
        return "esm-infra" if "Infra-only" in availability else "esm"
    return ""


def _vendor_view(specific: _Specific) -> tuple[VendorStatus, Severity]:
    """(status, severity). Debian's urgency also says that a release or package has no support."""
    if specific.urgency == "end-of-life":
        return VendorStatus.END_OF_LIFE, Severity.UNKNOWN
    word = specific.urgency or specific.ubuntu_priority or specific.severity or ""
    return VendorStatus.AFFECTED, severity_of(word)


def _binaries(items: list[dict[str, Any]] | None) -> tuple[str, ...]:
    names: list[str] = []
    for item in items or ():
        named = item.get("binary_name")
        names += [named] if isinstance(named, str) else list(item)
    return unique(names)
