"""`exceptions list` and `add` in a workspace, and that they leave the rest of the file as it is."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from assessment.findings.test_exceptions import BASE
from config.test_exceptions_file import WHOLE
from msgspec import structs

from patchctl.adapters import files
from patchctl.cli.app import main
from patchctl.config import exceptions_file
from patchctl.models.exceptions import RiskException
from patchctl.workflows.assessment import exceptions as workflow

SAID = ["--owner", "ops", "--reason", "inside", "--control", "firewall"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "patchctl.yml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PATCHCTL_STATE", raising=False)
    return tmp_path


def run(*words: str) -> int:
    return main(["--trust-workspace", "exceptions", *words])


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


class TestAdd:
    def test_the_first_makes_the_file(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("add", "--cve", "cve-2024-6387", "--host", "*", *SAID, "--expires", "90d") == 0
        (exception,) = exceptions_file.load(root / "exceptions.yml")
        assert (exception.id, exception.cves, exception.hosts) == (
            "EX-1",
            ("CVE-2024-6387",),
            ("*",),
        )
        assert exception.expires in (in_days(90), in_days(89))
        assert stat.S_IMODE((root / "exceptions.yml").stat().st_mode) == 0o644
        out, err = capsys.readouterr()
        assert (out, err) == ("", f"exceptions.yml: EX-1 added, holds until {exception.expires}\n")

    def test_the_rest_of_the_file_its_mode_and_a_link_stay(self, root: Path) -> None:
        kept = root / "kept.yml"
        text = b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode() + b"# the end"
        kept.write_bytes(text)
        kept.chmod(0o640)
        (root / "exceptions.yml").symlink_to("kept.yml")
        assert run("add", "--package", "linux*", "--group", "lab", "--id", "L", *SAID,
                   "--expires", in_days(1)) == 0  # fmt: skip
        assert (root / "exceptions.yml").is_symlink()
        assert kept.read_bytes().startswith(text)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o640
        assert [exception.id for exception in exceptions_file.load(kept)] == ["EX-1", "lab", "L"]
        assert {path.name for path in root.iterdir()} == {
            ".patchctl",
            "exceptions.yml",
            "kept.yml",
            "patchctl.yml",
        }

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--host", "*", "--expires", "90d"], "give --cve or --package"),
            (["--cve", "CVE-2024-6387", "--expires", "90d"], "give --host or --group"),
            (["--cve", "x", "--host", "*", "--expires", "90d"],
             "the new exception: cves[0]: must be a CVE such as CVE-2024-6387, not 'X'"),
            (["--cve", "CVE-2024-6387", "--host", "*", "--expires", "2020-01-01"], "is past"),
            (["--cve", "CVE-2024-6387", "--host", "*", "--expires", "soon"], "is not a valid date"),
            (["--cve", "CVE-2024-6387", "--host", "*", "--expires", "9d", "--id", "EX-1"],
             "there is an exception EX-1 already"),
            (["--cve", "CVE-2024-6387", "--host", "*", "--expires", "9d", "--reason", "a\nb"],
             "--reason must be one line of text"),
            (["--cve", "CVE-2024-6387", "--host", "*"], "Missing option '--expires'"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_changes_nothing(
        self, root: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (root / "exceptions.yml").write_text(WHOLE)
        assert run("add", *SAID, *words) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
        assert (root / "exceptions.yml").read_text() == WHOLE

    def test_a_broken_file_is_left_alone(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken = WHOLE.replace("owner: ops@example.com", "owner:")
        (root / "exceptions.yml").write_text(broken)
        assert run("add", "--cve", "CVE-2024-6387", "--host", "*", *SAID, "--expires", "9d") == 2
        assert "exceptions.yml:6: exceptions[0].owner: must be text" in capsys.readouterr().err
        assert (root / "exceptions.yml").read_text() == broken

    def test_two_at_once_lose_none(self, tmp_path: Path) -> None:
        def add() -> None:
            def made(free: str) -> RiskException:
                return structs.replace(BASE, id=free)

            path, lock = tmp_path / "exceptions.yml", tmp_path / "lock"
            workflow.add(path, lock, exceptions_file.load, exceptions_file.add, made, files)

        threads = [Thread(target=add) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        loaded = exceptions_file.load(tmp_path / "exceptions.yml")
        assert [exception.id for exception in loaded] == ["EX-1", "EX-2", "EX-3", "EX-4", "EX-5"]


class TestList:
    def test_the_next_to_expire_comes_first(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (root / "exceptions.yml").write_text(WHOLE.replace("2026-12-31", "2020-01-31"))
        assert run("list") == 0
        heading, first, second = capsys.readouterr().out.splitlines()
        assert heading.split() == ["ID", "WHAT", "WHERE", "OWNER", "EXPIRES", "STATE", "REASON"]
        assert first.startswith("lab") and "expired" in first
        assert second.startswith("EX-1")

    def test_as_data(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (root / "exceptions.yml").write_text(WHOLE)
        assert run("list", "-o", "json") == 0
        statuses = {row["exception"]["id"]: row for row in json.loads(capsys.readouterr().out)}
        assert statuses["EX-1"]["exception"]["packages"] == []
        assert statuses["lab"]["exception"]["groups"] == ["lab"]

    def test_none(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("list") == 0
        assert capsys.readouterr().err.startswith("there are no exceptions")
        assert run("list", "-o", "json") == 0
        assert json.loads(capsys.readouterr().out) == []

    def test_hostile_text_of_the_file_moves_no_cursor(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (root / "exceptions.yml").write_text(
            WHOLE.replace("owner: ops@example.com", 'owner: "\\e[2Jme"')
        )
        assert run("list") == 0
        assert "\x1b" not in capsys.readouterr().out
