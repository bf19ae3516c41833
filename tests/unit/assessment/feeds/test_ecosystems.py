"""Each release has one name, whatever name a feed uses."""

import pytest

from patchctl.assessment.matching import ecosystems


@pytest.mark.parametrize(
    ("name", "ecosystem", "channel"),
    [
        ("Red Hat:enterprise_linux:9::baseos", "Red Hat:9", ""),
        ("Red Hat:enterprise_linux:8::appstream", "Red Hat:8", ""),
        ("Red Hat:enterprise_linux:10.0", "Red Hat:10", ""),
        ("Red Hat:rhel_eus:9.2::appstream", "Red Hat:9", "eus:9.2"),
        ("Red Hat:rhel_aus:8.6::appstream", "Red Hat:8", "aus:8.6"),
        ("Red Hat:rhel_tus:8.4::baseos", "Red Hat:8", "tus:8.4"),
        ("Red Hat:rhel_e4s:9.0::baseos", "Red Hat:9", "e4s:9.0"),
        ("Red Hat:rhel_els:7", "Red Hat:7", "elts"),
        ("Red Hat:openshift:4.12::el8", "Red Hat:openshift:4.12", ""),
        ("Red Hat:ocp_tools:4.15::el9", "Red Hat:ocp_tools:4.15", ""),
        ("Red Hat:discovery", "Red Hat:discovery", ""),
        ("Ubuntu:22.04:LTS", "Ubuntu:22.04", ""),
        ("Ubuntu:25.10", "Ubuntu:25.10", ""),
        ("Ubuntu:Pro:14.04:LTS", "Ubuntu:14.04", "esm"),
        ("Ubuntu:Pro:FIPS-updates:20.04:LTS", "Ubuntu:20.04", "fips-updates"),
        ("Ubuntu:Pro:Realtime:22.04:LTS", "Ubuntu:22.04", "realtime"),
        ("Debian:12", "Debian:12", ""),
        ("Debian:bookworm", "Debian:12", ""),
        ("AlmaLinux:8", "AlmaLinux:8", ""),
        ("Rocky Linux:9", "Rocky Linux:9", ""),
        ("Alpine:v3.18", "Alpine:v3.18", ""),
        ("PyPI", "PyPI", ""),
    ],
)
def test_osv_ecosystems(name: str, ecosystem: str, channel: str) -> None:
    assert ecosystems.of_osv(name) == (ecosystem, channel)


@pytest.mark.parametrize(
    ("suite", "ecosystem"),
    [
        ("bookworm", "Debian:12"),
        ("bookworm-security", "Debian:12"),
        ("bullseye-lts", "Debian:11"),
        ("sid", "Debian:sid"),
        ("jammy-security", "Ubuntu:22.04"),
        ("noble", "Ubuntu:24.04"),
        ("stable", ""),
        ("plan9", ""),
    ],
)
def test_suites(suite: str, ecosystem: str) -> None:
    assert ecosystems.of_changelog_suite(suite) == ecosystem


def test_the_tracker_knows_no_release_of_ubuntu() -> None:
    assert ecosystems.of_debian_suite("jammy") == ""


@pytest.mark.parametrize(
    ("words", "ecosystem"),
    [
        ("Rocky Linux 8", "Rocky Linux:8"),
        ("Fedora EPEL 6", "EPEL:6"),
        ("Fedora 43", "Fedora:43"),
        ("Fedora 38 Modular", "Fedora:38"),
        ("Amazon Linux 2", "Amazon Linux:2"),
        ("amazon-linux-2023", "Amazon Linux:2023"),
        ("almalinux-8-for-x86_64-baseos-rpms__8_3_default", "AlmaLinux:8"),
        ("Oracle Linux 9", "Oracle Linux:9"),
        ("rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_6", "Red Hat:8"),
        ("SUSE Linux Enterprise Server 15 SP3", "SUSE:Linux Enterprise Server 15 SP3"),
        ("openSUSE Leap 15.5", "openSUSE:Leap 15.5"),
        ("Brass Server", ""),
    ],
)
def test_names_in_words(words: str, ecosystem: str) -> None:
    assert ecosystems.in_words(words) == ecosystem


def test_a_collection_of_red_hat_tells_its_channel() -> None:
    name = "rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_6"
    assert ecosystems.channel_in_words(name) == "eus:8.6"
    assert ecosystems.channel_in_words("rhel-8-for-x86_64-baseos-rpms") == ""


def test_a_collection_of_amazon_tells_its_extra() -> None:
    name = "Amazon Linux 2 - Kernel-5.15 | amazon-linux-2---kernel-5.15"
    assert ecosystems.in_words(name) == "Amazon Linux:2"
    assert ecosystems.channel_in_words(name) == "extra:kernel-5.15"
    assert ecosystems.channel_in_words("Amazon Linux 2 | amazon-linux-2") == ""
