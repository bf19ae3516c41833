"""The lab's own packages, and the updates that it can publish."""

import gzip
import io
import re
import tarfile

import pytest

from patchctl.lab import inputs, packages, trees
from patchctl.lab.descriptions import Archive, OldVersion
from patchctl.lab.packages import CHANNELS, PACKAGES, channels_of, of, package_named


def test_every_package_starts_with_its_first_release() -> None:
    for package in PACKAGES:
        assert package.name.startswith("patchlab-")
        assert package.versions[0].version == "1.0-1"
        numbers = [int(version.version.rpartition("-")[2]) for version in package.versions]
        assert numbers == sorted(set(numbers))


def test_channels_deliver_versions_that_exist() -> None:
    for channel in CHANNELS:
        for name, version in channel.contents:
            assert package_named(name).version(version)


def test_bad_updates_are_not_pending_at_first() -> None:
    assert [channel.name for channel in CHANNELS if channel.initial] == ["good-web", "main"]


def test_security_and_other_updates_exist() -> None:
    assert {channel.archive for channel in CHANNELS if channel.initial} == set(Archive)


def test_what_only_one_kind_of_host_has_stays_out_of_the_others_archive() -> None:
    assert {package.image for package in PACKAGES} == {"", "rpm"}
    debian = {package.name for package in of("debian")}
    assert "patchlab-web" in debian and "patchlab-kernel" not in debian
    for channel in channels_of("debian"):
        assert {name for name, _ in channel.contents} <= debian
    assert len(channels_of("rpm")) == len(CHANNELS)


def test_security_updates_name_what_they_fix_and_others_do_not() -> None:
    for channel in CHANNELS:
        name, version = channel.contents[0]
        fixes = bool(package_named(name).version(version).cves)
        assert fixes == (channel.archive is Archive.SECURITY), channel.name


def test_no_number_can_be_taken_for_a_real_cve() -> None:
    for package in PACKAGES:
        for version in package.versions:
            for cve in version.cves:
                assert re.fullmatch(r"CVE-2099-\d{5}", cve)


def test_every_way_back_to_an_old_version_is_needed_somewhere() -> None:
    assert {package.old for package in PACKAGES if package.installed} == set(OldVersion)


def test_control_file_of_a_package_from_another_source() -> None:
    lib = package_named("patchlab-lib")
    assert trees.control(lib, lib.version("1.0-2"), "amd64") == (
        "Package: patchlab-lib\n"
        "Source: patchlab-libs\n"
        "Version: 1.0-2\n"
        "Architecture: amd64\n"
        "Maintainer: patchctl lab <lab@patchctl.invalid>\n"
        "Section: misc\n"
        "Priority: optional\n"
        "Description: shared library that patchlab-daemon maps\n"
    )


def test_changelog_has_this_version_and_all_before() -> None:
    web = package_named("patchlab-web")
    assert trees.changelog(web, web.version("1.0-2")) == (
        "patchlab-web (1.0-2) bookworm-security; urgency=high\n"
        "\n"
        "  * Refuse overlong request lines.\n"
        "  * Fix CVE-2099-10001.\n"
        "\n"
        " -- patchctl lab <lab@patchctl.invalid>  Thu, 02 Jan 2025 00:00:00 +0000\n"
        "\n"
        "patchlab-web (1.0-1) bookworm; urgency=medium\n"
        "\n"
        "  * First release.\n"
        "\n"
        " -- patchctl lab <lab@patchctl.invalid>  Wed, 01 Jan 2025 00:00:00 +0000\n"
    )


def test_the_tools_input_is_the_same_bytes_every_time() -> None:
    assert inputs.debian() == inputs.debian()


def _members() -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(inputs.debian())) as tar:
        files = {}
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            files[member.name] = file.read()
        return files


def test_trees_hold_scripts_conffiles_and_a_packed_changelog() -> None:
    members = _members()
    assert b"exit 1" in members["patchlab-hook_1.0-2_all/DEBIAN/postinst"]
    assert members["patchlab-conf_1.0-1_all/DEBIAN/conffiles"] == b"/etc/patchlab/patchlab.conf\n"
    log = members["patchlab-web_1.0-4_all/usr/share/doc/patchlab-web/changelog.Debian.gz"]
    assert b"CVE-2099-10002" in gzip.decompress(log)


def test_lists_say_what_lies_where() -> None:
    members = _members()
    assert b"bad-web bookworm-security patchlab-web_1.0-3_all.deb\n" in members["channels"]
    assert b"main bookworm patchlab-docs_1.0-2_all.deb\n" in members["channels"]
    assert b"patchlab-web_1.0-1_all.deb\n" in members["kept"]
    assert b"patchlab-hook" not in members["kept"]
    assert b"patchlab-extra" not in members["base"]


def test_an_unknown_version_is_a_bug_of_the_caller() -> None:
    with pytest.raises(KeyError):
        packages.package_named("patchlab-web").version("9")
