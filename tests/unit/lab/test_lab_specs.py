"""The lab's packages in the form of rpmbuild and createrepo_c."""

import io
import tarfile
from xml.etree import ElementTree

import pytest
import yaml

from patchctl.lab import inputs, specs
from patchctl.lab.packages import CHANNELS, package_named

BY_NAME = {channel.name: channel for channel in CHANNELS}


def test_a_spec_keeps_configuration_files_and_needs_nothing_by_itself() -> None:
    conf = package_named("patchlab-conf")
    text = specs.spec(conf, conf.version("1.0-2"))
    assert "Name: patchlab-conf\nVersion: 1.0\nRelease: 2\n" in text
    assert "AutoReqProv: no\n" in text
    assert "%%config(noreplace) /etc/patchlab/patchlab.conf" in text


def test_relations_are_translated() -> None:
    app, store = package_named("patchlab-app"), package_named("patchlab-store")
    assert "Requires: patchlab-extra >= 1.0\n" in specs.spec(app, app.version("1.0-2"))
    assert "Obsoletes: patchlab-legacy\n" in specs.spec(store, store.version("1.0-2"))


def test_what_lies_beside_its_other_versions_shares_no_path_with_them() -> None:
    kernel = package_named("patchlab-kernel")
    text = specs.spec(kernel, kernel.version("1.0-2"))
    assert "Provides: installonlypkg(kernel)\n" in text
    assert "rm -rf DEBIAN usr/share/doc" in text
    paths = [{file.path for file in version.files} for version in kernel.versions]
    assert not set.intersection(*paths)
    assert "/boot/initramfs-1.0-3.patchlab.img" not in paths[2]


def test_a_modular_package_names_its_stream_and_so_does_the_repository() -> None:
    mod = package_named("patchlab-mod")
    version = mod.version("1.0-2")
    assert "ModularityLabel: patchlab:1:2:1ab2c3d4\n" in specs.spec(mod, version)
    document = yaml.safe_load(specs.module(mod, version, "amd64"))
    assert document["data"]["artifacts"] == {"rpms": ["patchlab-mod-0:1.0-2.noarch"]}
    assert '<module name="patchlab" stream="1"' in specs.advisory(BY_NAME["module"], "amd64")
    assert "<module" not in specs.advisory(BY_NAME["kernel"], "amd64")


def test_the_wish_for_a_reboot_is_no_file_of_debian() -> None:
    boot = package_named("patchlab-boot")
    assert "reboot-required" not in specs.spec(boot, boot.version("1.0-2"))


def test_which_files_are_signed_wrongly_is_listed() -> None:
    with tarfile.open(fileobj=io.BytesIO(inputs.rpm())) as tar:
        listed = {name: tar.extractfile(name) for name in ("unsigned", "unknown", "changed")}
        assert {name: file.read().decode() for name, file in listed.items() if file} == {
            "unsigned": "patchlab-sign-1.0-2.noarch.rpm\n",
            "unknown": "patchlab-sign-1.0-3.noarch.rpm\n",
            "changed": "patchlab-sign-1.0-4.noarch.rpm\n",
        }


def test_one_package_of_dnf_hosts_has_no_way_back() -> None:
    with tarfile.open(fileobj=io.BytesIO(inputs.rpm())) as tar:
        lists = {name: tar.extractfile(name) for name in ("base", "kept")}
        listed = {name: set(file.read().split()) for name, file in lists.items() if file}
    assert listed["base"] - listed["kept"] == {b"patchlab-once-1.0-1.noarch.rpm"}


def test_scripts_get_the_argument_that_dpkg_would_give() -> None:
    web = package_named("patchlab-web")
    text = specs.spec(web, web.version("1.0-1"))
    assert "%post\nset -- configure\nset -e\n" in text
    assert '%preun\nif [ "$1" = 0 ]; then set -- remove; fi\n' in text


def test_the_changelog_is_newest_first() -> None:
    web = package_named("patchlab-web")
    entries = specs.spec(web, web.version("1.0-3")).partition("%changelog\n")[2]
    assert [line for line in entries.splitlines() if line.startswith("*")] == [
        "* Fri Jan 03 2025 patchctl lab <lab@patchctl.invalid> - 1.0-3",
        "* Thu Jan 02 2025 patchctl lab <lab@patchctl.invalid> - 1.0-2",
        "* Wed Jan 01 2025 patchctl lab <lab@patchctl.invalid> - 1.0-1",
    ]


@pytest.mark.parametrize("name", [channel.name for channel in CHANNELS])
def test_advisories_are_xml_that_names_every_package(name: str) -> None:
    channel = BY_NAME[name]
    update = ElementTree.fromstring(specs.advisory(channel, "amd64")).find("update")
    assert update is not None
    assert [item.get("name") for item in update.iter("package")] == [n for n, _ in channel.contents]


def test_a_security_advisory_names_its_cves() -> None:
    channel = BY_NAME["bad-web"]
    update = ElementTree.fromstring(specs.advisory(channel, "amd64")).find("update")
    assert update is not None
    assert update.get("type") == "security"
    assert [item.get("id") for item in update.iter("reference")] == ["CVE-2099-10002"]


def test_an_update_without_cves_is_a_bug_fix() -> None:
    channel = BY_NAME["main"]
    assert 'type="bugfix"' in specs.advisory(channel, "amd64")


def test_the_input_is_the_same_bytes_every_time() -> None:
    assert inputs.rpm() == inputs.rpm()
