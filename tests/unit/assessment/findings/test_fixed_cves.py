"""Which CVEs a transaction removes, decided by the same rule as findings."""

import random as stdlib

from assessment_world import World, advisory, by_source, facts, package
from hypothesis import given
from hypothesis import strategies as st

from patchctl.assessment.findings import fixed_cves
from patchctl.models.advisory import FeedKind
from patchctl.models.facts import Package
from patchctl.models.plan import Action, Transition

DEB = "Debian:12"


def step(
    name: str, before: str, after: str, source: str = "", action: Action = Action.UPGRADE
) -> Transition:
    return Transition(
        package=name, arch="amd64", action=action, from_=before, to=after, source=source or name
    )


def fixed_cves_of(
    world: World,
    installed: list[Package],
    *steps: Transition,
    source_versions: dict[str, str] | None = None,
    system: str = DEB,
) -> list[tuple[str, ...]]:
    assessor = world.assessor(facts(system, installed))
    return list(
        fixed_cves.fixed_cves_of(assessor.matched, assessor.hosts[0], steps, source_versions or {})
    )


def fixed(cve: str, source: str, version: str = "", **more: object) -> World:
    return World().add(advisory(f"DEBIAN-{cve}", cve, by_source(DEB, source, version, **more)))


def test_a_cve_is_removed_where_the_old_version_has_it_and_the_new_one_has_not() -> None:
    world = fixed("CVE-2024-1", "openssl", "3.0.9-1")
    old = [package("openssl", "3.0.8-1", "openssl")]
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "3.0.9-1")) == [("CVE-2024-1",)]
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "3.0.8-2")) == [()]


def test_versions_are_ordered_by_the_package_manager_not_as_text() -> None:
    world = fixed("CVE-2024-1", "openssl", "3.0.10-1")
    old = [package("openssl", "3.0.9-1", "openssl")]
    assert fixed_cves_of(world, old, step("openssl", "3.0.9-1", "3.0.10-1")) == [("CVE-2024-1",)]
    assert fixed_cves_of(world, old, step("openssl", "3.0.9-1", "3.0.10~rc1-1")) == [()]


def test_what_stays_open_and_what_was_never_open_is_not_promised() -> None:
    world = fixed("CVE-2024-1", "openssl").add(
        advisory("DEBIAN-CVE-2024-2", "CVE-2024-2", by_source(DEB, "openssl", "3.0.5-1"))
    )
    old = [package("openssl", "3.0.8-1", "openssl")]
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "3.0.9-1")) == [()]


def test_binaries_of_one_source_share_what_is_removed() -> None:
    world = fixed("CVE-2024-1", "openssl", "3.0.9-1", binaries=("libssl3",))
    old = [package(name, "3.0.8-1", "openssl") for name in ("openssl", "libssl3")]
    steps = [step(name, "3.0.8-1", "3.0.9-1", "openssl") for name in ("openssl", "libssl3")]
    assert fixed_cves_of(world, old, *steps) == [("CVE-2024-1",)] * 2


def test_a_binary_with_a_version_of_its_own_is_judged_by_its_source() -> None:
    world = fixed("CVE-2024-1", "gcc-defaults", "1.204")
    old = [package("gcc", "4:12.2.0-3", "gcc-defaults", "1.203")]
    new = step("gcc", "4:12.2.0-3", "4:12.2.0-4", "gcc-defaults")
    assert fixed_cves_of(world, old, new, source_versions={"gcc": "1.204"}) == [("CVE-2024-1",)]
    assert fixed_cves_of(world, old, new, source_versions={"gcc": "1.203"}) == [()]


def test_a_rebuild_removes_what_its_source_does() -> None:
    world = fixed("CVE-2024-1", "perl", "5.36.0-7")
    old = [package("perl", "5.36.0-6", "perl")]
    new = step("perl", "5.36.0-6", "5.36.0-7+b1")
    assert fixed_cves_of(world, old, new) == [("CVE-2024-1",)]


def test_where_feeds_differ_the_one_with_authority_counts() -> None:
    world = fixed("CVE-2024-1", "openssl", "3.0.9-1").add(
        advisory("changelog", "CVE-2024-1", by_source(DEB, "openssl", "3.0.8-5")),
        kind=FeedKind.CHANGELOG,
    )
    old = [package("openssl", "3.0.8-1", "openssl")]
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "3.0.8-5")) == [()]


def test_nothing_is_promised_of_a_version_that_no_feed_can_judge() -> None:
    world = fixed("CVE-2024-1", "openssl", "3.0.9-1")
    old = [package("openssl", "3.0.8-1", "openssl")]
    # A backport belongs to unstable, and no feed for that is held.
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "3.1.0-1~bpo12+1")) == [()]
    assert fixed_cves_of(world, old, step("openssl", "3.0.8-1", "not a version")) == [()]


def test_a_new_dependency_and_a_removed_package_remove_nothing_by_themselves() -> None:
    world = fixed("CVE-2024-1", "legacy", "2.0-1")
    old = [package("legacy", "1.0-1", "legacy")]
    assert fixed_cves_of(world, old, step("legacy", "1.0-1", "", action=Action.REMOVE)) == [()]
    assert fixed_cves_of(world, [], step("legacy", "", "2.0-1", action=Action.NEW)) == [()]


