"""The lab's packages as rpmbuild and createrepo_c take them."""

from xml.etree import ElementTree

import pytest

from patchctl.lab import inputs, specs
from patchctl.lab.packages import CHANNELS, package

BY_NAME = {found.name: found for found in CHANNELS}


def test_a_spec_keeps_configuration_files_and_needs_nothing_by_itself() -> None:
    conf = package("patchlab-conf")
    text = specs.spec(conf, conf.version("1.0-2"))
    assert "Name: patchlab-conf\nVersion: 1.0\nRelease: 2\n" in text
    assert "AutoReqProv: no\n" in text
    assert "%%config(noreplace) /etc/patchlab/patchlab.conf" in text


def test_relations_are_translated() -> None:
    app, store = package("patchlab-app"), package("patchlab-store")
    assert "Requires: patchlab-extra >= 1.0\n" in specs.spec(app, app.version("1.0-2"))
    assert "Obsoletes: patchlab-legacy\n" in specs.spec(store, store.version("1.0-2"))


def test_scripts_get_the_argument_that_dpkg_would_give() -> None:
    web = package("patchlab-web")
    text = specs.spec(web, web.version("1.0-1"))
    assert "%post\nset -- configure\nset -e\n" in text
    assert '%preun\nif [ "$1" = 0 ]; then set -- remove; fi\n' in text


def test_the_changelog_is_newest_first() -> None:
    web = package("patchlab-web")
    entries = specs.spec(web, web.version("1.0-3")).partition("%changelog\n")[2]
    assert [line for line in entries.splitlines() if line.startswith("*")] == [
        "* Fri Jan 03 2025 patchctl lab <lab@patchctl.invalid> - 1.0-3",
        "* Thu Jan 02 2025 patchctl lab <lab@patchctl.invalid> - 1.0-2",
        "* Wed Jan 01 2025 patchctl lab <lab@patchctl.invalid> - 1.0-1",
    ]


@pytest.mark.parametrize("name", [found.name for found in CHANNELS])
def test_advisories_are_xml_that_names_every_package(name: str) -> None:
    found = BY_NAME[name]
    update = ElementTree.fromstring(specs.advisory(found, "amd64")).find("update")
    assert update is not None
    assert [item.get("name") for item in update.iter("package")] == [n for n, _ in found.contents]


def test_a_security_advisory_names_its_cves() -> None:
    found = BY_NAME["bad-web"]
    update = ElementTree.fromstring(specs.advisory(found, "amd64")).find("update")
    assert update is not None
    assert update.get("type") == "security"
    assert [item.get("id") for item in update.iter("reference")] == ["CVE-2099-10002"]


def test_an_update_without_cves_is_a_bug_fix() -> None:
    found = BY_NAME["main"]
    assert 'type="bugfix"' in specs.advisory(found, "amd64")


def test_the_input_is_the_same_bytes_every_time() -> None:
    assert inputs.rpm() == inputs.rpm()
