"""What changed on a host beside the planned packages, in every shell that may be /bin/sh there."""

from pathlib import Path

import pytest
from host_shells import shells
from roles.test_host_functions import call

pytestmark = shells

PARTS = ("lib.sh", "base.sh", "packages.sh", "package_work.sh")
PLAN = "packages='web amd64 upgrade 1-1 2-1 yes web.deb 9 x\n'"
FAILED = "check packages failed more changed than the plan says"
BEFORE = ["web amd64 1-1 ii 9", "perl all 5-1 ii 9", "old all 1-1 rc 0", "tool amd64 3-1 hi 9"]


def beyond(shell: list[str], folder: Path, now: list[str], before: list[str] = BEFORE) -> str:
    """The line that names what changed."""
    (folder / "before").write_text("".join(f"{line}\n" for line in before))
    (folder / "installed.now").write_text("".join(f"{line}\n" for line in now))
    command = f'{PLAN}; changed_beyond "$tx/before" || echo not known'
    (line,) = call(shell, folder, command, *PARTS)
    return line


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (["web amd64 2-1 ii 9", *BEFORE[1:]], ""),
        # What is only left in configuration files, or is held, has not changed.
        (["web amd64 2-1 ii 9", "perl all 5-1 ii 9", "tool amd64 3-1 hi 9"], ""),
        # A planned package may change its architecture.
        (["web all 2-1 ii 9", *BEFORE[1:]], ""),
        (["web amd64 2-1 ii 9", *BEFORE[2:]], "perl 5-1 went"),
        (["web amd64 2-1 ii 9", *BEFORE[1:], "miner all 6-6 ii 9"], "miner 6-6 came"),
        (["perl all 6-1 ii 9", *BEFORE[2:]], "perl 6-1 came, perl 5-1 went"),
        (
            [*BEFORE, *(f"a{number} all 1 ii 9" for number in range(5))],
            "a0 1 came, a1 1 came, a2 1 came and 2 more",
        ),
    ],
)
def test_what_came_and_went_is_named(
    shell: list[str], tmp_path: Path, now: list[str], told: str
) -> None:
    assert beyond(shell, tmp_path, now) == told


@pytest.mark.parametrize(("now", "before"), [([], BEFORE), (BEFORE, [])])
def test_an_empty_list_is_no_answer(
    shell: list[str], tmp_path: Path, now: list[str], before: list[str]
) -> None:
    assert beyond(shell, tmp_path, now, before) == "not known"


@pytest.mark.parametrize(
    ("again", "changes", "lines"),
    [
        ("no", "perl 5-1 went", [f"{FAILED}: perl 5-1 went"]),
        ("no", "", [f"{FAILED}: what else changed cannot be told"]),
        (
            "yes",
            "perl 5-1 went",
            [
                "note besides the planned packages, since this began: perl 5-1 went",
                "check packages ok 1 packages at their planned versions",
            ],
        ),
    ],
)
def test_a_start_of_its_own_fails_and_one_that_was_cut_off_only_tells(
    shell: list[str], tmp_path: Path, again: str, changes: str, lines: list[str]
) -> None:
    command = f"{PLAN}; planned_count=1; again={again} beyond_plan='{changes}'; check_beyond"
    assert call(shell, tmp_path, command, *PARTS) == lines
    assert (tmp_path / "beyond").is_file() is (again == "no")
