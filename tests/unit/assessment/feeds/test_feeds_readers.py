"""Every format besides OSV: what its records mean, and which of them are refused."""

from pathlib import Path

import pytest
from feed_world import FEEDS, affected, bad, fixture, of, only, records

from patchctl.assessment.matching.index import RANK
from patchctl.errors import InvalidInputError
from patchctl.models.advisory import (
    KINDS_OF_ADVISORIES,
    Advisory,
    AdvisoryKind,
    BadRecord,
    CveFacts,
    ExploitChance,
    FeedKind,
    FeedRecord,
    KnownExploited,
    Lifecycle,
    NameKind,
    Severity,
    VendorStatus,
)
from patchctl.wiring.feeds import read


@pytest.fixture(scope="module")
def by_kind() -> dict[FeedKind, list[FeedRecord]]:
    """The records of the pieces of real feeds."""
    feeds = [feed for path in sorted(FEEDS.iterdir()) for feed in read(path, "Debian:13")]
    return {feed.kind: list(feed.records()) for feed in feeds}


@pytest.mark.parametrize("kind", FeedKind)
def test_a_feed_of_every_kind_is_known_by_its_content_and_read(
    kind: FeedKind, by_kind: dict[FeedKind, list[FeedRecord]]
) -> None:
    assert [record for record in by_kind.get(kind, ()) if not isinstance(record, BadRecord)]


def test_the_kinds_of_advisories_are_those_that_give_them_and_are_ranked(
    by_kind: dict[FeedKind, list[FeedRecord]],
) -> None:
    giving = {kind for kind, records_read in by_kind.items() if of(Advisory, records_read)}
    assert giving == KINDS_OF_ADVISORIES == RANK.keys()


def test_the_tracker_says_what_osv_drops() -> None:
    records_read = fixture("tracker.json")
    advisory = of(Advisory, records_read)[0]
    assert (advisory.id, advisory.cves, advisory.title) == (
        "DEBIAN-CVE-2030-0001",
        ("CVE-2030-0001",),
        "A hole",
    )
    assert [
        (affected.ecosystem, affected.status, affected.fixed, affected.severity, affected.note)
        for affected in advisory.affected
    ] == [
        ("Debian:sid", VendorStatus.AFFECTED, "2-1", Severity.LOW, ""),
        ("Debian:13", VendorStatus.NOT_AFFECTED, "", Severity.NEGLIGIBLE, ""),
        ("Debian:12", VendorStatus.DEFERRED, "", Severity.UNKNOWN, "Minor issue"),
        ("Debian:11", VendorStatus.DEFERRED, "", Severity.NEGLIGIBLE, "Later"),
        ("Debian:10", VendorStatus.WONT_FIX, "", Severity.LOW, "Too intrusive"),
        ("Debian:9", VendorStatus.END_OF_LIFE, "", Severity.UNKNOWN, ""),
        ("Debian:8", VendorStatus.UNDETERMINED, "", Severity.UNKNOWN, ""),
        ("Debian:7", VendorStatus.AFFECTED, "", Severity.IMPORTANT, ""),
    ]
    assert {affected.kind for affected in advisory.affected} == {NameKind.SOURCE}


def test_a_temporary_id_of_the_tracker_is_no_cve() -> None:
    advisory = of(Advisory, fixture("tracker.json"))[1]
    assert (advisory.id, advisory.cves) == ("TEMP-0000000-ABCDEF", ())


def test_a_broken_release_of_the_tracker_costs_only_itself() -> None:
    records_read = fixture("tracker.json")
    assert [a.ecosystem for a in of(Advisory, records_read)[2].affected] == ["Debian:12"]
    assert bad(records_read) == [
        "tracker.json: brass CVE-2030-0002: sid: status not understood: resolved",
        "tracker.json: brass CVE-2030-0002: plan9: unknown release of Debian",
        "tracker.json: brass CVE-2030-0003: Expected `object`, got `str`",
    ]


