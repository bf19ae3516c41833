"""OSV records of each vendor to advisories."""

import pytest
from feed_world import advisory

from patchctl.models.advisory import AdvisoryKind, NameKind, Severity, VendorStatus


def test_almalinux_names_binaries_and_says_severity_in_the_summary() -> None:
    one = advisory("osv-alma.json")
    assert one.kind is AdvisoryKind.SECURITY
    assert one.severity is Severity.IMPORTANT
    assert one.cves == ("CVE-2030-1000", "CVE-2030-1234567")
    assert (one.published, one.modified) == (1893542400, 1893643506)
    assert [(a.ecosystem, a.name, a.kind, a.fixed, a.module) for a in one.affected] == [
        ("AlmaLinux:8", "brass", NameKind.BINARY, "1:2.0-3.module_el8.9.0+12+abcdef01", "modular"),
        ("AlmaLinux:8", "brass-libs", NameKind.BINARY, "2.0-3.el8", ""),
    ]


def test_ubuntu_fixes_behind_a_subscription_have_a_channel() -> None:
    one = advisory("osv-ubuntu.json")
    assert one.cves == ("CVE-2030-2000",)
    assert one.severity is Severity.NEGLIGIBLE
    assert one.cvss == ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",)
    assert [(a.ecosystem, a.channel, a.fixed) for a in one.affected] == [
        ("Ubuntu:22.04", "", "1.0-1ubuntu0.1"),
        ("Ubuntu:14.04", "esm", ""),
        ("Ubuntu:18.04", "esm", "0.9-1ubuntu0.1~esm2"),
        ("Ubuntu:20.04", "esm", "0.9-2"),
    ]
    assert one.affected[0].binaries == ("brass-tools", "libbrass1")
    # A list of versions beside a range is only an enumeration of it.
    assert one.affected[0].versions == ()
    assert one.affected[0].kind is NameKind.SOURCE


def test_debian_ranges_urgencies_and_bare_versions() -> None:
    one = advisory("osv-debian.json")
    assert [(a.ecosystem, a.introduced, a.fixed, a.last_affected) for a in one.affected] == [
        ("Debian:12", "", "1.0-2", ""),
        ("Debian:12", "2.0-1", "2.0-3", ""),
        ("Debian:12", "3.0-1", "", ""),
        ("Debian:11", "", "", ""),
        ("Debian:10", "", "", ""),
        ("Debian:9", "", "", "0.1-9"),
    ]
    assert {a.severity for a in one.affected[:3]} == {Severity.NEGLIGIBLE}
    assert one.affected[3].status is VendorStatus.END_OF_LIFE
    assert one.affected[4].versions == ("0.1-1", "0.1-2")


def test_suse_binaries_withdrawal_and_cves_only_in_links() -> None:
    one = advisory("osv-suse.json")
    assert one.withdrawn == 1893801600
    assert one.cves == ("CVE-2030-4000",)
    assert one.affected[0].ecosystem == "SUSE:Linux Enterprise Server 15 SP3"
    assert one.affected[0].binaries == ("brass", "libbrass1")


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
