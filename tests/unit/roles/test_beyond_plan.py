"""Changes on a host besides the planned packages, in each shell that may be /bin/sh there."""

from pathlib import Path

import pytest
from host_shells import shells
from roles.test_host_functions import call

pytestmark = shells

PARTS = ("lib.sh", "base.sh", "packages.sh", "package_work.sh")
PLAN = "packages='web amd64 upgrade 1-1 2-1 yes web.deb 9 x\n'"
BEFORE = ["web amd64 1-1 ii 9", "perl all 5-1 ii 9", "old all 1-1 rc 0", "tool amd64 3-1 hi 9"]


def beyond(shell: list[str], folder: Path, now: list[str], before: list[str] = BEFORE) -> str:
    """Return the line that names the changes."""
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


@pytest.mark.parametrize("again", ["no", "yes"])
@pytest.mark.parametrize(
    ("now", "told"),
    [
        (BEFORE, ""),
        (BEFORE[:1] + BEFORE[2:], "perl 5-1 went"),
        ([], "what else changed cannot be told"),
    ],
)
def test_the_undo_knows_of_it_where_the_start_was_not_cut_off(
    shell: list[str], tmp_path: Path, now: list[str], told: str, again: str
) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before/change").write_text("".join(f"{line}\n" for line in BEFORE))
    (tmp_path / "installed.now").write_text("".join(f"{line}\n" for line in now))
    noted = told and again == "yes"
    assert call(shell, tmp_path, f"{PLAN}; again={again}; look_beyond", *PARTS) == (
        [f"note besides the planned packages, since this began: {told}"] if noted else []
    )
    kept = tmp_path / "beyond"
    assert (kept.read_text().strip() if kept.exists() else "") == (told if again == "no" else "")
