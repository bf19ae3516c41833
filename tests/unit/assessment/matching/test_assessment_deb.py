"""Matching on Debian and Ubuntu: a test for each known difficulty of their data."""

from typing import Any

from assessment_world import World, advisory, by_source, facts, package
from msgspec import structs

from patchctl.assessment.findings.assess import Assessor
from patchctl.assessment.findings.ranking import cve_order
from patchctl.assessment.matching.platforms import platform_of
from patchctl.models.advisory import FeedKind, Lifecycle, Severity, VendorStatus
from patchctl.models.assessment import Action, FindingState
from patchctl.models.facts import OsRelease, Package, Repository

CVE = "CVE-2026-1000"
DEB = "Debian:12"


def openssl(version: str = "3.0.11-1~deb12u2", name: str = "libssl3") -> Package:
    return package(name, version, "openssl", version)


def fixed_openssl() -> World:
    return World().add(advisory("DSA-1", CVE, by_source(DEB, "openssl", "3.0.14-1~deb12u1")))


def test_an_older_version_is_found_under_its_source() -> None:
    findings = fixed_openssl().findings(facts(DEB, [openssl(), openssl(name="openssl")]))
    assert set(findings) == {CVE}
    finding = findings[CVE]
    assert (finding.package, finding.source) == ("openssl", "openssl")
    assert finding.fixed == "3.0.14-1~deb12u1"
    assert finding.packages[0].binaries == ("libssl3", "openssl")
    assert finding.advisories == ("DSA-1",)


def test_the_fixed_version_and_later_ones_are_clean() -> None:
    world = fixed_openssl()
    assert not world.findings(facts(DEB, [openssl("3.0.14-1~deb12u1")]))
    assert not world.findings(facts(DEB, [openssl("3.0.14-1~deb12u2")]))


def test_a_binary_rebuild_compares_as_its_source() -> None:
    world = World().add(advisory("DSA-1", CVE, by_source(DEB, "zlib", "1:1.2.13-1")))
    rebuilt = package("zlib1g", "1:1.2.13-1+b1")
    assert not world.findings(facts(DEB, [rebuilt]))
    assert not world.findings(
        facts(DEB, [package("zlib1g", "1:1.2.13-1+b1", "zlib", "1:1.2.13-1")])
    )


def test_dpkgs_own_way_to_write_a_source_is_understood() -> None:
    world = World().add(advisory("DSA-1", CVE, by_source(DEB, "gcc-12", "12.2.0-15")))
    assert CVE in world.findings(
        facts(DEB, [package("libgcc-s1", "12.2.0-14", "gcc-12 (12.2.0-14)")])
    )


def test_the_kernels_signing_source_is_the_kernel() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.176-1")))

    def kernel(signed: str) -> Package:
        return package("linux-image-6.1.0-50-amd64", "6.1.0", "linux-signed-amd64", signed)

    running = "6.1.0-50-amd64"
    assert not world.findings(facts(DEB, [kernel("6.1.176+1")], running=running))
    assert CVE in world.findings(facts(DEB, [kernel("6.1.175+1")], running=running))


def two_kernels() -> list[Package]:
    return [
        package("linux-image-6.1.0-40-amd64", "6.1.153-1", "linux-signed-amd64", "6.1.153+1"),
        package("linux-image-6.1.0-50-amd64", "6.1.176-1", "linux-signed-amd64", "6.1.176+1"),
        package("linux-image-amd64", "6.1.176-1", "linux-signed-amd64", "6.1.176+1"),
        package("linux-libc-dev", "6.1.153-1", "linux", "6.1.153-1"),
    ]


def test_of_several_kernels_the_running_one_decides() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.170-1")))
    assert not world.findings(facts(DEB, two_kernels(), running="6.1.0-50-amd64"))


def test_a_fixed_kernel_that_is_not_booted_is_not_effective() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.170-1")))
    finding = world.findings(facts(DEB, two_kernels(), running="6.1.0-40-amd64"))[CVE]
    assert finding.state is FindingState.NOT_EFFECTIVE
    assert "reboot" in finding.note


