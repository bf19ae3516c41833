"""Find the release of a host from its system or from the words of an inventory."""

import pytest
from assessment_world import World, advisory, by_source, facts, package
from msgspec import structs

from patchctl.assessment.matching.platforms import platform_of, related
from patchctl.models.facts import OsRelease
from patchctl.models.versions import VersionScheme


def ecosystem(ident: str, version: str = "", codename: str = "", pretty: str = "") -> str:
    os = OsRelease(id=ident, version_id=version, codename=codename, pretty_name=pretty)
    return platform_of(structs.replace(facts("other", []), os=os)).ecosystem


@pytest.mark.parametrize(
    ("ident", "version", "expected"),
    [
        ("almalinux", "8.10", "AlmaLinux:8"),
        ("AlmaLinux", "8", "AlmaLinux:8"),
        ("rocky", "9.4", "Rocky Linux:9"),
        ("rhel", "9.2", "Red Hat:9"),
        ("redhat", "9", "Red Hat:9"),
        ("ol", "8.9", "Oracle Linux:8"),
        ("centos", "9", "CentOS:9"),
        ("amzn", "2", "Amazon Linux:2"),
        ("amzn", "2023", "Amazon Linux:2023"),
        ("amzn", "2018.03", "Amazon Linux:1"),
        ("fedora", "43", "Fedora:43"),
        ("debian", "12", "Debian:12"),
        ("DEBIAN", "12.5", "Debian:12"),
        ("debian", "3.1", "Debian:3.1"),
        ("debian", "6", "Debian:6.0"),
        ("debian", "6.0.10", "Debian:6.0"),
        ("debian", "bookworm/sid", "Debian:12"),
        ("raspbian", "12", "Debian:12"),
        ("ubuntu", "22.04", "Ubuntu:22.04"),
        ("ubuntu", "22.04.4", "Ubuntu:22.04"),
        ("alpine", "3.19.1", "Alpine:v3.19"),
        ("sles", "15.5", "SUSE:Linux Enterprise Server 15 SP5"),
        ("sles", "12", "SUSE:Linux Enterprise Server 12"),
        ("opensuse-leap", "15.5", "openSUSE:Leap 15.5"),
        ("opensuse-tumbleweed", "20260101", "openSUSE:Tumbleweed"),
        # A derivative's own builds have versions of their own: not covered, and said so.
        ("linuxmint", "21.3", "linuxmint:21.3"),
        ("pop", "22.04", "pop:22.04"),
    ],
)
def test_id_and_version_tell(ident: str, version: str, expected: str) -> None:
    assert ecosystem(ident, version) == expected


def test_a_codename_tells_where_there_is_no_version() -> None:
    assert ecosystem("debian", codename="bookworm") == "Debian:12"
    assert ecosystem("debian", codename="Sid") == "Debian:sid"
    assert ecosystem("debian", pretty="Debian GNU/Linux trixie/sid") == "Debian:13"
    assert ecosystem("debian") == "debian"
    assert ecosystem("ubuntu", codename="jammy") == "Ubuntu:22.04"
    assert ecosystem("almalinux", pretty="AlmaLinux 8.10 (Cerulean Leopard)") == "AlmaLinux:8"
    assert ecosystem("almalinux") == "almalinux"


def test_a_debian_of_old_has_a_point_in_its_number() -> None:
    world = World().add(advisory("DSA-1", "CVE-2005-1", by_source("Debian:3.1", "a", "2-1")))
    host = structs.replace(
        facts("other", [package("a", "1-1")]), os=OsRelease(id="debian", version_id="3.1")
    )
    assert set(world.findings(host)) == {"CVE-2005-1"}


def test_suses_modules_and_package_hub_belong_to_the_server() -> None:
    available = [
        "SUSE:Linux Enterprise Server 12 SP5",
        "SUSE:Linux Enterprise Module for Containers 12",
        "SUSE:Linux Enterprise Module for Basesystem 15 SP5",
        "SUSE:Linux Enterprise Desktop 12 SP5",
        "SUSE:Linux Enterprise Server 12 SP4-LTSS",
        "SUSE:Linux Enterprise Server 12",
        "SUSE:Package Hub 12",
        "openSUSE:Leap 12.5",
    ]
    os = OsRelease(id="sles", version_id="12.5")
    platform = platform_of(structs.replace(facts("other", []), os=os))
    assert related(platform, available) == (
        "SUSE:Linux Enterprise Server 12 SP5",
        "SUSE:Linux Enterprise Desktop 12 SP5",
        "SUSE:Linux Enterprise Module for Containers 12",
        "SUSE:Package Hub 12",
    )


def test_a_rebuild_of_red_hats_is_known_by_its_own_name_and_major_release() -> None:
    os = OsRelease(id="ourlinux", version_id="9.4", id_like=("rhel", "centos", "fedora"))
    platform = platform_of(structs.replace(facts("other", []), os=os))
    assert (platform.ecosystem, platform.scheme) == ("ourlinux:9", VersionScheme.RPM)
    alone = structs.replace(os, id_like=())
    assert platform_of(structs.replace(facts("other", []), os=alone)).scheme is None
