"""Matching on rpm's distributions: a test for each known difficulty of their data."""

from assessment_world import World, advisory, by_binary, by_source, facts, package
from msgspec import structs

from patchctl.models.advisory import FeedKind
from patchctl.models.assessment import FindingState
from patchctl.models.facts import HostFacts, OsRelease, Package, Repository

CVE = "CVE-2026-2000"
ALMA = "AlmaLinux:8"


def rpm(
    name: str, version: str, source: str = "", source_version: str = "", module: str = ""
) -> Package:
    return package(name, version, source, source_version, arch="x86_64", module=module)


def test_a_missing_epoch_is_zero() -> None:
    world = World().add(advisory("ALSA-1", CVE, by_binary(ALMA, "bash", "4.4.20-5.el8")))
    assert CVE in world.findings(facts(ALMA, [rpm("bash", "4.4.20-4.el8")]))
    assert not world.findings(facts(ALMA, [rpm("bash", "0:4.4.20-5.el8")]))


def test_a_source_rpm_names_no_epoch() -> None:
    world = World().add(
        advisory("RLSA-1", CVE, by_source("Rocky Linux:9", "bind", "32:9.16.23-5.el9"))
    )

    def bind(version: str) -> Package:
        return rpm("bind-libs", f"32:{version}", "bind", version)

    assert CVE in world.findings(facts("Rocky Linux:9", [bind("9.16.23-4.el9")]))
    assert not world.findings(facts("Rocky Linux:9", [bind("9.16.23-5.el9")]))


def test_a_binary_with_a_version_of_its_own_compares_by_its_source() -> None:
    world = World().add(
        advisory("RLSA-1", CVE, by_source("Rocky Linux:9", "perl", "4:5.32.1-481.el9"))
    )
    errno = rpm("perl-Errno", "0:1.30-481.el9", "perl", "5.32.1-481.el9")
    assert not world.findings(facts("Rocky Linux:9", [errno]))
    old = rpm("perl-Errno", "0:1.30-480.el9", "perl", "5.32.1-480.el9")
    assert CVE in world.findings(facts("Rocky Linux:9", [old]))


def test_a_sibling_tells_the_sources_epoch() -> None:
    world = World().add(advisory("RLSA-1", CVE, by_source("Rocky Linux:9", "perl", "4:1.0-1.el9")))
    libs = rpm("perl-libs", "5:0.9-1.el9", "perl", "0.9-1.el9")
    errno = rpm("perl-Errno", "0:1.30-1.el9", "perl", "0.9-1.el9")
    assert not world.findings(facts("Rocky Linux:9", [libs, errno]))


def test_a_binary_that_the_advisory_leaves_out_is_found_by_its_source() -> None:
    """ALSA-2022:0896 lists glibc-static and others, but not glibc itself."""
    world = World().add(
        advisory(
            "ALSA-2",
            CVE,
            by_binary(ALMA, "glibc-benchtests", "2.28-164.el8_5.3"),
            by_binary(ALMA, "glibc-static", "2.28-164.el8_5.3"),
            title="Moderate: glibc security update",
        )
    )
    assert CVE in world.findings(
        facts(ALMA, [rpm("glibc", "2.28-164.el8", "glibc", "2.28-164.el8")])
    )
    assert not world.findings(
        facts(ALMA, [rpm("glibc", "2.28-164.el8_5.3", "glibc", "2.28-164.el8_5.3")])
    )


def test_the_fleet_tells_which_source_a_listed_binary_has() -> None:
    world = World().add(
        advisory("ALSA-2", CVE, by_binary(ALMA, "libfoo", "1.0-2.el8"), title="Low: some update")
    )
    host = facts(
        ALMA,
        [
            rpm("libfoo", "1.0-2.el8", "foo", "1.0-2.el8"),
            rpm("foo-tools", "1.0-1.el8", "foo", "1.0-1.el8"),
        ],
    )
    assert world.findings(host)[CVE].package == "foo-tools"


def modular(stream: str, version: str, tag: str) -> World:
    return World().add(
        advisory(
            "ALSA-3",
            CVE,
            by_binary(ALMA, "ruby", f"{version}.module_el8.5.0+{tag}", module="modular"),
            title=f"Important: ruby:{stream} security update",
        )
    )


def ruby(version: str, module: str = "") -> Package:
    return rpm("ruby", version, "ruby", "", module)