def test_a_reboot_is_an_action_of_its_own() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.170-1")))
    assessor = world.assessor(facts(DEB, two_kernels(), running="6.1.0-40-amd64"))
    assert [action.kind for action in assessor_done(assessor)] == ["reboot"]


def assessor_done(assessor: Assessor) -> list[Action]:
    list(assessor.findings())
    return list(assessor.summary().actions)


def test_kernel_headers_without_a_kernel_are_no_kernel() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.170-1")))
    headers = package("linux-libc-dev", "6.1.153-1", "linux", "6.1.153-1")
    assert not world.findings(facts(DEB, [headers], running="6.8.0-host", managed=False))


def test_a_new_kernel_comes_through_a_package_of_another_name() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.180-1")))
    host = facts(
        DEB,
        two_kernels(),
        running="6.1.0-50-amd64",
        pending={"linux-image-amd64": "6.1.180-1"},
    )
    assert world.states(host) == {CVE: FindingState.FIXABLE}


def test_a_kernel_brings_no_fix_of_what_only_has_its_name() -> None:
    world = World().add(advisory("DSA-3", CVE, by_source(DEB, "linux-atm", "2.5.1-6")))
    host = facts(
        DEB,
        [package("libatm1", "2.5.1-5", "linux-atm", "2.5.1-5")],
        pending={"linux-image-amd64": "6.1.180-1"},
    )
    assert world.states(host) == {CVE: FindingState.NOT_IN_REPOSITORIES}


def test_a_backport_follows_the_next_release_with_a_feed() -> None:
    world = fixed_openssl().add(
        advisory("DEBIAN-CVE-2026-1000", CVE, by_source("Debian:sid", "openssl", "3.2.1-3"))
    )
    assert CVE in world.findings(facts(DEB, [openssl("3.2.1-2~bpo12+1")]))
    assert not world.findings(facts(DEB, [openssl("3.2.1-3~bpo12+1")]))


def test_a_backport_without_a_later_releases_feed_is_not_covered() -> None:
    assessor = fixed_openssl().assessor(facts(DEB, [openssl("3.2.1-2~bpo12+1")]))
    assert not [findings for _, findings in assessor.findings() if findings]
    assert assessor.summary().not_covered == {"Debian:13": 1}


def test_a_held_package_is_told_and_stays_fixable() -> None:
    held = package("openssl", "3.0.11-1", "openssl", "3.0.11-1", held=True)
    finding = fixed_openssl().findings(facts(DEB, [held], pending={"openssl": "3.0.14-1~deb12u1"}))[
        CVE
    ]
    assert finding.state is FindingState.FIXABLE
    assert finding.packages[0].held
    assert "held" in finding.note


def test_a_mirror_without_the_fix_is_named() -> None:
    world = fixed_openssl()
    stale = facts(DEB, [openssl()], pending={"libssl3": "3.0.13-1~deb12u1"})
    assert world.states(stale) == {CVE: FindingState.NOT_IN_REPOSITORIES}
    fresh = facts(DEB, [openssl()], pending={"libssl3": "3.0.14-1~deb12u1"})
    assert world.states(fresh) == {CVE: FindingState.FIXABLE}


def test_a_candidate_of_a_rebuilt_binary_delivers_the_sources_fix() -> None:
    host = facts(DEB, [openssl()], pending={"libssl3": "3.0.14-1~deb12u1+b2"})
    assert fixed_openssl().states(host) == {CVE: FindingState.FIXABLE}


def tracker(**more: Any) -> World:
    entry = by_source(DEB, "openssl", **more)
    return World().add(advisory("DEBIAN-CVE-2026-1000", CVE, entry), kind=FeedKind.DEBIAN_TRACKER)


def test_what_the_tracker_says_becomes_the_state() -> None:
    host = facts(DEB, [openssl()])
    assert tracker().states(host) == {CVE: FindingState.NO_FIX}
    assert tracker(status=VendorStatus.DEFERRED).states(host) == {CVE: FindingState.NO_FIX}
    assert tracker(status=VendorStatus.WONT_FIX).states(host) == {CVE: FindingState.WONT_FIX}
    assert tracker(status=VendorStatus.END_OF_LIFE).states(host) == {CVE: FindingState.END_OF_LIFE}
    assert tracker(status=VendorStatus.NOT_AFFECTED).states(host) == {}
    assert tracker(status=VendorStatus.UNDETERMINED).states(host) == {}


