"""Builds of one source that look alike: counters after a module's tag, rebuilds for several minor
releases, binaries with versions of their own, Amazon's extras."""

import pytest
from assessment_world import World, advisory, by_binary, by_source, facts, package
from msgspec import structs

from patchctl.models.assessment import FindingState
from patchctl.models.facts import HostFacts, OsRelease, Package

CVE = "CVE-2026-2500"
ALMA = "AlmaLinux:8"
NGINX = "2:1.26.3-2.module_el9.7.0+{}"


def rpm(name: str, version: str, source: str = "", module: str = "") -> Package:
    return package(name, version, source, arch="x86_64", module=module)


def fixed_at(name: str, *fixed: str) -> World:
    affected = [by_binary(ALMA, name, version) for version in fixed]
    return World().add(advisory("ALSA-1", CVE, *affected, title=f"Important: {name}:1 update"))


def affects(world: World, name: str, version: str) -> bool:
    return CVE in world.findings(facts(ALMA, [rpm(name, version, module=f"{name}:1")]))


@pytest.mark.parametrize(
    ("installed", "affected"),
    [
        ("215+8d94e91c", True),  # ALSA-2026:4235's fix, which is what ALSA-2026:7343 updates
        ("223+9cd7031b", True),
        ("223+9cd7031b.1", False),
        ("223+9cd7031b.2", False),
        ("230+0a1b2c3d", False),  # a later build of the same version needs no counter
    ],
)
def test_a_counter_behind_the_tag_counts(installed: str, affected: bool) -> None:
    world = fixed_at("nginx", NGINX.format("223+9cd7031b.1"))
    assert affects(world, "nginx", NGINX.format(installed)) is affected


def test_a_later_build_is_fixed_though_the_fix_has_a_counter() -> None:
    """bind-dyndb-ldap in ALSA-2024:3755."""
    world = fixed_at("bind-dyndb-ldap", "11.6-5.module_el8.10.0+3844+20e075e5.alma.2")
    name = "bind-dyndb-ldap"
    assert not affects(world, name, "11.6-5.module_el8.10.0+3980+d78e8e90")
    assert affects(world, name, "11.6-5.module_el8.10.0+3800+d78e8e90")
    assert affects(world, name, "11.6-4.module_el8.10.0+3980+d78e8e90")


def test_a_missing_epoch_stays_zero_in_module_builds() -> None:
    world = fixed_at("qemu-img", "15:6.2.0-11.module_el8.6.0+2880+7d9e3703")
    assert affects(world, "qemu-img", "6.2.0-11.module_el8.6.0+2880+7d9e3703")
    assert not affects(world, "qemu-img", "15:6.2.0-11.module_el8.6.0+2880+7d9e3703")


def test_a_module_whose_name_begins_with_a_number() -> None:
    """389-ds:1.4, of which a title without it would leave `ds:1.4`."""
    name, old = "389-ds-base", "1.4.3.39-3.module_el8.10.0+3829+ea459e35"
    fix = by_binary(ALMA, name, "1.4.3.39-7.module_el8.10.0+3864+d8eec553")
    title = "Important: 389-ds:1.4 security update"
    world = World().add(advisory("ALSA-1", CVE, fix, title=title))
    assert CVE in world.findings(facts(ALMA, [rpm(name, old, module="389-ds:1.4")]))
    assert not world.findings(facts(ALMA, [rpm(name, old, module="389-ds:1.3")]))


def test_rebuilds_for_two_minor_releases_with_counters() -> None:
    world = fixed_at(
        "httpd",
        "2.4.37-65.module_el8.10.0+4185+aaaaaaaa.9",
        "2.4.37-65.module_el8.6.0+2750+bbbbbbbb.9",
    )
    assert affects(world, "httpd", "2.4.37-65.module_el8.10.0+4185+aaaaaaaa.8")
    assert not affects(world, "httpd", "2.4.37-65.module_el8.10.0+4185+aaaaaaaa.9")
    assert not affects(world, "httpd", "2.4.37-65.module_el8.6.0+2750+bbbbbbbb.9")


