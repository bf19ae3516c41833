"""The reason that a package manager's failure is given: the line that tells the cause."""

import subprocess
from pathlib import Path

import pytest
from host_shells import ROLES, shells

OUTPUTS = sorted((Path(__file__).parents[1] / "data/causes").glob("*.txt"))


def cause(shell: list[str], text: str) -> str:
    script = f". {ROLES}/patch_connection/files/manager_apt_cause.sh; cause_in"
    done = subprocess.run(
        [*shell, "-c", script], input=text, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout


@shells
@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: str(path.stem))
def test_what_apt_and_dpkg_print(shell: list[str], path: Path) -> None:
    assert (
        cause(shell, path.read_text()).strip() == path.with_suffix(".expected").read_text().strip()
    )


def test_there_are_outputs() -> None:
    assert len(OUTPUTS) >= 8
