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


def test_paths_were_found() -> None:
    assert len(PATHS) > 60
