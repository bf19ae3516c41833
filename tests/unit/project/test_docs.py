"""The documentation builds without a warning, and every command in it exists."""

import gzip
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml

from patchctl.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# What stands between two commands on a line, or after one.
ENDS = {"&&", "||", "|", ";", ";;"}


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


@pytest.mark.parametrize("name", ["commands", "json"])
def test_a_reference_page_is_what_its_script_writes(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / f"scripts/{name}-page"), "-"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "60"},
    )  # fmt: skip
    assert (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") == done.stdout, "make reference"


# What these answer is told nowhere yet. A new verb does not come here: scripts/json-page tells it.
UNTOLD = {
    "audit rebuild",
    "discover list",
    "exceptions add",
    "exceptions list",
    "feeds import",
    "feeds remove",
    "feeds update",
    "host clean",
    "host show",
    "init",
    "inventory graph",
    "inventory show",
    "lab down",
    "lab publish",
    "lab reboot",
    "lab up",
    "rollout abort",
    "rollout approve",
    "rollout pause",
    "rollout promote",
    "rollout watch",
}


def test_the_page_on_json_tells_what_a_verb_answers() -> None:
    page = (ROOT / "docs/json.md").read_text(encoding="utf-8").partition("\n## What stays")[2]
    prose = "\n".join(line for line in page.splitlines() if not line.startswith("|"))
    told = set(re.findall(r"^## ([a-z ]+)$|`([a-z ]+)`", prose, re.M))
    commands_page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    sections = re.split(r"^###? ", commands_page, flags=re.M)[1:]
    answering = {
        # `discover start` is what `discover` alone means.
        section.partition("\n")[0].removesuffix(" start")
        for section in sections
        if "-o, --output" in section
    }
    assert answering - {name for pair in told for name in pair} == UNTOLD


def test_the_front_page_leads_to_every_page() -> None:
    front = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([a-z-]+\.md)\)", front))
    assert linked == {path.name for path in PAGES[2:]} - {"index.md"}


def commands(page: Path) -> Iterator[list[str]]:
    """Return the words of each `patchctl …` in code, on a line of its own or between backticks."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    |\$ )(patchctl .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(patchctl [^`]+)`", text)
    for script in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines += re.findall(r"^\s*(patchctl .*?)(?:  +\S.*| >.*|;.*)?$", script, re.MULTILINE)
    for line in lines:
        words = shlex.split(line.replace("\n", " "), comments=True)
        while words:
            end = next((index for index, word in enumerate(words) if word in ENDS), len(words))
            part, words = words[:end], words[end + 1 :]
            if part[:1] == ["patchctl"] and not part[1].endswith(":"):
                yield part[1:]


def problem(words: list[str]) -> str:
    """Return what is wrong with a command line, judged by the existing commands and options."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="patchctl")
    known = {name for option in command.get_params(context) for name in option.opts}
    seen = ""
    for index, word in enumerate(words):
        if word.startswith("-"):
            if re.sub(r"^(-\w)\w$", r"\1", word.partition("=")[0]) not in known:
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


SCRIPTS = [
    (page.name, script)
    for page in PAGES
    for script in re.findall(r"^```sh\n(#!/bin/sh\n.*?)^```$", page.read_text(), re.M | re.S)
]


@pytest.mark.parametrize(("page", "script"), SCRIPTS, ids=lambda text: text[:30].split("\n")[-1])
def test_a_shell_may_run_its_scripts(page: str, script: str) -> None:
    for command in (["dash", "-n"], ["shellcheck", "-e", "SC1091", "-s", "sh", "-"]):
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


SNIPPETS = [
    (page.name, text)
    for page in PAGES
    for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)
]


@pytest.mark.parametrize(("page", "text"), SNIPPETS, ids=lambda text: text[:30].split("\n")[0])
def test_its_yaml_can_be_read(page: str, text: str) -> None:
    assert yaml.safe_load(text), page