def test_module_streams_do_not_mix() -> None:
    world = modular("2.7", "2.7.4-137", "2635+e4386a39")
    other = ruby("2.5.9-107.module_el8.4.0+2507+b1b08a5b", "ruby:2.5:8040:aa")
    same = ruby("2.7.1-136.module_el8.4.0+2507+b1b08a5b", "ruby:2.7:8040:aa")
    assert not world.findings(facts(ALMA, [other]))
    assert CVE in world.findings(facts(ALMA, [same]))


def test_without_a_label_the_version_tells_the_stream() -> None:
    world = modular("2.7", "2.7.4-137", "2635+e4386a39").add(
        *[held for _, _, held in modular("2.5", "2.5.9-109", "2600+aaaaaaaa").held]
    )
    world.held[1] = (
        *world.held[1][:2],
        advisory(
            "ALSA-4",
            "CVE-2026-2001",
            *world.held[1][2].affected,
            title="Important: ruby:2.5 security update",
        ),
    )
    findings = world.findings(facts(ALMA, [ruby("2.5.5-105.module_el8.1.0+273+b1d2e8e9")]))
    assert set(findings) == {"CVE-2026-2001"}


def test_a_plain_package_is_not_a_module_build() -> None:
    world = modular("2.7", "2.7.4-137", "2635+e4386a39")
    assert not world.findings(facts(ALMA, [ruby("2.5.0-1.el8")]))


def test_one_source_built_for_two_minor_releases_is_one_fix() -> None:
    """The build tag says which build, not which source: the same source elsewhere is fixed."""
    world = World().add(
        advisory(
            "ALSA-5",
            CVE,
            by_binary(ALMA, "podman", "3.3.1-9.module_el8.5.0+2635+e4386a39", module="modular"),
            by_binary(ALMA, "podman", "3.3.1-9.module_el8.4.0+2496+12421f43", module="modular"),
            title="Moderate: container-tools:rhel8 security update",
        )
    )
    label = "container-tools:rhel8:8050:aa"

    def podman(version: str) -> Package:
        return rpm("podman", version, "podman", "", label)

    assert not world.findings(facts(ALMA, [podman("3.3.1-9.module_el8.3.0+2044+12421f43")]))
    assert not world.findings(facts(ALMA, [podman("3.3.1-9.module_el8.4.0+2496+12421f43")]))
    assert CVE in world.findings(facts(ALMA, [podman("3.3.1-8.module_el8.6.0+9999+12421f43")]))


def vim() -> World:
    return World().add(
        advisory(
            "ALSA-6",
            CVE,
            by_binary(ALMA, "vim", "2:8.0.1763-16.el8"),
            by_binary(ALMA, "vim", "2:8.0.1763-16.el8_5.13"),
        )
    )


def test_of_several_fixes_the_one_of_the_main_line_is_enough() -> None:
    assert not vim().findings(facts(ALMA, [rpm("vim", "2:8.0.1763-16.el8")]))
    assert not vim().findings(facts(ALMA, [rpm("vim", "2:8.0.1763-16.el8_5.4")]))
    assert CVE in vim().findings(facts(ALMA, [rpm("vim", "2:8.0.1763-15.el8")]))


def test_a_fix_of_one_minor_release_does_not_fix_another() -> None:
    world = World().add(
        advisory(
            "ALSA-7", CVE, by_binary(ALMA, "x", "1-1.el8_4.3"), by_binary(ALMA, "x", "1-2.el8_6")
        )
    )
    assert not world.findings(facts(ALMA, [rpm("x", "1-1.el8_4.3")]))
    assert not world.findings(facts(ALMA, [rpm("x", "1-2.el8_6")]))
    assert CVE in world.findings(facts(ALMA, [rpm("x", "1-2.el8")]))
    assert CVE in world.findings(facts(ALMA, [rpm("x", "1-1.el8_4.1")]))


def kernels() -> list[Package]:
    return [
        rpm("kernel-core", "4.18.0-305.el8", "kernel", "4.18.0-305.el8"),
        rpm("kernel-core", "4.18.0-553.el8_10", "kernel", "4.18.0-553.el8_10"),
    ]


def fixed_kernel() -> World:
    return World().add(advisory("ALSA-8", CVE, by_binary(ALMA, "kernel-core", "4.18.0-500.el8")))