def test_updateinfo_of_rocky() -> None:
    records_read = fixture("updateinfo-rocky.xml")
    first, second = of(Advisory, records_read)
    assert (first.id, first.kind, first.severity) == (
        "RLSA-2030:0001",
        AdvisoryKind.SECURITY,
        Severity.MODERATE,
    )
    assert (first.published, first.modified) == (1893553445, 1893628800)
    # What only the text or a bug's title names is not fixed here, as typed references are there.
    assert first.cves == ("CVE-2030-1000",)
    assert first.reboot_suggested and not second.reboot_suggested
    assert [(a.name, a.kind, a.fixed, a.arch, a.module, a.source) for a in first.affected] == [
        (
            *("brass", NameKind.BINARY, "1:2.6-3.module+el8.9.0+1", "x86_64"),
            *("brass:2.6", "brass"),
        ),
        ("brass-doc", NameKind.BINARY, "2.6-3.el8", "", "brass:2.6", ""),
        ("brass", NameKind.SOURCE, "2.6-3.el8", "", "brass:2.6", "brass"),
    ]
    assert {a.ecosystem for a in first.affected} == {"Rocky Linux:8"}
    assert (second.kind, second.severity, bool(second.withdrawn)) == (
        AdvisoryKind.BUGFIX,
        Severity.UNKNOWN,
        True,
    )
    assert bad(records_read) == [
        "updateinfo-rocky.xml: RLSA-2030:0001: package brass-broken without version and release",
        "updateinfo-rocky.xml: update without id: has no id",
    ]


def test_updateinfo_of_suse_has_its_cves_in_the_text() -> None:
    records_read = fixture("updateinfo-suse.xml", "SUSE:Linux Enterprise Server 15 SP3")
    first, second = of(Advisory, records_read)
    assert first.id == second.id == "SUSE-2030-1"
    assert (first.kind, second.kind) == (AdvisoryKind.BUGFIX, AdvisoryKind.SECURITY)
    assert second.cves == ("CVE-2030-5000", "CVE-2030-500001")
    assert (second.published, second.severity) == (1893542400, Severity.IMPORTANT)
    assert second.reboot_suggested
    assert [(a.ecosystem, a.fixed) for a in affected(records_read)] == [
        ("SUSE:Linux Enterprise Server 15 SP3", "1-2"),
        ("SUSE:Linux Enterprise Server 15 SP3", "1-3"),
    ]


def test_updateinfo_that_does_not_tell_its_release_is_said() -> None:
    records_read = fixture("updateinfo-suse.xml")
    assert affected(records_read) == []
    assert (
        bad(records_read)
        == ["updateinfo-suse.xml: SUSE-2030-1: does not tell its release; name the ecosystem"] * 2
    )


def test_a_changelog_gives_the_earliest_version_that_names_a_cve() -> None:
    records_read = fixture("changelog")
    assert [
        (advisory.cves[0], entry.ecosystem, entry.name, entry.fixed)
        for advisory in of(Advisory, records_read)
        for entry in advisory.affected
    ] == [
        ("CVE-2010-0001", "Debian:12", "oldbrass", "1.0-1"),
        ("CVE-2029-1234567", "Debian:12", "brass", "2:1.4-3"),
        ("CVE-2030-1000", "Debian:12", "brass", "2:1.4-3"),
    ]
    assert bad(records_read) == ["changelog:23: no entry of a changelog"]
    assert of(Advisory, records_read)[0].modified == 1893499200


@pytest.mark.parametrize(
    ("header", "default", "ecosystem"),
    [
        ("brass (1-1) jammy-security; urgency=medium", "", "Ubuntu:22.04"),
        ("brass (1-1) unstable; urgency=medium", "", "Debian:sid"),
        ("brass (1-1) unstable; urgency=medium", "Debian:12", "Debian:12"),
        ("brass (1-1+deb11u3) oldstable-security; urgency=medium", "", "Debian:11"),
        ("brass (1-1) stable; urgency=medium", "Debian:12", "Debian:12"),
    ],
)
def test_a_changelog_tells_its_release(
    tmp_path: Path, header: str, default: str, ecosystem: str
) -> None:
    path = tmp_path / "changelog"
    path.write_text(f"{header}\n\n  * CVE-2030-1\n  * CVE-2030-1000\n")
    assert [entry.ecosystem for entry in affected(records(path, default))] == [ecosystem]


def test_changes_below_a_broken_header_count_for_no_version(tmp_path: Path) -> None:
    path = tmp_path / "changelog"
    path.write_text(
        "brass (2-1) sid; urgency=low\n\n  * CVE-2030-1000\n\n"
        "brass (1-1 sid; urgency=low\n\n  * CVE-2030-1001\nmore of it\nand more\n"
    )
    records_read = records(path)
    assert [advisory.cves for advisory in of(Advisory, records_read)] == [("CVE-2030-1000",)]
    assert bad(records_read) == ["changelog:5: no entry of a changelog"]


