"""Long results on a real terminal go through the operator's pager."""

import os
import subprocess
import sys

import pexpect
import pytest

PROGRAM = """
import sys
from patchctl.cli import output
from patchctl.report.formats import Format
from patchctl.report.view import Table, View

class Hosts(View):
    def data(self): ...
    def parts(self):
        yield Table(["HOST"], [[f"host-{number}"] for number in range(int(sys.argv[1]))])

output.page()
output.show(Hosts(), Format.TABLE)
output.note("that was all")
output.close()
print("END")
"""


def shown(count: int, **environment: str) -> str:
    """Return what a terminal of 10 lines shows of a table with `count` rows."""
    keep = {key: value for key, value in os.environ.items() if "PAGER" not in key}
    child = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, str(count)], env={**keep, "TERM": "xterm", **environment},
        encoding="utf-8", timeout=20, dimensions=(10, 80),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    assert child.before is not None
    return str(child.before).replace("\r\n", "\n")


MARKS = "sed s/^/paged:/"


def test_what_fits_the_screen_is_not_paged() -> None:
    text = shown(5, PAGER=MARKS)
    assert "host-4" in text
    assert "paged:" not in text


def test_what_does_not_fit_is_paged_and_notes_come_after_it() -> None:
    lines = shown(50, PAGER=MARKS).split()
    assert lines[:2] == ["paged:HOST", "paged:host-0"]
    assert lines[50:] == ["paged:host-49", "that", "was", "all", "END"]


def test_patchctl_pager_wins_over_pager() -> None:
    assert "mine:host-49" in shown(50, PAGER=MARKS, PATCHCTL_PAGER="sed s/^/mine:/")


@pytest.mark.parametrize(
    "environment", [{"PAGER": "cat"}, {"PAGER": ""}, {"PATCHCTL_PAGER": "", "PAGER": MARKS}]
)
def test_no_pager_where_none_is_wanted(environment: dict[str, str]) -> None:
    lines = shown(50, **environment).split()
    assert lines[0] == "HOST"
    assert lines[50:] == ["host-49", "that", "was", "all", "END"]


def test_a_dumb_terminal_has_none() -> None:
    assert "paged:" not in shown(50, PAGER=MARKS, TERM="dumb")


@pytest.mark.parametrize(
    "pager", ["true", "head -n 3", "/nowhere/pager", "exit 3", "sh -c 'exit 3'"]
)
def test_a_pager_that_leaves_early_or_is_missing_ends_nothing(pager: str) -> None:
    text = shown(5000, PAGER=pager)
    assert text.endswith("that was all\nEND\n")
    assert "Traceback" not in text


def test_without_a_terminal_there_is_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "50"], capture_output=True, text=True, check=True,
        env={**os.environ, "PAGER": MARKS, "TERM": "xterm"},
    )  # fmt: skip
    assert done.stdout.splitlines()[::51] == ["HOST", "END"]
    assert done.stderr == "that was all\n"


def test_less_is_left_with_q() -> None:
    keep = {key: value for key, value in os.environ.items() if "PAGER" not in key}
    child = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, "50"], env={**keep, "TERM": "xterm"},
        encoding="utf-8", timeout=20, dimensions=(10, 80),
    )  # fmt: skip
    child.expect("host-7")
    child.send("q")
    child.expect("that was all\r\nEND\r\n")
    assert "host-20" not in child.before
