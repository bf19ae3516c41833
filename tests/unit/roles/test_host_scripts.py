"""All scripts that a host runs, in each shell that may be /bin/sh there."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from host_shells import HOSTS, LIBRARY, ROLES, RULES, shells

SCRIPTS = sorted(ROLES.glob("*/files/*.sh"))


def name(path: Path) -> str:
    return str(path.relative_to(ROLES))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 15


@shells
@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_it_parses(shell: list[str], script: Path) -> None:
    done = subprocess.run([*shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_shellcheck_finds_nothing_for_a_plain_sh(script: Path) -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


@shells
@pytest.mark.parametrize(
    "wrong", ["if true; then", "main() {", "x=$(", "case a in a) echo"], ids=lambda text: text[:4]
)
def test_a_script_that_does_not_parse_would_be_found(shell: list[str], wrong: str) -> None:
    done = subprocess.run([*shell, "-n"], input=wrong + "\n", text=True, capture_output=True)
    assert done.returncode != 0


# --- what runs without a host ----------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder for /var/lib/patchctl, with two transactions and the claim of a run."""
    folder = tmp_path / "base"
    folder.mkdir(mode=0o700)
    for ident, part, answer in (("t-1", "apply", "ok"), ("t-2", "undo", "failed")):
        (folder / ident / part).mkdir(parents=True)
        (folder / ident / "created").write_text("1750000000\n")
        (folder / ident / part / "result").write_text(f"reason x\nanswer {answer}\n")
    (folder / "t-3").mkdir()
    (folder / "t-3" / "created").write_text("1750000001\n")
    (folder / "link").symlink_to(folder / "t-1")
    return folder


def keep(shell: list[str], base: Path, word: str) -> tuple[int, list[str]]:
    """Return `show` or `clean`, joined as the role does: the library, then the stage."""
    parts = ("lib.sh", "base.sh", "job.sh", "state.sh", "show.sh")
    whole = "".join(
        path.read_text() for path in (RULES, *HOSTS, *(LIBRARY / part for part in parts))
    )
    assert "/var/lib/patchctl" in whole
    whole = whole.replace("/var/lib/patchctl", str(base))
    # Who runs the tests need not be root; the script asks.
    whole = whole.replace("$(id -u)", "0").replace('"${3-}" = 0', f'"${{3-}}" = {os.getuid()}')
    done = subprocess.run(
        [*shell, "-s", "--", word], input=whole, capture_output=True, text=True, timeout=60,
        check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@shells
class TestWhatAHostKeeps:
    def test_it_is_shown(self, shell: list[str], base: Path) -> None:
        code, lines = keep(shell, base, "show")
        assert code == 0
        kept = [re.sub(r" \d+ (?=\S+$)", " KIB ", line) for line in lines if "transaction" in line]
        assert kept == [
            "transaction t-1 1750000000 KIB apply-ok",
            "transaction t-2 1750000000 KIB undo-failed",
            "transaction t-3 1750000001 KIB begun",
        ]
        assert lines[-1] == "answer ok"

    def test_it_is_removed_and_nothing_beside_it(self, shell: list[str], base: Path) -> None:
        beside = base.parent / "beside"
        beside.write_text("")
        code, lines = keep(shell, base, "clean")
        assert (code, lines[-1]) == (0, "answer ok")
        assert list(base.parent.iterdir()) == [beside]

    def test_a_running_transaction_is_left_alone(self, shell: list[str], base: Path) -> None:
        (base / "running").write_text("t-1 apply\n")
        with subprocess.Popen(
            ["flock", str(base / "lock"), "sh", "-c", "echo held; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            code, lines = keep(shell, base, "clean")
            holder.communicate()
        assert (code, lines[-1]) == (1, "answer failed")
        assert "runs on this host" in lines[-2]
        assert (base / "t-1").is_dir()

    def test_a_word_that_is_none_is_refused(self, shell: list[str], base: Path) -> None:
        code, lines = keep(shell, base, "destroy")
        assert (code, lines[-1]) == (1, "answer failed")
        assert (base / "t-1").is_dir()

    def test_without_anything_kept_the_answer_is_empty(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        code, lines = keep(shell, tmp_path / "nowhere", "show")
        assert (code, lines[-1]) == (0, "answer ok")