def test_the_running_kernel_decides() -> None:
    assert not fixed_kernel().findings(facts(ALMA, kernels(), running="4.18.0-553.el8_10.x86_64"))
    late = fixed_kernel().states(facts(ALMA, kernels(), running="4.18.0-305.el8.x86_64"))
    assert late == {CVE: FindingState.NOT_EFFECTIVE}


def test_a_running_kernel_that_was_removed_still_counts() -> None:
    states = fixed_kernel().states(facts(ALMA, kernels()[1:], running="4.18.0-240.el8.x86_64"))
    assert states == {CVE: FindingState.NOT_EFFECTIVE}


def test_updateinfo_replaces_the_osv_copy_of_an_advisory() -> None:
    world = World().add(
        advisory(
            "ALSA-9",
            CVE,
            by_binary(ALMA, "ruby", "2.6.3-1.module_el8.1.0+1+aaaaaaaa"),
            title="ruby:2.5 security",
        )
    )
    world.add(
        advisory(
            "ALSA-9",
            CVE,
            by_binary(ALMA, "ruby", "2.6.3-1.module_el8.1.0+1+aaaaaaaa", module="ruby:2.6"),
            title="ruby:2.5 security",
        ),
        kind=FeedKind.UPDATEINFO,
    )
    old = "2.6.2-1.module_el8.1.0+1+bbbbbbbb"
    assert CVE in world.findings(facts(ALMA, [ruby(old, "ruby:2.6:8010:aa")]))
    assert not world.findings(facts(ALMA, [ruby(old, "ruby:2.5:8010:aa")]))


def test_an_advisory_for_another_architecture_does_not_count() -> None:
    world = World().add(
        advisory("A", CVE, by_binary(ALMA, "x", "2-1", arch="aarch64")), kind=FeedKind.UPDATEINFO
    )
    assert not world.findings(facts(ALMA, [rpm("x", "1-1")]))


def extended() -> World:
    entry = by_binary("Red Hat:9", "x", "1-1.el9_2.5", channel="eus:9.2")
    return World().add(advisory("RHSA-1", CVE, entry))


def test_extended_updates_count_where_the_host_draws_from_them() -> None:
    assert not extended().findings(red_hat("9.4", "1-1.el9"))
    eus = Repository(uri="https://cdn.example/eus/9.2", label="rhel-9-for-x86_64-baseos-eus-rpms")
    host = facts(
        "Red Hat:9", [rpm("x", "1-1.el9_2.1")], repositories=[eus], pending={"x": "1-1.el9_2.5"}
    )
    assert extended().states(host) == {CVE: FindingState.FIXABLE}


def test_a_fix_for_the_hosts_own_minor_release_tells_that_it_is_vulnerable() -> None:
    assert set(extended().findings(red_hat("9.2", "1-1.el9"))) == {CVE}
    assert set(extended().findings(red_hat("9.4", "1-1.el9_2.1"))) == {CVE}
    assert not extended().findings(red_hat("9.2", "1-1.el9_2.5"))
    findings_by_host = dict(
        extended().assessor(red_hat("9.2", "1-1.el9"), red_hat("9.4", "1-1.el9")).findings()
    )
    assert [len(of) for of in findings_by_host.values()] == [1, 0]


def red_hat(version: str, installed: str) -> HostFacts:
    plain = facts("Red Hat:9", [rpm("x", installed)])
    return structs.replace(plain, os=OsRelease(id="rhel", version_id=version))


def test_an_ended_releases_extended_fix_is_told_without_the_subscription() -> None:
    entry = by_binary("Red Hat:9", "x", "1-2.el9", channel="elts")
    finding = World().add(advisory("R", CVE, entry)).findings(red_hat("9.10", "1-1.el9"))[CVE]
    assert finding.state is FindingState.NOT_IN_REPOSITORIES
    assert "subscription" in finding.note


def test_a_version_that_is_none_is_counted_and_said() -> None:
    world = World().add(advisory("A", CVE, by_binary(ALMA, "x", "1-1")))
    assessor = world.assessor(facts(ALMA, [rpm("x", "not a version")]))
    assert not [findings for _, findings in assessor.findings() if findings]
    summary = assessor.summary()
    assert summary.not_covered == {ALMA: 1}
    assert any("not a version" in line for line in summary.warnings)


