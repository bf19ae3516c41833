"""The documentation builds without a warning, and every command in it exists."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from patchctl.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    names = {path.relative_to(ROOT / "docs").with_suffix("") for path in PAGES[2:]}
    assert {
        path.parent.relative_to(tmp_path / "site") for path in tmp_path.glob("site/*/index.html")
    } == names - {Path("index")}


def test_the_front_page_leads_to_every_page() -> None:
    front = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([a-z-]+\.md)\)", front))
    assert linked == {path.name for path in PAGES[2:]} - {"index.md"}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every `patchctl …` in code, alone on a line or between backticks."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    |\$ )(patchctl .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(patchctl [^`]+)`", text)
    for line in lines:
        for part in re.split(r" (?:&&|\|) ", line.replace("\n", " ")):
            words = shlex.split(part, comments=True)
            if words[:1] == ["patchctl"] and not words[1].endswith(":"):
                yield words[1:]


def problem(words: list[str]) -> str:
    """What is wrong with a command line, judged by the commands and options that there are."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="patchctl")
    known = {name for option in command.get_params(context) for name in option.opts}
    seen = ""
    for index, word in enumerate(words):
        if word.startswith("-"):
            if word.partition("=")[0] not in known:
                return f"{seen or 'patchctl'} has no option {word}"
        elif not hasattr(command, "list_commands"):
            continue
        elif word in command.list_commands(context):
            command = command.get_command(context, word)
            context = typer.Context(command, info_name=word, parent=context)
            below = getattr(command, "commands", {}).get(getattr(command, "default", ""))
            for level in (command, below):
                if level is not None:
                    known |= {name for it in level.get_params(context) for name in it.opts}
            seen = word
        elif not seen and index and words[index - 1].startswith("-"):
            continue  # the value of an option for every verb
        elif not hasattr(command, "default"):
            return f"{seen or 'patchctl'} has no command {word}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_its_commands_exist(page: Path) -> None:
    wrong = [f"patchctl {shlex.join(words)}: {why}" for words in commands(page)
             if (why := problem(words))]  # fmt: skip
    assert wrong == []


def test_wrong_commands_would_be_found() -> None:
    assert len(list(commands(ROOT / "docs/first-rollout.md"))) > 10
    assert problem(["nonsense"]) == "patchctl has no command nonsense"
    assert problem(["plan", "nonsense"]) == "plan has no command nonsense"
    assert problem(["plan", "show", "--nonsense"]) == "show has no option --nonsense"
    assert problem(["-C", "demo", "rollout", "x.lock", "--yes", "--no-wait"]) == ""