def test_of_rebuilds_that_are_alike_the_lowest_is_the_fix() -> None:
    """libzip in ALSA-2026:2470: as text `el8.10.0` sorts before `el8.6.0`."""
    world = fixed_at(
        "libzip",
        "1.6.1-1.module_el8.10.0+3935+28808425",
        "1.6.1-1.module_el8.6.0+2750+78feabcb",
    )
    host = facts(ALMA, [rpm("libzip", "1.6.1-0.module_el8.6.0+2750+78feabcb")])
    assert world.findings(host)[CVE].fixed == "1.6.1-1.module_el8.6.0+2750+78feabcb"


class TestBinariesWithVersionsOfTheirOwn:
    """openssh and pam_ssh_agent_auth in ALSA-2024:4457."""

    SSH, AGENT = "8.7p1-38.el9_4.4", "0.10.4-5.38.el9_4.4"

    def world(self) -> World:
        names = {"openssh": self.SSH, "openssh-server": self.SSH, "pam_ssh_agent_auth": self.AGENT}
        return World().add(
            advisory(
                "ALSA-1", CVE, *(by_binary(ALMA, name, version) for name, version in names.items())
            )
        )

    def host(self, *names: str, pending: dict[str, str] | None = None) -> HostFacts:
        installed = {"pam_ssh_agent_auth": "0.10.4-5.38.el9_4.1"}
        source = "openssh-8.7p1-38.el9_4.1.src.rpm"
        packages = [rpm(name, installed.get(name, "8.7p1-38.el9_4.1"), source) for name in names]
        return facts(ALMA, packages, pending=pending)

    def test_the_fix_is_of_the_binary_that_is_shown(self) -> None:
        finding = self.world().findings(self.host("openssh", "pam_ssh_agent_auth"))[CVE]
        assert (finding.package, finding.fixed) == ("openssh", self.SSH)

    def test_without_the_sources_own_binary_another_is_shown_whole(self) -> None:
        finding = self.world().findings(self.host("openssh-server", "pam_ssh_agent_auth"))[CVE]
        assert (finding.package, finding.fixed) == ("openssh-server", self.SSH)
        alone = self.world().findings(self.host("pam_ssh_agent_auth"))[CVE]
        assert (alone.package, alone.fixed) == ("pam_ssh_agent_auth", self.AGENT)

    def test_what_is_offered_of_a_sibling_brings_nothing(self) -> None:
        offered = {"pam_ssh_agent_auth": "9.0-1"}
        finding = self.world().findings(
            self.host("openssh", "pam_ssh_agent_auth", pending=offered)
        )[CVE]
        assert finding.state is FindingState.NOT_IN_REPOSITORIES


class TestAmazonsExtras:
    """ALAS2KERNEL-5.15-2022-001 is of the collection `amazon-linux-2---kernel-5.15`."""

    def affects(self, channel: str, name: str, version: str) -> bool:
        world = World().add(
            advisory("ALAS-1", CVE, by_binary("Amazon Linux:2", name, "9:1-1", channel=channel))
        )
        host = facts("other", [rpm(name, version)], running=f"{version}.x86_64")
        system = structs.replace(host, os=OsRelease(id="amzn", version_id="2"))
        return CVE in world.findings(system)

    @pytest.mark.parametrize(
        ("channel", "name", "version", "affected"),
        [
            ("extra:kernel-5.15", "kernel", "5.15.30-19.141.amzn2", True),
            ("extra:kernel-5.15", "kernel", "4.14.355-271.569.amzn2", False),
            ("extra:kernel-5.15", "kernel", "5.10.100-1.amzn2", False),
            ("extra:kernel-5.15", "kernel", "5.150.1-1.amzn2", False),
            ("extra:nginx1", "nginx", "1:1.22.1-1.amzn2", True),
            ("extra:docker", "docker", "20.10.25-1.amzn2", True),
            ("", "kernel", "4.14.355-271.569.amzn2", True),
        ],
    )
    def test_an_extra_speaks_of_its_own_series(
        self, channel: str, name: str, version: str, affected: bool
    ) -> None:
        assert self.affects(channel, name, version) is affected


def test_a_name_without_a_source_may_be_the_sources() -> None:
    affected = by_source("Ubuntu:22.04", "wayland", "1.20.0-1ubuntu0.1", binaries=("libwayland0",))
    world = World().add(advisory("UBUNTU-1", CVE, affected))
    assert CVE in world.findings(facts("Ubuntu:22.04", [package("wayland", "1.20.0-1")]))
    other = package("wayland-tests", "1.20.0-1", "wayland", "1.20.0-1")
    assert not world.findings(facts("Ubuntu:22.04", [other]))
