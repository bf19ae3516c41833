"""`patchctl status` and `discover show` from end to end: an inventory, imported hosts, a feed."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from patchctl.cli.app import main

HOSTS = {
    "hosts": [
        {
            "name": name,
            "os": {"id": "almalinux", "version_id": "8.10"},
            "packages": [{"name": "sudo", "version": version, "arch": "x86_64"}],
        }
        for name, version in (("web1", "1.8.29-7.el8"), ("web2", "1.8.29-8.el8"))
    ]
}
ADVISORY = {
    "id": "ALSA-2026:0001",
    "modified": "2026-01-05T00:00:00Z",
    "summary": "Important: sudo security update",
    "related": ["CVE-2026-1234"],
    "affected": [
        {
            "package": {"ecosystem": "AlmaLinux:8", "name": "sudo"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.8.29-8.el8"}]}
            ],
        }
    ],
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One host in the inventory, which was never looked at, and no state."""
    root = tmp_path / "workspace"
    root.mkdir(mode=0o700)
    (root / "patchctl.yml").write_text("rings: [{name: staging}, {name: production}]\n")
    (root / "inventory").mkdir()
    (root / "inventory" / "hosts.yml").write_text("staging: {hosts: {db1: {}}}\n")
    return root


@pytest.fixture
def imported(workspace: Path, tmp_path: Path) -> Path:
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    assert run(workspace, "discover", "--import", str(tmp_path / "hosts.json")) == 0
    return workspace


def run(root: Path, *words: str) -> int:
    return main(["-q", "-C", str(root), *words])


def shown(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert run(root, "status", "-o", "json", *words) == 0
    return json.loads(capsys.readouterr().out)


def test_without_state_every_host_stands_there_as_never_looked_at(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = shown(workspace, capsys)
    (host,) = status["hosts"]
    assert (host["name"], host["ring"], host["unknown"]) == ("db1", "staging", ["never_looked_at"])
    assert (status["counts"]["all"]["well"], status["counts"]["all"]["unknown"]) == (0, 1)
    assert not (workspace / ".patchctl").exists()  # to look makes no state


def test_findings_are_counted_once_a_feed_is_held(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {host["name"]: host for host in shown(imported, capsys)["hosts"]}
    assert (before["web1"]["findings"], before["web1"]["unknown"][-1]) == (None, "no_feed")
    feed = tmp_path / "ALSA-2026-0001.json"
    feed.write_text(json.dumps(ADVISORY))
    assert run(imported, "feeds", "import", str(feed)) == 0
    for _ in range(2):  # counted, then kept
        hosts = {host["name"]: host for host in shown(imported, capsys)["hosts"]}
        assert (hosts["web1"]["findings"], hosts["web2"]["findings"]) == (1, 0)
        assert (hosts["web1"]["os"], hosts["web1"]["pending"]) == ("almalinux 8.10", None)
        assert hosts["db1"]["findings"] is None


def test_csv_is_for_a_spreadsheet(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(imported, "status", "-o", "csv", "--sort", "name") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == ["db1", "web1", "web2"]


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--ring", "nowhere"),
        ("status", "--group", "nowhere"),
        ("status", "--limit", "nowhere"),
        ("rollout", "list", "-o", "csv"),
        ("discover", "show", "web1", "-o", "csv"),
        ("discover", "show", "--packages"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    imported: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(imported, *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_discover_show_without_a_host_has_what_discover_gives_of_each(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(imported, "discover", "--import", str(tmp_path / "hosts.json"), "-o", "json") == 0
    discovered = json.loads(capsys.readouterr().out)
    assert run(imported, "discover", "show", "-o", "json") == 0
    last = json.loads(capsys.readouterr().out)
    assert last["never"] == ["db1"]
    assert discovered.keys() <= last.keys()
    for host, before in zip(last["hosts"], discovered["hosts"], strict=True):
        assert before.items() <= host.items()
        assert (host["snapshot"], host["taken"]) == (discovered["snapshot"], discovered["taken"])
    assert run(imported, "discover", "show") == 0
    captured = capsys.readouterr()
    assert "web1" in captured.out
    assert "1 host never looked at: db1" in captured.err
    assert run(imported, "discover", "show", "-o", "csv") == 0
    header, *lines = csv.reader(io.StringIO(capsys.readouterr().out))
    assert (header[:4], len(lines)) == (["name", "status", "reason", "os"], 2)