def test_pipelines_run_scripts_of_their_page() -> None:
    """By what name a pipeline calls them, and each line that a shell gets."""
    scripts = {text.split()[2].rstrip(":") for page, text in SCRIPTS if page == "pipelines.md"}
    github, gitlab = "# .github/workflows/patch.yml", "# .gitlab-ci.yml"
    files = {text.partition("\n")[0]: yaml.safe_load(text) for _, text in SNIPPETS}
    page = (ROOT / "docs/pipelines.md").read_text(encoding="utf-8")
    [crontab] = re.findall(r"^```crontab\n(.*?)^```$", page, re.M | re.S)
    [cron] = re.findall(r"^7 \* \* \* \*  (.*)$", crontab, re.M)
    # YAML 1.1, which PyYAML reads, takes `on` for a truth value.
    steps = files[github]["jobs"]["patch"]["steps"]
    lines = [*files[gitlab]["patch"]["script"], *(step["run"] for step in steps if "run" in step)]
    for line in [*lines, cron]:
        assert re.search(r"sh ci/(\w+\.sh)$", line)[1] in scripts  # type: ignore[index]
        done = subprocess.run(
            ["shellcheck", "-s", "sh", "-"], input=line, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_the_script_of_the_import_page_writes_what_is_imported(tmp_path: Path) -> None:
    [script] = [text for page, text in SCRIPTS if page == "import.md"]
    written = subprocess.run(["dash"], input=script, capture_output=True, text=True, check=True)
    (tmp_path / "hosts.json").write_text(written.stdout)
    (tmp_path / "patchctl.yml").touch()
    done = subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", tmp_path, "discover", "-o", "json",
         "--import", tmp_path / "hosts.json"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PATCHCTL_TRUST_WORKSPACE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [host] = json.loads(done.stdout)["hosts"]
    assert host["packages"] > 20
    told = re.findall(r"^\| `hosts\[\]\.(\w+)` \|", (ROOT / "docs/json.md").read_text(), re.M)
    assert list(host) == told


def test_the_backup_of_the_upgrade_page_is_whole(tmp_path: Path) -> None:
    old = ROOT / "tests/data/workspaces/before-walls"
    shutil.copytree(old, tmp_path / "fleet", ignore=shutil.ignore_patterns("said", "*.gz"))
    state = tmp_path / "fleet/.patchctl"
    (state / "store").mkdir(parents=True)
    shutil.move(tmp_path / "fleet/audit", state / "audit")
    (state / "state.db").write_bytes(gzip.decompress((old / "state.db.gz").read_bytes()))
    [script] = [text for _, text in SCRIPTS if "# backup.sh" in text]
    (tmp_path / "backup.sh").write_text(script)
    environment = {**os.environ, "PATCHCTL_TRUST_WORKSPACE": "1", "PATCHCTL_STATE": str(state)}
    subprocess.run(
        ["sh", str(tmp_path / "backup.sh"), str(tmp_path / "copy")],
        env=environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", tmp_path / "fleet",
         "audit", "verify", "-o", "json"],
        env={**environment, "PATCHCTL_STATE": str(tmp_path / "copy")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] > 100


def test_a_state_without_plans_can_be_backed_up(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    sqlite3.connect(tmp_path / "state/state.db").close()
    [script] = [text for _, text in SCRIPTS if "# backup.sh" in text]
    done = subprocess.run(
        ["sh", "-s", str(tmp_path / "copy")],
        input=script, env={**os.environ, "PATCHCTL_STATE": str(tmp_path / "state")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["state.db"]


def test_pictures_are_small_need_no_network_and_are_shown() -> None:
    pictures = sorted((ROOT / "docs/pictures").glob("*.svg"))
    assert len(pictures) >= 5
    shown = set(re.findall(r"pictures/(\w+\.svg)\)", "".join(page.read_text() for page in PAGES)))
    assert shown == {path.name for path in pictures}
    for path in pictures:
        text = path.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"(?:href|src)=|url\((?!#)|@import|@font-face", text), path.name
        assert len(text) < 64 << 10, path.name