def test_unimportant_issues_keep_their_severity() -> None:
    findings = tracker(severity=Severity.NEGLIGIBLE).findings(facts(DEB, [openssl()]))
    assert findings[CVE].severity == "negligible"


def test_the_tracker_overrules_an_advisory() -> None:
    world = fixed_openssl().add(
        advisory("T-1", CVE, by_source(DEB, "openssl", status=VendorStatus.NOT_AFFECTED)),
        kind=FeedKind.DEBIAN_TRACKER,
    )
    assert not world.findings(facts(DEB, [openssl()]))


def test_a_changelog_counts_where_no_feed_speaks() -> None:
    named = advisory("changelog", CVE, by_source(DEB, "tool", "1.0-2"))
    world = World().add(named, kind=FeedKind.CHANGELOG)
    assert CVE in world.findings(facts(DEB, [package("tool", "1.0-1")]))
    assessor = world.assessor(facts(DEB, [package("tool", "1.0-1"), package("other", "1-1")]))
    list(assessor.findings())
    assert assessor.summary().not_covered == {"Debian:12": 1}


def test_withdrawn_advisories_and_live_patches_count_for_nothing() -> None:
    entry = by_source(DEB, "openssl", "3.0.14-1")
    world = World().add(
        advisory("A", CVE, entry, withdrawn=5), advisory("B", CVE, entry, live_patch=True)
    )
    assert not world.findings(facts(DEB, [openssl()]))


def test_an_ended_release_is_not_clean() -> None:
    world = World().add(advisory("D", CVE, by_source("Debian:10", "openssl")))
    world.cycles = [
        Lifecycle(product="debian", cycle="10", end="2022-09-10", extended_end="2024-06-30")
    ]
    assessor = world.assessor(facts("Debian:10", [openssl("1.1.1n-0+deb10u3")]))
    states = [finding.state for _, findings in assessor.findings() for finding in findings]
    assert states == [FindingState.END_OF_LIFE]
    (release,) = assessor.summary().releases
    assert (release.ecosystem, release.support) == ("Debian:10", "ended")


def test_debians_lts_is_support() -> None:
    world = fixed_openssl()
    world.cycles = [
        Lifecycle(product="debian", cycle="12", end="2026-01-01", extended_end="2028-06-30")
    ]
    assessor = world.assessor(facts(DEB, []))
    assert assessor.summary().releases[0].support == "extended"


def test_a_release_without_version_is_known_by_its_codename() -> None:
    sid = structs.replace(facts(DEB, []), os=OsRelease(id="debian", codename="trixie"))
    assert platform_of(sid).ecosystem == "Debian:13"


def test_an_unknown_system_is_not_covered_and_not_clean() -> None:
    assessor = fixed_openssl().assessor(facts("other", [openssl(), openssl(name="x")]))
    assert not [findings for _, findings in assessor.findings() if findings]
    assert assessor.summary().not_covered == {"plan9:4": 2}


# --- Ubuntu -------------------------------------------------------------------------------------

UBUNTU = "Ubuntu:22.04"


def pro(**more: Any) -> World:
    return World().add(
        advisory(
            "UBUNTU-CVE-2026-1000",
            CVE,
            by_source(UBUNTU, "jq", "1.6-2ubuntu3+esm1", channel="esm", **more),
            by_source(UBUNTU, "jq", **more),
        )
    )


def test_a_fix_behind_a_subscription_is_not_in_the_repositories() -> None:
    finding = pro().findings(facts(UBUNTU, [package("jq", "1.6-2ubuntu3")]))[CVE]
    assert finding.state is FindingState.NOT_IN_REPOSITORIES
    assert finding.fixed == "1.6-2ubuntu3+esm1"
    assert "subscription" in finding.note


