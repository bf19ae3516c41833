"""Read the OSV records of each vendor as advisories."""

import pytest
from feed_world import advisory

from patchctl.models.advisory import AdvisoryKind, NameKind, Severity, VendorStatus


def test_almalinux_names_binaries_and_says_severity_in_the_summary() -> None:
    record = advisory("osv-alma.json")
    assert record.kind is AdvisoryKind.SECURITY
    assert record.severity is Severity.IMPORTANT
    assert record.cves == ("CVE-2030-1000", "CVE-2030-1234567")
    assert (record.published, record.modified) == (1893542400, 1893643506)
    assert [
        (affected.ecosystem, affected.name, affected.kind, affected.fixed, affected.module)
        for affected in record.affected
    ] == [
        ("AlmaLinux:8", "brass", NameKind.BINARY, "1:2.0-3.module_el8.9.0+12+abcdef01", "modular"),
        ("AlmaLinux:8", "brass-libs", NameKind.BINARY, "2.0-3.el8", ""),
    ]


def test_ubuntu_fixes_behind_a_subscription_have_a_channel() -> None:
    record = advisory("osv-ubuntu.json")
    assert record.cves == ("CVE-2030-2000",)
    assert record.severity is Severity.NEGLIGIBLE
    assert record.cvss == ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",)
    assert [
        (affected.ecosystem, affected.channel, affected.fixed) for affected in record.affected
    ] == [
        ("Ubuntu:22.04", "", "1.0-1ubuntu0.1"),
        ("Ubuntu:14.04", "esm", ""),
        ("Ubuntu:18.04", "esm", "0.9-1ubuntu0.1~esm2"),
        ("Ubuntu:20.04", "esm", "0.9-2"),
    ]
    assert record.affected[0].binaries == ("brass-tools", "libbrass1")
    # A list of versions beside a range is only an enumeration of it.
    assert record.affected[0].versions == ()
    assert record.affected[0].kind is NameKind.SOURCE


def test_debian_ranges_urgencies_and_bare_versions() -> None:
    record = advisory("osv-debian.json")
    assert [
        (affected.ecosystem, affected.introduced, affected.fixed, affected.last_affected)
        for affected in record.affected
    ] == [
        ("Debian:12", "", "1.0-2", ""),
        ("Debian:12", "2.0-1", "2.0-3", ""),
        ("Debian:12", "3.0-1", "", ""),
        ("Debian:11", "", "", ""),
        ("Debian:10", "", "", ""),
        ("Debian:9", "", "", "0.1-9"),
    ]
    assert {affected.severity for affected in record.affected[:3]} == {Severity.NEGLIGIBLE}
    assert record.affected[3].status is VendorStatus.END_OF_LIFE
    assert record.affected[4].versions == ("0.1-1", "0.1-2")


def test_suse_binaries_withdrawal_and_cves_only_in_links() -> None:
    record = advisory("osv-suse.json")
    assert record.withdrawn == 1893801600
    assert record.cves == ("CVE-2030-4000",)
    assert record.affected[0].ecosystem == "SUSE:Linux Enterprise Server 15 SP3"
    assert record.affected[0].binaries == ("brass", "libbrass1")


@pytest.mark.parametrize(
    ("ident", "kind"),
    [
        ("ALBA-2030:1", AdvisoryKind.BUGFIX),
        ("RHEA-2030:1", AdvisoryKind.ENHANCEMENT),
        ("RLSA-2030:1", AdvisoryKind.SECURITY),
        ("USN-1-1", AdvisoryKind.SECURITY),
    ],
)
def test_the_id_tells_the_kind(ident: str, kind: AdvisoryKind) -> None:
    from patchctl.assessment.feeds.osv import _kind

    assert _kind(ident) is kind
