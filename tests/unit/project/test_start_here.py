"""The files that CONTRIBUTING's lists name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BEGIN, END = "## Looking to add … ? Start here", "\n## Start\n"
SECTION = TEXT[TEXT.index(BEGIN) : TEXT.index(END)]
PATHS = sorted(set(re.findall(r"`([\w.-]+/[\w./-]*)`", SECTION)))
# What is to be written, by its example.
NEW = {"protocol/NAME.py"}


def test_it_is_what_the_page_begins_with() -> None:
    assert TEXT.startswith(f"# Contributing\n\n{BEGIN}\n")


def test_everything_that_may_be_added_has_its_list() -> None:
    assert {title.partition(" (")[0] for title in re.findall(r"^### (.*)$", SECTION, re.M)} == {
        "A package manager",
        "A stage of a host",
        "A gate",
        "A setting",
        "A verb",
        "A report",
        "A feed",
        "A fault test",
    }


@pytest.mark.parametrize("path", sorted(set(PATHS) - NEW))
def test_the_path_exists(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "src/patchctl" / path).exists()


def where(path: str) -> Path:
    return next(base / path for base in (ROOT, ROOT / "src/patchctl") if (base / path).exists())


# A step with a name of code in it, such as `FeedKind` or `KINDS_OF_ADVISORIES`.
STEPS = [
    (name, sorted(set(re.findall(r"`([\w.-]+/[\w./-]*)`", step)) - NEW))
    for step in re.split(r"^(?:\d+\. |### )", SECTION, flags=re.M)
    for name in re.findall(r"`((?:[A-Z][a-z]+){2,}|_?[A-Z]{3,}[A-Z_]*)`", step)
]


@pytest.mark.parametrize(("name", "paths"), STEPS, ids=lambda it: it if isinstance(it, str) else "")
def test_the_name_is_in_a_file_of_its_step(name: str, paths: list[str]) -> None:
    named = [where(path) for path in paths]
    files = [file for path in named for file in ([path] if path.is_file() else path.glob("*.py"))]
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert any(re.search(rf"\b{name}\b", text) for text in texts), f"{name}: {paths}"


def test_names_were_found() -> None:
    assert {"BlockerKind", "FeedKind", "VERBS"} <= {name for name, _ in STEPS}


def test_paths_were_found() -> None:
    assert len(PATHS) > 60
