"""`discover --import`: hosts that patchctl cannot reach, from a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters.database import Database
from patchctl.cli.app import main
from patchctl.errors import InvalidInputError
from patchctl.models.facts import PackageManager
from patchctl.models.snapshot import Snapshot
from patchctl.workflows.discovery.import_hosts import import_hosts

ALMA = {"id": "almalinux", "version_id": "8.10"}
DEBIAN = {"id": "debian", "version_id": "12"}
BASH = {"name": "bash", "version": "4.4.20-4.el8_6", "arch": "x86_64"}
OPENSSL = {
    "name": "libssl3",
    "version": "3.0.11-1~deb12u2",
    "arch": "amd64",
    "source": "openssl",
    "source_version": "3.0.11-1~deb12u2",
}


def host(name: str = "web1", os: Any = ALMA, *packages: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "os": os,
        "kernel_running": "4.18.0-553.el8.x86_64",
        "packages": list(packages or (BASH,)),
        **more,
    }


def take(path: Path, *hosts: Any) -> Snapshot:
    path.write_text(json.dumps({"hosts": hosts}))
    return import_hosts(path, now_ms=lambda: 1_795_437_190_000, save=lambda taken: taken)


def mistakes(path: Path, *hosts: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as raised:
        take(path, *hosts)
    return [line.removeprefix(f"{path}: ") for line in raised.value.lines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hosts.json"


def test_hosts_become_facts(path: Path) -> None:
    module = {**BASH, "name": "nodejs", "module": "nodejs:18:820230518:abcdef"}
    taken = take(path, host("web1", ALMA, module, BASH), host("db1", DEBIAN, OPENSSL))
    assert taken.id.startswith("i-20261123-")
    db, web = (result.facts for result in taken.hosts)
    assert [result.name for result in taken.hosts] == ["db1", "web1"]
    assert web is not None
    assert (web.os.id, web.os.version_id, web.manager) == ("almalinux", "8.10", PackageManager.DNF)
    assert web.kernel.running == "4.18.0-553.el8.x86_64"
    assert [package.name for package in web.packages] == ["bash", "nodejs"]
    assert web.packages[1].module == "nodejs:18:820230518:abcdef"
    assert db is not None
    assert db.manager is PackageManager.APT
    assert (db.packages[0].source, db.packages[0].source_version) == (
        "openssl",
        "3.0.11-1~deb12u2",
    )
    assert db.notes == ()


def test_what_tools_write_for_nothing_is_nothing(path: Path) -> None:
    odd = {
        **BASH,
        "version": "(none):4.4.20-4.el8",
        "source": "bash-4.4.20-4.el8.src.rpm",
        "source_version": None,
        "module": "(none)",
        "size": 12,
    }
    key = {"name": "gpg-pubkey", "version": "8483c65d-5ccc5b19", "arch": "(none)"}
    (result,) = take(path, host("a", ALMA, odd, key, {**BASH, "version": "0:5-1"})).hosts
    assert result.facts is not None
    nodejs, other = result.facts.packages
    assert (nodejs.version, nodejs.source, nodejs.source_version, nodejs.module) == (
        "4.4.20-4.el8",
        "bash",
        "4.4.20-4.el8",
        "",
    )
    assert other.version == "5-1"


def test_a_host_may_say_little(path: Path) -> None:
    (result,) = take(path, {"name": "a", "os": {"id": "alpine"}, "packages": []}).hosts
    assert result.facts is not None
    assert result.facts.packages == ()
    assert result.facts.manager is PackageManager.NONE


def test_apk_and_unknown_systems_are_taken(path: Path) -> None:
    musl = {"name": "musl", "version": "1.2.4-r2", "arch": "x86_64"}
    alpine = host("a", {"id": "alpine", "version_id": "3.18.4"}, musl)
    odd = host("b", {"id": "plan9", "version_id": "4"}, {**musl, "version": "x!y"})
    first, second = (result.facts for result in take(path, alpine, odd).hosts)
    assert first is not None
    assert first.notes == ()
    assert second is not None
    assert second.notes == ("unknown system plan9: its versions cannot be compared",)


def test_packages_are_shared_between_hosts(path: Path) -> None:
    first, second = (result.facts for result in take(path, host("a"), host("b")).hosts)
    assert first is not None
    assert second is not None
    assert first.packages is second.packages


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            host("a") | {"packages": None},
            "hosts[1]: Expected `array`, got `null` - at `$.packages`",
        ),
        ({"name": "a"}, "hosts[1]: Object missing required field `os`"),
        (host("web1"), "hosts[1] (web1): is listed twice, also as hosts[0]"),
        (host("-x"), "hosts[1]: name: '-x' is not a host name"),
        (host("{{ 7*7 }}"), "hosts[1]: name: '{{ 7*7 }}' is not a host name"),
        (host("a", {"id": ""}), "hosts[1] (a): os.id: '\\x00' is not plain text"),
        (host("a", {"id": "a\x1b[31m"}), "hosts[1] (a): os.id: 'a\\x1b[31m' is not plain text"),
        (
            host("a", kernel_running="x\ny"),
            "hosts[1] (a): kernel_running: 'x\\ny' is not plain text",
        ),
        (
            host("a", ALMA, BASH, {**BASH, "version": "not a version"}),
            "hosts[1] (a): packages[1]: bash not a version x86_64: is no rpm package",
        ),
        (
            host("a", DEBIAN, {**OPENSSL, "source": "$(reboot)"}),
            "hosts[1] (a): packages[0]: libssl3 3.0.11-1~deb12u2 amd64 $(reboot)",
        ),
        (
            host("a", ALMA, {"name": "bash"}),
            "hosts[1] (a): packages[0]: Object missing required field `version`",
        ),
        (
            host("a", ALMA, {**BASH, "arch": 7}),
            "hosts[1] (a): packages[0]: Expected `str`, got `int` - at `$.arch`",
        ),
    ],
)
def test_a_mistake_names_its_host_and_place(path: Path, wrong: Any, line: str) -> None:
    (mistake,) = mistakes(path, host("web1"), wrong)
    assert mistake.startswith(line)


def test_all_mistakes_are_told_at_once_up_to_a_screen(path: Path) -> None:
    lines = mistakes(path, *(host(f"h{number}", {"id": ""}) for number in range(50)))
    assert len(lines) == 21
    assert lines[-1] == "and 30 more mistakes"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", "Input data was truncated"),
        (b"<html>", "JSON is malformed"),
        (b'{"hosts": [', "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"hosts": []}', "names 0 hosts, not 1 to"),
        (b'{"hosts": [\xff]}', ""),
    ],
)
def test_what_is_no_such_file_is_one_line(path: Path, text: bytes, line: str) -> None:
    path.write_bytes(text)
    with pytest.raises(InvalidInputError) as raised:
        import_hosts(path, now_ms=lambda: 0, save=lambda taken: taken)
    assert len(raised.value.lines()) == 1
    assert str(raised.value).startswith(f"{path}: {line}")


class TestCommandLine:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "patchctl.yml").touch()
        (tmp_path / "inventory").mkdir()
        (tmp_path / "inventory" / "hosts.yml").write_text("all: {hosts: {other: {}}}")
        return tmp_path

    def run(self, root: Path, *words: str) -> int:
        return main(["-C", str(root), "discover", *words])

    def test_imported_hosts_are_known_like_discovered_ones(
        self, root: Path, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path.write_text(json.dumps({"hosts": [host("far1"), host("far2")]}))
        assert self.run(root, "--import", str(path), "-o", "json") == 0
        imported = json.loads(capsys.readouterr().out)
        assert [(row["name"], row["status"], row["packages"]) for row in imported["hosts"]] == [
            ("far1", "ok", 1),
            ("far2", "ok", 1),
        ]
        assert self.run(root, "show", "far1", "-o", "json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["snapshot"] == imported["snapshot"]
        assert shown["facts"]["packages"][0]["name"] == "bash"

    def test_a_later_import_keeps_the_other_hosts(self, root: Path, path: Path) -> None:
        for names in (("far1", "far2"), ("far2", "far3")):
            path.write_text(json.dumps({"hosts": [host(name) for name in names]}))
            assert self.run(root, "--import", str(path)) == 0
        with Database(root / ".patchctl" / "state.db").open() as database:
            known = list(database.snapshots.latest_of_every_host())
        assert [known_host.name for known_host in known] == ["far1", "far2", "far3"]
        assert all(known_host.imported for known_host in known)
        assert known[0].snapshot != known[1].snapshot

    def test_a_mistake_stores_nothing(
        self, root: Path, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path.write_text(json.dumps({"hosts": [host("far1"), host("far1")]}))
        assert self.run(root, "--import", str(path)) == 2
        assert "hosts[1] (far1): is listed twice" in capsys.readouterr().err
        assert not (root / ".patchctl" / "state.db").exists()
        assert self.run(root, "--import", str(path / "x")) == 2
        assert self.run(root, "--import", str(path), "--refresh") == 2


def test_dpkgs_own_way_to_write_a_source_is_taken(path: Path) -> None:
    debian = {"id": "debian", "version_id": "12"}
    written = {"name": "libssl3", "version": "3.0.11-1+b1", "arch": "amd64"}
    written["source"] = "openssl (3.0.11-1)"
    (result,) = take(path, host("db1", debian, written)).hosts
    assert result.facts is not None
    (package,) = result.facts.packages
    assert (package.source, package.source_version) == ("openssl", "3.0.11-1")
