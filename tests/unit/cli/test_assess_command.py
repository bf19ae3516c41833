"""`patchctl assess` and `explain` from end to end: imported hosts, and a feed from files."""

import json
from pathlib import Path

import pytest

from patchctl.cli.app import main

HOSTS = {
    "hosts": [
        {
            "name": "web1",
            "os": {"id": "almalinux", "version_id": "8.10"},
            "kernel_running": "4.18.0-553.el8_10.x86_64",
            "packages": [
                {"name": "sudo", "version": "1.8.29-7.el8", "arch": "x86_64"},
                {"name": "bash", "version": "4.4.20-5.el8", "arch": "x86_64"},
            ],
        },
        {
            "name": "web2",
            "os": {"id": "almalinux", "version_id": "8.10"},
            "kernel_running": "",
            "packages": [{"name": "sudo", "version": "1.8.29-8.el8", "arch": "x86_64"}],
        },
    ]
}
ADVISORY = {
    "id": "ALSA-2026:0001",
    "modified": "2026-01-05T00:00:00Z",
    "published": "2026-01-05T00:00:00Z",
    "summary": "Important: sudo security update",
    "related": ["CVE-2026-1234"],
    "affected": [
        {
            "package": {"ecosystem": "AlmaLinux:8", "name": "sudo"},
            "ranges": [
                {
                    "type": "ECOSYSTEM",
                    "events": [{"introduced": "0"}, {"fixed": "1.8.29-8.el8"}],
                }
            ],
        }
    ],
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Settings and two imported hosts; no inventory at all."""
    root = tmp_path / "workspace"
    root.mkdir(mode=0o700)
    (root / "patchctl.yml").write_text("")
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    assert run(root, "discover", "--import", str(tmp_path / "hosts.json")) == 0
    return root


@pytest.fixture
def with_feed(workspace: Path, tmp_path: Path) -> Path:
    feed = tmp_path / "ALSA-2026-0001.json"
    feed.write_text(json.dumps(ADVISORY))
    assert run(workspace, "feeds", "import", str(feed)) == 0
    return workspace


def run(root: Path, *words: str) -> int:
    return main(["-q", "-C", str(root), *words])


def test_json_names_the_host_the_cve_and_the_fix(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "assess", "-o", "json", "--as-of", "2026-02-01") == 0
    document = json.loads(capsys.readouterr().out)
    (finding,) = document["findings"]
    assert (finding["host"], finding["cve"], finding["fixed"], finding["state"]) == (
        "web1",
        "CVE-2026-1234",
        "1.8.29-8.el8",
        "fixable",
    )
    assert document["as_of"] == "2026-02-01"
    assert document["not_covered"] == {}
    assert document["actions"][0]["hosts"] == ["web1"]
    assert document["feeds"][0]["dated"] == "2026-01-05"


def test_yaml_is_the_same_as_json(with_feed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    capsys.readouterr()
    assert run(with_feed, "assess", "-o", "json", "--as-of", "2026-02-01") == 0
    as_json = json.loads(capsys.readouterr().out)
    assert run(with_feed, "assess", "-o", "yaml", "--as-of", "2026-02-01") == 0
    as_yaml = yaml.safe_load(capsys.readouterr().out)
    assert json.loads(json.dumps(as_yaml, default=str)) == as_json


def test_a_pipeline_stops_with_a_short_list(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(with_feed, "assess", "--fail-on", "scheduled") == 1
    said = capsys.readouterr().err
    assert "scheduled: web1: CVE-2026-1234 in sudo" in said
    assert run(with_feed, "assess", "--fail-on", "kev") == 0


def test_a_gate_without_feeds_lets_nothing_through(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(workspace, "assess", "--fail-on", "kev") == 2
    assert "no feeds are held" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [("assess",), ("assess", "-o", "json"), ("explain", "CVE-2026-1234", "-ojson")]
)
def test_that_nothing_is_found_without_feeds_is_no_answer(
    workspace: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(workspace, *command) == 2
    said = capsys.readouterr()
    reason = "no feeds are held, so nothing can be assessed"
    assert reason in said.err
    if command[-1].endswith("json"):
        assert json.loads(said.out)["error"]["message"] == reason
    else:
        assert said.out == ""


def test_a_limit_names_imported_hosts_too(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "assess", "--limit", "web2", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("CVE-2026-1234", ["affected on web1", "not affected on web2", "ALSA-2026:0001"]),
        ("cve-2026-1234", ["affected on web1"]),
        ("sudo", ["sudo 1.8.29-7.el8 on 1 host", "before 1.8.29-8.el8"]),
        ("web1", ["matched as AlmaLinux:8", "CVE-2026-1234"]),
    ],
)
def test_explain_says_what_decides(
    with_feed: Path, capsys: pytest.CaptureFixture[str], subject: str, words: list[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "explain", subject) == 0
    said = " ".join(capsys.readouterr().out.split())
    for word in words:
        assert word in said


def test_explain_counts_hosts_by_version_and_state_before_it_gives_reasons(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "explain", "CVE-2026-1234", "--as-of", "2026-02-01") == 0
    shown = capsys.readouterr().out.splitlines()
    index = shown.index("affected: 1 host; not affected: 1 host with the package")
    header, affected, clean, empty = (line.split() for line in shown[index + 1 : index + 5])
    assert header == ["HOSTS", "PACKAGE", "INSTALLED", "STATE", "FIXED", "IN", "DECISION", "DUE"]
    assert affected[:5] == ["1", "sudo", "1.8.29-7.el8", "fixable", "now"]
    assert clean[:5] == ["1", "sudo", "1.8.29-8.el8", "not", "affected"]
    assert not empty
    assert run(with_feed, "explain", "CVE-2026-1234", "-o", "json", "--as-of", "2026-02-01") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(row["affected"], row["hosts"]) for row in document["groups"]] == [
        (True, ["web1"]),
        (False, ["web2"]),
    ]
    assert len(document["judgements"]) == 2


def test_a_subject_that_is_nothing_is_one_line(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "explain", "nothing") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_date_that_is_none_is_one_line(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(with_feed, "assess", "--as-of", "soon") == 2
    assert "2026-01-31" in capsys.readouterr().err


EXCLUDE = """policy:
  exclude:
    - {packages: [sudo], reason: certified, owner: ops, until: "2026-03-31"}
"""


def test_what_the_settings_exclude_stays_open_with_the_rule_until_its_last_day(
    with_feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (with_feed / "patchctl.yml").write_text(EXCLUDE)
    said = "policy.exclude[0] of ops until 2026-03-31: certified"
    capsys.readouterr()
    assert run(with_feed, "assess", "-o", "json", "--as-of", "2026-03-31") == 0
    document = json.loads(capsys.readouterr().out)
    assert [finding["excluded"] for finding in document["findings"]] == [said]
    assert [rule["rule"] for rule in document["excluded"]] == [said]
    assert run(with_feed, "explain", "sudo", "--as-of", "2026-03-31") == 0
    assert f"excluded on 2 hosts by {said}" in capsys.readouterr().out

    assert run(with_feed, "assess", "--findings", "--as-of", "2026-04-01") == 0
    told = capsys.readouterr().err
    assert "policy.exclude[0] ended on 2026-03-31 and excludes nothing any more: sudo" in told
    assert "excluded:" not in told
