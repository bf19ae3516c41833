"""Match AlmaLinux's real feed: each advisory finds all older packages and no others.

`PATCHCTL_TEST_DATA` names the folder of public data.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from assessment_world import World, facts, package
from msgspec import structs

from patchctl.assessment.matching.builds import base, is_modular
from patchctl.assessment.matching.modules import in_title
from patchctl.assessment.versions import key
from patchctl.models.advisory import Advisory, FeedKind
from patchctl.models.facts import HostFacts, OsRelease, Package
from patchctl.models.versions import VersionScheme
from patchctl.wiring.feeds import read

DATA = Path(os.environ.get("PATCHCTL_TEST_DATA") or Path(__file__).parents[5] / "shared" / "data")
FEED = DATA / "osv" / "AlmaLinux-8.zip"

pytestmark = pytest.mark.skipif(not FEED.exists(), reason="the public data is not here")

# The plain and the `.plus` build of one version: a version below the one is above the other.
TWO_FLAVOURS = {"ALSA-2021:4130", "ALSA-2021:5045", "ALSA-2022:0129", "ALSA-2022:0535"}
TWO_FLAVOURS |= {"ALSA-2022:0845", "ALSA-2022:1301"}


@pytest.fixture(scope="module")
def advisories() -> list[Advisory]:
    return [
        structs.replace(
            record,
            affected=tuple(
                affected for affected in record.affected if affected.ecosystem == "AlmaLinux:8"
            ),
        )
        for feed in read(FEED)
        for record in feed.records()
        if isinstance(record, Advisory)
    ]


@pytest.fixture(scope="module")
def some(advisories: list[Advisory]) -> list[Advisory]:
    """Return each twentieth advisory with CVEs, and those with special difficulties: each needs a
    world of its own, and all together would take two minutes."""
    known = [
        advisory for advisory in advisories if advisory.cves and advisory.id not in TWO_FLAVOURS
    ]
    traps = {"ALSA-2022:0896", "ALSA-2019:1972", "ALSA-2021:4517", "ALSA-2019:0975"}
    return known[::20] + [advisory for advisory in known if advisory.id in traps]


def host(packages: Iterable[Package]) -> HostFacts:
    return structs.replace(
        facts("AlmaLinux:8", packages), os=OsRelease(id="almalinux", version_id="8.10")
    )


def installed(advisory: Advisory, *, older: bool) -> Iterator[Package]:
    """Return each package of an advisory at its fix, or just below it."""
    label = min(in_title(advisory.title), default="")
    for affected in advisory.affected:
        version = affected.fixed
        modular = is_modular(version)
        if older:
            head = base(version)
            version = f"{head}~0{version[len(head) :]}"
        module = f"{label}:8080020230101000000:0a1b2c3d" if modular and label else ""
        yield package(affected.name, version, arch="x86_64", module=module)


def test_an_advisory_finds_what_is_older(some: list[Advisory]) -> None:
    missed = []
    for advisory in some:
        findings = World().add(advisory).findings(host(installed(advisory, older=True)))
        if set(findings) != set(advisory.cves):
            missed.append(advisory.id)
    assert not missed


def test_an_advisory_leaves_what_is_fixed(some: list[Advisory]) -> None:
    wrong = []
    for advisory in some:
        if World().add(advisory).findings(host(installed(advisory, older=False))):
            wrong.append(advisory.id)
    assert not wrong


def test_a_host_with_every_newest_build_of_a_stream_is_clean(advisories: list[Advisory]) -> None:
    newest: dict[str, dict[str, str]] = defaultdict(dict)
    for advisory in advisories:
        for affected in advisory.affected:
            for stream in in_title(advisory.title) if is_modular(affected.fixed) else ():
                before = newest[stream].get(affected.name)
                if before is None or _version_key(before) < _version_key(affected.fixed):
                    newest[stream][affected.name] = affected.fixed
    hosts = [
        host(
            package(name, fixed, arch="x86_64", module=f"{stream}:8080020230101000000:0a1b2c3d")
            for name, fixed in versions.items()
        )
        for stream, versions in newest.items()
    ]
    assessor = World().add(*advisories, kind=FeedKind.OSV).assessor(*hosts)
    vulnerable = [bool(cves) for _, cves in assessor.findings()]
    dirty = {stream for stream, some in zip(newest, vulnerable, strict=True) if some}
    # ALSA-2024:4367 is for this stream, and its title names none.
    assert dirty <= {"pki-core:10.6", "pki-deps:10.6"}


def _version_key(version: str) -> bytes:
    return key(VersionScheme.RPM, base(version))
