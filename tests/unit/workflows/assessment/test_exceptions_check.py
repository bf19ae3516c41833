"""`exceptions check`, and `assess` with exceptions, on stored facts and feeds without any host."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from assessment_world import advisory, by_source, facts, package

from patchctl.adapters.feeds.store import FeedStore
from patchctl.cli.app import main
from patchctl.cli.caller import this_process
from patchctl.models.advisory import FeedKind, KnownExploited
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot
from patchctl.wiring.workspace import open_workspace

OPEN, WAIVED, EXPLOITED = "CVE-2024-1001", "CVE-2024-1002", "CVE-2024-1003"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hosts with three findings each; the third is in KEV."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "patchctl.yml").touch()
    (folder / "hosts.ini").write_text("[web]\nweb-1\n[db]\ndb-1 patch_exposure=internet\n")
    (folder / "patchctl.yml").write_text("inventory: [hosts.ini]\n")
    workspace = open_workspace(folder, this_process(), trusted=True)
    seen = facts("Debian:12", [package("openssh-server", "1", "openssh", "1")])
    results = tuple(
        HostResult(name=name, status=HostStatus.OK, facts=seen) for name in ("db-1", "web-1")
    )
    taken = int(datetime.now(UTC).timestamp())
    workspace.database().snapshots.save(
        Snapshot(id="s-1", taken=taken, elapsed_ms=1, hosts=results)
    )
    store = FeedStore(workspace.state / "feeds")
    store.replace(
        "osv-debian",
        FeedKind.OSV,
        [
            advisory(f"DSA-{n}-1", cve, by_source("Debian:12", "openssh", "2"))
            for n, cve in enumerate((OPEN, WAIVED, EXPLOITED), 1)
        ],
        dated=lambda: taken,
    )
    store.replace(
        "kev",
        FeedKind.KEV,
        [KnownExploited(cve=EXPLOITED, added="2026-01-02")],
        dated=lambda: taken,
    )
    return folder


def exceptions(root: Path, *entries: dict[str, Any]) -> None:
    common = {
        "owner": "ops",
        "reason": "r",
        "control": "c",
        "expires": "2099-01-31",
        "hosts": ["*"],
    }
    # JSON is YAML.
    (root / "exceptions.yml").write_text(
        json.dumps({"exceptions": [common | entry for entry in entries]})
    )


def patchctl(root: Path, *words: str) -> int:
    return main(["-C", str(root), "--trust-workspace", *words])


def assessed(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], Any]:
    patchctl(root, "assess", "-o", "json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    return {(finding["host"], finding["cve"]): finding for finding in findings}


def test_what_an_exception_does_to_findings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exceptions(
        root,
        {"id": "A", "cves": [WAIVED, EXPLOITED], "hosts": [], "groups": ["web"]},
        {"id": "OLD", "packages": ["openssh"], "hosts": ["db-*"], "expires": "2026-01-31"},
    )
    findings = assessed(root, capsys)
    assert len(findings) == 6
    assert {
        host_and_cve for host_and_cve, finding in findings.items() if finding["state"] == "waived"
    } == {("web-1", WAIVED)}
    assert findings["web-1", WAIVED]["waiver"] == "A"
    assert findings["web-1", WAIVED]["note"] == "exception A of ops until 2099-01-31: r; instead: c"
    exploited = findings["web-1", EXPLOITED]
    assert exploited["kev"] is True
    assert exploited["note"].startswith("exception A does not hold: the CVE is known to be")
    assert findings["db-1", OPEN]["note"].startswith("exception OLD expired on 2026-01-31")
    assert findings["web-1", OPEN]["waiver"] == ""
    assert "exposure open: declared by patch_exposure" in findings["db-1", OPEN]["reasons"]


def test_check_tells_what_needs_attention(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exceptions(
        root,
        {"id": "well", "cves": [WAIVED]},
        {"id": "kev", "cves": [EXPLOITED]},
        {"id": "old", "cves": [OPEN], "expires": "2026-01-31"},
        {"id": "gone", "cves": ["CVE-2020-1000"]},
    )
    assert patchctl(root, "exceptions", "check") == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"kev: does not hold for what is known to be exploited (KEV): {EXPLOITED}",
        "old: expired on 2026-01-31: its findings are open again",
        "gone: fits no finding: fixed, not discovered yet, or a name is wrong",
    ]
    assert "4 exceptions against the findings of 2 hosts" in err
    assert "3 need attention" in err
    assert patchctl(root, "exceptions", "check", "-o", "json") == 1
    review = json.loads(capsys.readouterr().out)
    assert review["matched"] == {"well": 2, "kev": 2, "old": 2, "gone": 0}
    assert [(complaint["id"], complaint["problem"]) for complaint in review["complaints"]] == [
        ("kev", "exploited"),
        ("old", "expired"),
        ("gone", "unused"),
    ]
    exceptions(root, {"id": "well", "cves": [WAIVED]})
    assert patchctl(root, "exceptions", "check") == 0


def test_list_and_add_say_what_kev_lists(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "exceptions.yml").unlink(missing_ok=True)
    options = ["--owner", "o", "--reason", "r", "--control", "c", "--expires", "90d"]
    assert patchctl(root, "exceptions", "add", "--cve", EXPLOITED, "--host", "*", *options) == 0
    assert f"it does not hold for {EXPLOITED}: known to be" in capsys.readouterr().err
    assert patchctl(root, "exceptions", "list") == 0
    assert f"not for {EXPLOITED} (KEV)" in capsys.readouterr().out


def test_check_without_feeds_or_facts_does_not_call_all_unused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "patchctl.yml").touch()
    assert patchctl(tmp_path, "exceptions", "check") == 0
    assert "there are no exceptions" in capsys.readouterr().err
    exceptions(tmp_path, {"id": "A", "cves": [WAIVED]})
    assert patchctl(tmp_path, "exceptions", "check") == 2
    assert "no feeds are held" in capsys.readouterr().err


def test_a_broken_file_stops_an_assessment(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exceptions(root, {"id": "A", "cves": [WAIVED], "expires": "never"})
    assert patchctl(root, "assess") == 2
    assert "exceptions[0].expires: must be a date" in capsys.readouterr().err