def test_suse_names_products_and_modules() -> None:
    world = World().add(
        advisory(
            "SUSE-1",
            CVE,
            by_source("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "curl", "8.0-1"),
        )
    )
    assert CVE in world.findings(facts("SUSE", [rpm("curl", "7.0-1", "curl", "7.0-1")]))


def test_alpine_compares_as_apk() -> None:
    entry = by_source("Alpine:v3.19", "musl", "1.2.4_git20230717-r5", introduced="0.9.13")
    world = World().add(advisory("ALPINE-CVE-2026-2000", CVE, entry))
    assert CVE in world.findings(facts("Alpine:v3.19", [package("musl", "1.2.4_git20230717-r4")]))
    assert not world.findings(facts("Alpine:v3.19", [package("musl", "1.2.4_git20230717-r5")]))
    assert not world.findings(facts("Alpine:v3.19", [package("musl", "0.9.12-r0")]))


def test_a_title_that_is_short_for_a_numbered_package_names_another_source() -> None:
    """ALSA-2024:4243 says `python3` and lists python3.12; EL8's python3 is of another source."""
    entries = [
        by_binary(ALMA, name, "3.12.3-2.el8_10") for name in ("python3.12", "python3.12-idle")
    ]
    world = World().add(advisory("A", CVE, *entries, title="Moderate: python3 security update"))
    old = rpm("python3-libs", "3.6.8-62.el8_10", "python3", "3.6.8-62.el8_10")
    assert not world.findings(facts(ALMA, [old]))
    newer = rpm("python3.12-libs", "3.12.1-1.el8", "python3.12", "3.12.1-1.el8")
    listed = rpm("python3.12", "3.12.1-1.el8", "python3.12", "3.12.1-1.el8")
    assert set(world.findings(facts(ALMA, [old, newer, listed]))) == {CVE}


def test_a_rebuild_for_another_repository_fixes_no_later_than_the_plain_build() -> None:
    """RXSA-2023:0101 is Rocky's cloud kernel, `.el8_7.cloud`; the plain build has the fix too."""
    entry = by_source("Rocky Linux:9", "kernel", "0:4.18.0-425.10.1.el9_1.cloud")
    world = World().add(advisory("RXSA-1", CVE, entry))

    def kernel(version: str) -> set[str]:
        core = rpm("kernel-core", version, "kernel", version)
        return set(world.findings(facts("Rocky Linux:9", [core], running=f"{version}.x86_64")))

    assert kernel("4.18.0-425.3.1.el9") == {CVE}
    assert kernel("4.18.0-425.3.1.el9.cloud") == {CVE}
    assert not kernel("4.18.0-425.10.1.el9_1")
    assert not kernel("4.18.0-425.10.1.el9_1.cloud")


def test_headers_and_tools_of_a_kernels_source_are_no_kernel() -> None:
    world = World().add(advisory("R", CVE, by_source("Rocky Linux:9", "kernel", "0:5.14.0-2.el9")))
    headers = rpm("kernel-headers", "5.14.0-1.el9", "kernel", "5.14.0-1.el9")
    assert not world.findings(facts("Rocky Linux:9", [headers]))
    core = rpm("kernel-core", "5.14.0-1.el9", "kernel", "5.14.0-1.el9")
    assert set(world.findings(facts("Rocky Linux:9", [headers, core]))) == {CVE}


def test_every_part_of_an_older_kernel_stays_beside_the_running_one() -> None:
    parts = (
        "kernel-rt-kvm",
        "kernel-rt-debug-kvm",
        "kernel-rt-64k-modules-core",
        "kernel-modules-partner",
        "kernel-devel-matched",
        "kernel-uki-virt-addons",
        "kernel6.12",
    )
    for name in parts:
        world = World().add(advisory("A", CVE, by_binary(ALMA, name, "4.18.0-2.el8")))
        both = [rpm(name, "4.18.0-1.el8"), rpm(name, "4.18.0-2.el8")]
        assert not world.findings(facts(ALMA, both, running="4.18.0-2.el8.x86_64")), name


def test_a_kernel_is_named_before_its_headers() -> None:
    names = ("kernel-headers", "kernel-core")
    world = World().add(
        advisory("A", CVE, *(by_binary(ALMA, name, "4.18.0-2.el8") for name in names))
    )
    old = [rpm(name, "4.18.0-1.el8", "kernel", "4.18.0-1.el8") for name in names]
    finding = world.findings(facts(ALMA, old, running="4.18.0-1.el8.x86_64"))[CVE]
    assert finding.package == "kernel-core"
    assert {name for affected in finding.packages for name in affected.binaries} == set(names)