KERNEL = ("linux-image-6.1.0-41-amd64", "linux-image-6.1.0-42-amd64")


def test_a_kernel_comes_beside_the_old_one_and_its_meta_package_tells_from_where() -> None:
    world = fixed("CVE-2024-1", "linux", "6.1.150-1")
    signed = "linux-signed-amd64"
    old = [
        package(KERNEL[0], "6.1.140-1", signed, "6.1.140+1"),
        package("linux-image-amd64", "6.1.140-1", signed, "6.1.140+1"),
    ]
    steps = (
        step(KERNEL[1], "", "6.1.150-1", signed, Action.NEW),
        step("linux-image-amd64", "6.1.140-1", "6.1.150-1", signed),
    )
    versions = {KERNEL[1]: "6.1.150+1", "linux-image-amd64": "6.1.150+1"}
    assert fixed_cves_of(world, old, *steps, source_versions=versions) == [("CVE-2024-1",)] * 2


RPM = "Rocky Linux:9"
OLD_KERNEL, NEW_KERNEL = "5.14.0-427.el9", "5.14.0-503.el9"


def test_a_kernel_of_rpms_is_measured_by_the_newest_that_it_comes_beside() -> None:
    """No meta package of another name tells from where: kernel-core itself stands there twice."""
    world = World().add(
        advisory("RLSA-1", "CVE-2024-1", by_source(RPM, "kernel", NEW_KERNEL)),
        advisory("RLSA-2", "CVE-2024-2", by_source(RPM, "kernel", OLD_KERNEL)),
        advisory("RLSA-3", "CVE-2024-3", by_source(RPM, "kernel", "5.14.0-900.el9")),
    )
    installed = [
        package("kernel-core", version, "kernel") for version in (OLD_KERNEL, "5.14.0-362.el9")
    ]
    new = step("kernel-core", "", NEW_KERNEL, "kernel", Action.NEW)
    assert fixed_cves_of(world, installed, new, system=RPM) == [("CVE-2024-1",)]
    assert fixed_cves_of(world, installed[::-1], new, system=RPM) == [("CVE-2024-1",)]
    assert fixed_cves_of(world, [], new, system=RPM) == [()]


def test_what_takes_the_place_of_another_of_its_source_removes_what_that_had() -> None:
    world = World().add(advisory("RLSA-1", "CVE-2024-1", by_source(RPM, "editor", "2.0-1")))
    installed = [package("vi", "1.0-1", "editor")]
    steps = (
        step("vi", "1.0-1", "", "editor", Action.REMOVE),
        step("ed", "", "2.0-1", "editor", Action.NEW),
    )
    assert fixed_cves_of(world, installed, *steps, system=RPM) == [("CVE-2024-1",)] * 2
    assert fixed_cves_of(world, installed, steps[0], system=RPM) == [()]


def test_kernel_headers_without_a_kernel_remove_nothing() -> None:
    world = fixed("CVE-2024-1", "linux", "6.1.150-1")
    old = [package("linux-libc-dev", "6.1.140-1", "linux")]
    new = step("linux-libc-dev", "6.1.140-1", "6.1.150-1", "linux")
    assert fixed_cves_of(world, old, new) == [()]


NAMES = [f"CVE-{year}-{number}" for year in (2022, 2024) for number in (9999, 10000, "010000", 42)]


@given(st.randoms(use_true_random=False))
def test_cves_are_in_one_order_whatever_order_feeds_and_packages_come_in(
    random: stdlib.Random,
) -> None:
    cves = random.sample(NAMES, len(NAMES))
    world = World()
    for cve in cves:
        world.add(advisory(f"DEBIAN-{cve}", cve, by_source(DEB, "openssl", "3.0.9-1")))
    names = random.sample(["openssl", "libssl3", "libssl-dev"], 3)
    old = [package(name, "3.0.8-1", "openssl") for name in names]
    fixed = fixed_cves_of(
        world, old, *(step(name, "3.0.8-1", "3.0.9-1", "openssl") for name in names)
    )
    assert set(fixed) == {
        (
            *("CVE-2022-42", "CVE-2022-9999", "CVE-2022-010000", "CVE-2022-10000"),
            *("CVE-2024-42", "CVE-2024-9999", "CVE-2024-010000", "CVE-2024-10000"),
        )
    }


def test_nothing_is_promised_of_a_version_whose_release_nobody_looked_into() -> None:
    """Of Debian 13 only what the fleet has from there is indexed: its silence is no health."""
    world = World().add(
        advisory(
            "DEBIAN-CVE-2024-1",
            "CVE-2024-1",
            by_source(DEB, "bar", in_release=("1.0-1",)),
            by_source("Debian:13", "bar", in_release=("2.0-1",)),
        ),
        advisory("DEBIAN-CVE-2024-2", "CVE-2024-2", by_source("Debian:13", "foo", "2.0-1")),
        kind=FeedKind.DEBIAN_TRACKER,
    )
    installed = [package("bar", "1.0-1"), package("foo", "2.0-1~bpo12+1")]
    for after in ("2.0-1~bpo12+1", "1.0-1+deb13u1"):
        assert fixed_cves_of(world, installed, step("bar", "1.0-1", after)) == [()]
