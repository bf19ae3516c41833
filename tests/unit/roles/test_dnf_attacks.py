"""Files and messages of rpm and dnf that must not mislead the scripts, with recorded answers."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import LIBRARY, ROLES, RULES, shells

pytestmark = shells

RESOLVE = ROLES / "patch_resolve/files/dnf.sh"
PACKAGES = "lab-web noarch upgrade 1.0-1 1.0-2 yes lab-web-1.0-2.noarch.rpm 1 0\n"
BEFORE = "2000 lab-web lab-web-1.0-1.noarch\n2000 other other-1-1.noarch"


def run(
    shell: list[str], folder: Path, script: str, said: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run functions of a stage on a host, with the programs of `folder/bin` first in PATH."""
    parts = [
        RULES,
        *(LIBRARY / f"{name}.sh" for name in ("lib", "base", "packages", "package_files")),
        LIBRARY / "manager_dnf.sh",
        LIBRARY / "manager_dnf_cut_off.sh",
    ]
    text = "\n".join(path.read_text() for path in parts)
    return subprocess.run(
        [*shell, "-c", f'{text}\ncall_end=""; run_limited() {{ "$@"; }}\n{script}'],
        input=said,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "tx": str(folder),
            "call": str(folder / "call"),
            "folder": str(folder / "undo"),
            "packages": PACKAGES,
            "limit": "60",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of a transaction, with `bin` beside it for programs that print recordings."""
    for name in ("bin", "call", "apply", "undo", "new", "old", "before"):
        (tmp_path / name).mkdir()
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


WELL = """\
Running transaction check
Transaction check succeeded.
Running transaction test
Transaction test succeeded.
Running transaction
  Preparing        :                                                        1/1
  Running scriptlet: lab-web-1.0-2.noarch                                   1/2
{script}
  Cleanup          : lab-web-1.0-1.noarch                                   2/2
{verified}
{end}
"""
# Which dnf 4.14 prints, and 4.23 does not.
VERIFIED = """\
  Verifying        : lab-web-1.0-2.noarch                                   1/2
  Verifying        : lab-web-1.0-1.noarch                                   2/2
"""
VERSIONS = [pytest.param(VERIFIED, id="4.14"), pytest.param("", id="4.23")]
DONE = "Upgraded:\n  lab-web-1.0-2.noarch\n\nComplete!"


class TestHowATransactionEnded:
    def well(self, shell: list[str], host: Path, said: str) -> bool:
        return run(shell, host, "dnf_ended_well", said).returncode == 0

    @pytest.mark.parametrize("verified", VERSIONS)
    @pytest.mark.parametrize(
        "line", ["", "error: no such user, going on", "Error: x", "Error in POSTIN scriptlet"]
    )
    def test_what_a_script_prints_fails_nothing(
        self, shell: list[str], host: Path, line: str, verified: str
    ) -> None:
        assert self.well(shell, host, WELL.format(script=line, verified=verified, end=DONE))

    @pytest.mark.parametrize("verified", VERSIONS)
    @pytest.mark.parametrize(
        "line",
        [
            "warning: %post(lab-web-1.0-2.noarch) scriptlet failed, exit status 4",
            "error: %prein(lab-web-1.0-2.noarch) scriptlet failed, signal 9",
            "warning: %triggerin(a(b)-1-1.noarch) scriptlet failed, exit status 1",
        ],
    )
    def test_what_rpm_says_of_a_script_does(
        self, shell: list[str], host: Path, line: str, verified: str
    ) -> None:
        assert not self.well(shell, host, WELL.format(script=line, verified=verified, end=DONE))

    @pytest.mark.parametrize("verified", VERSIONS)
    def test_so_do_the_last_words_of_dnf(self, shell: list[str], host: Path, verified: str) -> None:
        end = "Failed:\n  lab-web-1.0-2\n\nError: Transaction failed"
        assert not self.well(shell, host, WELL.format(script="", verified=verified, end=end))
        assert not self.well(shell, host, "Error: Transaction test error:\n  file /a conflicts\n")

    def test_a_log_that_ends_in_the_middle_is_no_end(self, shell: list[str], host: Path) -> None:
        said = WELL.format(script="", verified="", end="")
        assert not self.well(shell, host, said)
        assert not self.well(shell, host, said.split("  Cleanup")[0])

    @pytest.mark.parametrize(
        ("said", "over"),
        [
            (WELL.format(script="", verified="", end=DONE), True),
            (WELL.format(script="", verified="", end="Error: Transaction failed"), False),
            ("Error: Transaction test error:\n  file /a conflicts\n", True),
        ],
    )
    def test_files_may_lie_half_there_where_rpm_stopped_on_the_way(
        self, shell: list[str], host: Path, said: str, over: bool
    ) -> None:
        assert (run(shell, host, "dnf_is_over", said).returncode == 0) is over


class TestTheRunningKernel:
    """A `+` in a version is special in a pattern."""

    @pytest.mark.parametrize("running", ["5.14.0-5.el9.x86_64", "5.14.0-5.el9.x86_64+rt"])
    @pytest.mark.parametrize(
        ("script", "other"),
        [
            ('printf "/lib/modules/%s\\n/boot/vmlinuz-%s\\n" "$KERNEL" "$KERNEL"', False),
            ("echo /lib/modules/5.14.0-4.el9.x86_64", True),
            ("true", False),
            ("echo /usr/bin/x; exit 1", False),
        ],
    )
    def test_a_package_that_has_it_or_cannot_tell_is_not_removed(
        self, shell: list[str], host: Path, running: str, script: str, other: bool
    ) -> None:
        program(host, "rpm", f"KERNEL={running}\n{script}")
        program(host, "uname", f"echo {running}")
        done = run(shell, host, "dnf_is_no_running_kernel kernel-core-5.14.0-5.el9.x86_64")
        assert (done.returncode == 0) is other


class TestTheLastResort:
    """A script of the old version fails or does not end, so rpm has both versions."""

    def forced(self, shell: list[str], host: Path, code: int, works: str) -> tuple[bool, list[str]]:
        """Return whether the undo succeeded after the step before had ended with `code`, and the
        arguments of rpm, which succeeds with an option that fits `works`."""
        log = host / "told"
        way = f'case "$*" in {works}) ;; *) exit 1 ;; esac'
        say = f'case $1 in -U) echo "$*" >>"{log}"; {way} ;; esac'
        program(host, "rpm", say)
        (host / "old/lab-web-1.0-1.noarch.rpm").touch()
        done = run(shell, host, f"code={code}; force_back /dev/null")
        return done.returncode == 0, log.read_text().splitlines()

    def test_scripts_have_their_turn(self, shell: list[str], host: Path) -> None:
        well, (told,) = self.forced(shell, host, 1, "*")
        assert well and "--noscripts" not in told
        assert told.endswith("/old/lab-web-1.0-1.noarch.rpm")

    def test_one_that_fails_does_not_keep_its_version(self, shell: list[str], host: Path) -> None:
        well, (first, second) = self.forced(shell, host, 1, "*--noscripts*")
        assert well
        assert second.replace("--noscripts --notriggers ", "") == first

    @pytest.mark.parametrize("code", [124, 137])
    def test_one_that_did_not_end_gets_no_second_turn(
        self, shell: list[str], host: Path, code: int
    ) -> None:
        well, (told,) = self.forced(shell, host, code, "*")
        assert well and "--noscripts --notriggers" in told

    def test_what_fails_without_scripts_too_has_failed(self, shell: list[str], host: Path) -> None:
        well, told = self.forced(shell, host, 1, "never")
        assert not well and len(told) == 2


class TestAKilledTransaction:
    def unfinished(self, shell: list[str], host: Path, times: str, altered: str = "") -> str:
        """Return what is reported where rpm has these times, and these files as altered."""
        (host / "times").write_text(f"{BEFORE}\n")
        program(
            host,
            "rpm",
            f'case $1 in -qa) printf "%s\\n" "{times}" ;; '
            f'-V) echo "$*" >>"{host}/asked"; echo "{altered}"; [ -z "{altered}" ] ;; esac',
        )
        done = run(shell, host, "unfinished_work")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @pytest.mark.parametrize("time", ["3000", "1000"])
    def test_what_came_is_looked_at_whatever_the_clock_says(
        self, shell: list[str], host: Path, time: str
    ) -> None:
        now = BEFORE.replace("2000 lab-web lab-web-1.0-1", f"{time} lab-web lab-web-1.0-2")
        said = self.unfinished(shell, host, now, "S.5....T.    /usr/bin/lab-web")
        assert said == "/usr/bin/lab-web not as in the package"
        asked = (host / "asked").read_text()
        assert "lab-web-1.0-2.noarch" in asked
        assert "other" not in asked

    def test_edited_configuration_is_whole(self, shell: list[str], host: Path) -> None:
        now = BEFORE.replace("2000 lab-web lab-web-1.0-1", "3000 lab-web lab-web-1.0-2")
        assert self.unfinished(shell, host, now, "S.5....T.  c /etc/lab-web.conf") == ""

    def test_what_did_not_change_is_not_looked_at(self, shell: list[str], host: Path) -> None:
        assert self.unfinished(shell, host, BEFORE, "S.5....T.    /usr/bin/lab-web") == ""
        assert not (host / "asked").exists()

    def test_new_files_under_an_old_version_are_found(self, shell: list[str], host: Path) -> None:
        """rpm notes a package only after its files lie there."""
        (host / "apply/changing").write_text("forward\n")
        said = self.unfinished(shell, host, BEFORE, "S.5....T.    /usr/bin/lab-web")
        assert "/usr/bin/lab-web not as in the package" in said
        assert "did not come to its end" in said

    def test_it_is_said_where_every_file_is_whole(self, shell: list[str], host: Path) -> None:
        (host / "apply/changing").write_text("forward\n")
        assert "did not come to its end" in self.unfinished(shell, host, BEFORE)

    def test_a_package_of_which_nothing_was_said_is_not_whole(
        self, shell: list[str], host: Path
    ) -> None:
        now = BEFORE.replace("2000 lab-web lab-web-1.0-1", "3000 lab-web lab-web-1.0-2")
        said = self.unfinished(shell, host, now, "package lab-web-1.0-2.noarch is not installed")
        assert said == "it cannot be told which packages are whole"

    def test_one_that_an_earlier_transaction_left_is_named(
        self, shell: list[str], host: Path
    ) -> None:
        left = host / "base/t-9/apply"
        left.mkdir(parents=True)
        question = f"BASE={host / 'base'}; unfinished_work"
        assert run(shell, host, question).stdout == ""
        (left / "changing").write_text("forward\n")
        said = run(shell, host, question).stdout
        assert said.startswith(" transaction t-9 did not come to its end")

    def test_a_database_that_does_not_answer_is_not_whole(
        self, shell: list[str], host: Path
    ) -> None:
        (host / "times").write_text(f"{BEFORE}\n")
        program(host, "rpm", "exit 1")
        assert "cannot be told" in run(shell, host, "unfinished_work").stdout

    def test_only_what_rpm_was_laying_out_is_swept_away(self, shell: list[str], host: Path) -> None:
        site = host / "usr share"
        site.mkdir()
        (host / "new/lab-web-1.0-2.noarch.rpm").touch()
        theirs = ["page;1234abcd.html", "page;1234abc", "other;1234abcd", "page"]
        for name in [*theirs, "page;1234abcd", "page;0000ffff"]:
            (site / name).touch()
        (site / "page;aaaaaaaa").mkdir()
        program(host, "rpm", f'printf "%s\\n" "{site}/page" "{site}"')
        assert run(shell, host, "dnf_sweep").returncode == 0
        assert {path.name for path in site.iterdir()} == {*theirs, "page;aaaaaaaa"}


@pytest.mark.parametrize(
    "row",
    [
        " --eval=%(id) noarch 1-1 r 1 k",
        " -x noarch 1-1 r 1 k",
        " {{lookup('pipe','id')}} noarch 1-1 r 1 k",
        " web;id noarch 1-1 r 1 k",
        " we* noarch 1-1 r 1 k",
        " web $(id) 1-1 r 1 k",
        " web noarch 1-1{{x}} r 1 k",
        " web \x1b[2J 1-1 r 1 k",
        "     replacing  --eval=%(id).noarch 1-1",
    ],
)
def test_what_is_no_name_of_a_package_becomes_no_word_of_a_command(
    shell: list[str], row: str
) -> None:
    table = f"====\n Package Arch\n====\nUpgrading:\n{row}\n\nTransaction Summary\n"
    script = RESOLVE.read_text().removesuffix('main "$@" </dev/null\n')
    done = subprocess.run(
        [*shell, "-c", f"{script}\nsteps_in"],
        input=table,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("other no name of a package: ")
    assert len(done.stdout.splitlines()) == 1
