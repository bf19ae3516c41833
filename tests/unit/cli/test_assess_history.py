"""`patchctl assess` keeps the history of findings, or says that it could not."""

import json
import sqlite3
from pathlib import Path

import pytest
from cli.test_assess_command import ADVISORY, HOSTS, run

from patchctl.adapters.database.history import History
from patchctl.errors import AdapterError

TABLES = ("spell", "history_host", "history_subject", "day_figures")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two imported hosts, and a feed that speaks of them."""
    folder = tmp_path / "workspace"
    folder.mkdir(mode=0o700)
    (folder / "patchctl.yml").write_text("")
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    (tmp_path / "ALSA-2026-0001.json").write_text(json.dumps(ADVISORY))
    assert run(folder, "discover", "--import", str(tmp_path / "hosts.json")) == 0
    assert run(folder, "feeds", "import", str(tmp_path / "ALSA-2026-0001.json")) == 0
    return folder


def rows(root: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(root / ".patchctl" / "state.db") as connection:
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}


@pytest.mark.parametrize("form", ["table", "json"])
def test_an_assessment_is_in_the_history(root: Path, form: str) -> None:
    assert run(root, "assess", "-o", form) == 0
    kept = rows(root)
    assert {name: len(kept[name]) for name in TABLES} == {
        "spell": 1,
        "history_host": 2,
        "history_subject": 1,
        "day_figures": 1,
    }
    assert run(root, "assess", "--findings") == 0
    assert rows(root) == kept


@pytest.mark.parametrize(
    "words",
    [("assess", "--as-of", "2026-02-01"), ("explain", "web1"), ("exceptions", "check")],
    ids=lambda words: words[0],
)
def test_a_question_is_not(root: Path, words: tuple[str, ...]) -> None:
    run(root, *words)
    assert not any(rows(root).values())


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_cannot_be_kept_is_an_error_after_the_findings(
    root: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> bool:
        raise AdapterError("state.db: the disk is full")

    monkeypatch.setattr(History, "record", full)
    capsys.readouterr()
    assert run(root, "assess", "-o", form) == 2
    said = capsys.readouterr()
    assert "sudo" in said.out
    assert form != "json" or json.loads(said.out)["actions"]
    assert "the history of findings was not written: state.db: the disk is full" in said.err
