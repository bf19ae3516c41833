"""The operator's probes in the shells of hosts: before an update, after it, and after an undo."""

import shutil
import subprocess
from pathlib import Path

import pytest
from host_shells import RULES

FILES = Path(__file__).parents[3] / "roles/patch_transaction/files"
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
# As the controller writes them: NUMBER KIND WITHIN TARGET EXPECT PACKAGES; octal escapes in a word.
PROBES = r"""1 command 0 test\0040-e\0040here - -
2 command 0 test\0040-e\0040there - -
"""

pytestmark = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            shell,
            id=shell[0],
            marks=pytest.mark.skipif(not shutil.which(shell[0]), reason=f"no {shell[0]}"),
        )
        for shell in SHELLS
    ],
)


def run(shell: list[str], folder: Path, stage: str, call: str) -> list[str]:
    """Return the output of `call` with the probes above, in a transaction's folder."""
    (folder / "before").mkdir(exist_ok=True)
    script = f"""
set -u
. {RULES}
. {FILES}/lib.sh
. {FILES}/base.sh
. {FILES}/state.sh
. {FILES}/probes.sh
cd {folder}
tx={folder} call={folder} stage_name={stage} attach=1 settle=20
probes='{PROBES}'
{call}
"""
    done = subprocess.run(
        [*shell, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_host_that_is_not_well_before_is_refused(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    said = run(shell, tmp_path, "prepare", "probes_before; conclude")
    assert said == [
        "check probe:1 ok command",
        "check probe:2 failed failed before the update, so the host was not changed:"
        " command: exit code 1",
        "reason failed before the update, so the host was not changed: command: exit code 1",
        "answer failed",
    ]
    # Word for word as it came: an undo compares with it.
    assert (tmp_path / "before/probes").read_text() == "command test\\0040-e\\0040here -\n"


def test_a_host_may_become_well_in_its_time(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    patient = f"probes='{PROBES.replace(' 0 ', ' 30 ')}' attach=8\n"
    call = f"{patient} {{ sleep 1; : >there; }} & probes_before; conclude"
    assert run(shell, tmp_path, "prepare", call)[-1] == "answer ok"
    assert len((tmp_path / "before/probes").read_text().splitlines()) == 2


def test_an_undo_counts_only_what_passed_before(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before/probes").write_text("command test\\0040-e\\0040here -\n")
    first, second = run(shell, tmp_path, "verify_undo", "list_probes")
    assert first == "probe:1 failed 0 command: exit code 1"
    assert second == "probe:2 note 0 did not pass before the update: command: exit code 1"


@pytest.mark.parametrize(("stage", "recorded"), [("verify", True), ("verify_undo", False)])
def test_without_results_of_before_every_probe_counts(
    shell: list[str], tmp_path: Path, stage: str, recorded: bool
) -> None:
    (tmp_path / "before").mkdir()
    if recorded:
        (tmp_path / "before/probes").touch()
    said = run(shell, tmp_path, stage, "list_probes")
    assert [line.split()[1] for line in said] == ["failed", "failed"]