def test_with_the_subscription_the_fix_is_there() -> None:
    esm = Repository(uri="https://esm.example/apps", origin="UbuntuESMApps")
    host = facts(
        UBUNTU,
        [package("jq", "1.6-2ubuntu3")],
        repositories=[esm],
        pending={"jq": "1.6-2ubuntu3+esm1"},
    )
    assert pro().states(host) == {CVE: FindingState.FIXABLE}


def test_an_open_entry_has_no_fix() -> None:
    world = World().add(advisory("UBUNTU-CVE-2026-1000", CVE, by_source(UBUNTU, "jq")))
    finding = world.findings(facts(UBUNTU, [package("jq", "1.6-2")]))[CVE]
    assert (finding.state, finding.fixed) == (FindingState.NO_FIX, None)


def test_only_the_named_binaries_are_affected() -> None:
    world = pro(binaries=("jq",))
    assert CVE in world.findings(facts(UBUNTU, [package("jq", "1.6-2", "jq", "1.6-2")]))
    assert not world.findings(facts(UBUNTU, [package("libjq1", "1.6-2", "jq", "1.6-2")]))


def test_a_kernels_binaries_have_versions_in_their_names() -> None:
    entry = by_source(
        UBUNTU, "linux", "5.15.0-100.110", binaries=("linux-image-5.15.0-100-generic",)
    )
    world = World().add(advisory("UBUNTU-CVE-2026-1000", CVE, entry))
    image = package(
        "linux-image-5.15.0-91-generic", "5.15.0-91.101", "linux-signed", "5.15.0-91.101"
    )
    assert CVE in world.findings(facts(UBUNTU, [image], running="5.15.0-91-generic"))


def test_six_digit_cves_are_ordered_as_numbers() -> None:
    ids = ["CVE-2025-100000", "CVE-2025-9999", "CVE-2024-1"]
    assert sorted(ids, key=cve_order) == ["CVE-2024-1", "CVE-2025-9999", "CVE-2025-100000"]


def test_a_binary_with_another_number_in_its_name_is_the_listed_one() -> None:
    """Libraries take a new name with a new version: libdns1100 became libdns1104."""
    entry = by_source(UBUNTU, "bind9", "2-1", binaries=("libdns1104", "bind9-host"))
    world = World().add(advisory("USN-1", CVE, entry))
    assert CVE in world.findings(facts(UBUNTU, [package("libdns1100", "1-1", "bind9", "1-1")]))
    assert not world.findings(facts(UBUNTU, [package("bind9-doc", "1-1", "bind9", "1-1")]))


def test_a_source_that_an_inventory_leaves_out_is_told_by_the_feed() -> None:
    entry = by_source(UBUNTU, "wayland", "2-1", binaries=("libwayland-client0", "libwayland-egl1"))
    other = by_source(UBUNTU, "linux-nvidia", "6.8-2", binaries=("linux-image-6.8.0-2-nvidia",))
    world = World().add(advisory("USN-1", CVE, entry), advisory("USN-2", "CVE-2026-2", other))
    image = package("linux-image-6.8.0-1-nvidia", "6.8-1")
    host = facts(UBUNTU, [package("libwayland-client0", "1-1"), image], running="6.8.0-1-nvidia")
    assert set(world.findings(host)) == {CVE, "CVE-2026-2"}


def test_a_source_that_an_inventory_leaves_out_is_told_by_the_same_package_elsewhere() -> None:
    assessor = fixed_openssl().assessor(
        facts(DEB, [openssl()]),
        facts(DEB, [package("libssl3", "3.0.11-1~deb12u2")]),
        facts(DEB, [package("libssl3", "3.0.11-1~deb12u1")]),
    )
    assert [len(findings) for _, findings in assessor.findings()] == [1, 1, 0]


def test_a_kernel_image_of_debian_needs_no_source_to_be_known() -> None:
    world = World().add(advisory("DSA-2", CVE, by_source(DEB, "linux", "6.1.176-1")))
    image = package("linux-image-6.1.0-40-amd64", "6.1.153-1")
    assert CVE in world.findings(facts(DEB, [image], running="6.1.0-40-amd64"))
