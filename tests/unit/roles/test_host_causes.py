"""The reason of a package manager's failure is the line that names the cause."""

import subprocess
from pathlib import Path

import pytest
from host_shells import ROLES, shells

OUTPUTS = sorted((Path(__file__).parents[2] / "data/causes").glob("*.txt"))


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


@shells
def test_a_password_in_an_address_is_not_told(shell: list[str]) -> None:
    said = cause(shell, "E: Failed to fetch http://joe:s3cr3t@host/x  403 [IP: ::1 80]\n")
    assert said.strip() == "Failed to fetch http://***@host/x 403 [IP: ::1 80]"
    said = cause(shell, "E: The proxy 'http://joe:s3cr3t@host:3128' does not answer\n")
    assert said.strip() == "The proxy 'http://***@host:3128' does not answer"