def test_kev() -> None:
    feed = only(FEEDS / "kev.json")
    records_read = list(feed.records())
    assert of(KnownExploited, records_read) == [
        KnownExploited(
            cve="CVE-2030-1000",
            added="2030-01-01",
            due="2030-01-15",
            ransomware=True,
            name="Brass Overflow",
        ),
        KnownExploited(
            cve="CVE-2030-1001", added="2030-01-02", due="2030-01-23", name="Brass Other"
        ),
    ]
    assert len(bad(records_read)) == 2
    assert feed.dated == 1893603859


def test_a_catalogue_that_lost_entries_is_said(tmp_path: Path) -> None:
    path = tmp_path / "kev.json"
    path.write_text((FEEDS / "kev.json").read_text().replace('"count": 4', '"count": 5'))
    assert "kev.json: says it has 5 entries but has 4" in bad(records(path))


def test_epss_with_and_without_its_comment(tmp_path: Path) -> None:
    feed = only(FEEDS / "epss.csv")
    records_read = list(feed.records())
    assert of(ExploitChance, records_read) == [
        ExploitChance(cve="CVE-2030-1000", score=6e-05, percentile=0.01),
        ExploitChance(cve="CVE-2030-1001", score=0.9, percentile=1.0),
    ]
    assert [line.rpartition(": ")[0] for line in bad(records_read)] == [
        f"epss.csv:{n}" for n in (5, 6, 7)
    ]
    assert feed.dated == 1893585600
    bare = tmp_path / "scores"
    bare.write_text((FEEDS / "epss.csv").read_text().partition("\n")[2])
    assert of(ExploitChance, records(bare)) == of(ExploitChance, records_read)


def test_a_cve_record() -> None:
    (record,) = fixture("cve.json")
    assert isinstance(record, CveFacts)
    assert (record.cve, record.title, record.rejected) == ("CVE-2030-1000", "Brass overflow", False)
    assert (record.exploitation, record.automatable, record.technical_impact) == (
        "poc",
        "yes",
        "total",
    )
    assert [(v.version, v.score, v.source) for v in record.cvss] == [
        ("4.0", 9.3, "cna"),
        ("3.1", 9.8, "cna"),
    ]


def test_the_extract_of_cve_records() -> None:
    records_read = fixture("ssvc.csv")
    full, empty = of(CveFacts, records_read)
    assert (full.exploitation, full.automatable, full.technical_impact) == ("poc", "no", "total")
    assert [(v.version, v.score, v.source) for v in full.cvss] == [("3.1", 9.8, "cna")]
    assert empty == CveFacts(cve="CVE-2030-1001")
    assert bad(records_read) == [
        "ssvc.csv:4: exploitation is perhaps",
        "ssvc.csv:5: 2 columns, not 8",
    ]


def test_both_forms_of_end_of_life_dates() -> None:
    converted = of(Lifecycle, fixture("eol.json"))
    both = Lifecycle(
        product="brass",
        cycle="2",
        release="2028-01-01",
        end="2031-01-01",
        extended_end="2033-01-01",
        extended_name="Long Term Support",
        latest="2.1",
    )
    endless = Lifecycle(product="brass", cycle="3", release="2029-01-01")
    assert converted[:2] == [both, endless]
    # Ended on a day that is not stated: by the day of the file at the latest.
    assert converted[2].end == "2030-01-02"
    assert fixture("eol-api.json") == [both, endless]


def test_a_mixed_folder_gives_a_feed_for_each_kind() -> None:
    reading = read(FEEDS)
    assert sorted((feed.kind, feed.name) for feed in reading) == [
        (FeedKind.CHANGELOG, "changelog-brass"),
        (FeedKind.CVE, "cve-cve-2030-1000"),
        (FeedKind.CVE, "cve-ssvc"),
        (FeedKind.DEBIAN_TRACKER, "debian-tracker"),
        (FeedKind.EOL, "eol"),
        (FeedKind.EPSS, "epss"),
        (FeedKind.KEV, "kev"),
        (FeedKind.OSV, "osv"),
        (FeedKind.UPDATEINFO, "updateinfo"),
        (FeedKind.UPDATEINFO, "updateinfo-rocky-linux-8"),
    ]
    assert reading.skipped_count == 0


def test_a_feed_is_read_twice_alike() -> None:
    feed = only(FEEDS / "kev.json")
    assert list(feed.records()) == list(feed.records())


def test_updateinfo_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "primary.xml"
    path.write_text("<?xml version='1.0'?><metadata packages='0'/>")
    with pytest.raises(InvalidInputError, match=r"is XML, but no updateinfo; known are OSV"):
        list(read(path))
