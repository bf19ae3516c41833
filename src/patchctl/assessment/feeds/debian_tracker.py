"""Read the Debian security tracker's JSON: package > CVE or TEMP id > releases.

https://security-tracker.debian.org/tracker/data/json; unlike OSV's copy it says which packages are
not affected, not urgent and will not be fixed.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from ...models.advisory import (
    Advisory,
    AdvisoryKind,
    Affected,
    BadRecord,
    FeedRecord,
    NameKind,
    VendorStatus,
)
from ...models.versions import VersionScheme
from ..matching import ecosystems
from ..versions import InvalidVersionError, key_function
from .common import (
    DOCUMENT_BYTES,
    UNREADABLE,
    Wire,
    cves_of_ids,
    document,
    load,
    reason_of,
    severity_of,
)
from .feed_date import FeedDate


class _Release(Wire):
    status: str
    fixed_version: str | None = None
    repositories: object = None
    urgency: str | None = None
    nodsa: str | None = None
    nodsa_reason: str | None = None


class _Entry(Wire):
    releases: dict[str, msgspec.Raw]
    description: str | None = None


_ENTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_ORDER = key_function(VersionScheme.DEB)
_RELEASE = msgspec.json.Decoder(_Release)


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield an advisory for each entry of each source package. The format states no date."""
    packages = document(load(stream, location, DOCUMENT_BYTES), dict[str, msgspec.Raw], location)
    for package, raw in packages.items():
        try:
            entries = _ENTRIES.decode(raw)
        except UNREADABLE as error:
            yield BadRecord(place=f"{location}: {package}", reason=reason_of(error))
            continue
        for ident, entry in entries.items():
            yield from _entry(package, ident, entry, f"{location}: {package} {ident}")


def _entry(package: str, ident: str, raw: msgspec.Raw, location: str) -> Iterator[FeedRecord]:
    try:
        entry = _ENTRY.decode(raw)
    except UNREADABLE as error:
        yield BadRecord(place=location, reason=reason_of(error))
        return
    affected: list[Affected] = []
    for suite, release in entry.releases.items():
        record = _release(package, suite, release, location)
        if isinstance(record, BadRecord):
            yield record
        else:
            affected.append(record)
    cves = tuple(cves_of_ids((ident,)))
    yield Advisory(
        # The same id as in OSV's copy of the tracker. TEMP ids have no CVE yet.
        id=f"DEBIAN-{ident}" if cves else ident,
        kind=AdvisoryKind.SECURITY,
        title=(entry.description or "")[:300],
        cves=cves,
        affected=tuple(affected),
    )


def _release(package: str, suite: str, raw: msgspec.Raw, location: str) -> Affected | BadRecord:
    ecosystem = ecosystems.of_debian_suite(suite)
    if not ecosystem:
        return BadRecord(place=f"{location}: {suite}", reason="unknown release of Debian")
    try:
        release = _RELEASE.decode(raw)
    except UNREADABLE as error:
        return BadRecord(place=f"{location}: {suite}", reason=reason_of(error))
    status = _status(release)
    if status is None:
        reason = f"status not understood: {release.status[:40]} {release.fixed_version or ''}"
        return BadRecord(place=f"{location}: {suite}", reason=reason.strip())
    fixed = release.fixed_version or ""
    return Affected(
        ecosystem=ecosystem,
        name=package,
        kind=NameKind.SOURCE,
        fixed=fixed if status is VendorStatus.AFFECTED else "",
        status=status,
        severity=severity_of(release.urgency or ""),
        note=release.nodsa or "",
        in_release=_versions(release.repositories),
    )


def _versions(repositories: object) -> tuple[str, ...]:
    """The versions in a release's repositories (plain, security, LTS), the newest last."""
    stated = repositories.values() if isinstance(repositories, dict) else ()
    distinct = {version for version in stated if isinstance(version, str)}
    with suppress(InvalidVersionError):
        return tuple(sorted(distinct, key=_ORDER))
    return ()


def _status(release: _Release) -> VendorStatus | None:
    """The status that the tracker's words mean; None for unknown words."""
    if release.status == "resolved":
        # "0": no version of the package was ever affected.
        if release.fixed_version == "0":
            return VendorStatus.NOT_AFFECTED
        return VendorStatus.AFFECTED if release.fixed_version else None
    if release.status == "undetermined":
        return VendorStatus.UNDETERMINED
    if release.status != "open":
        return None
    if release.urgency == "end-of-life":
        return VendorStatus.END_OF_LIFE
    if release.nodsa_reason == "ignored":
        return VendorStatus.WONT_FIX
    if release.nodsa is not None or release.nodsa_reason is not None:
        return VendorStatus.DEFERRED
    return VendorStatus.AFFECTED
