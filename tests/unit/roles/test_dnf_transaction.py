"""Read a transaction from dnf's table, and tell dnf what to do, with recorded answers."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import LIBRARY, RULES, shells

pytestmark = shells

LONG = "a-package-with-a-very-long-name-that-does-not-fit-into-its-column"
VERSION = "1.20230401.git1234567-0.el9_2.4.module_"
INSTALLED = f"""\
web noarch 1-1 ii 9
lib x86_64 3:1.0-1.el9 ii 9
{LONG} x86_64 {VERSION}1 ii 9
editor noarch 1-1 ii 9
loose noarch 1-1 ii 9
moved noarch 1-1 ii 9
kernel-core x86_64 6.1-1 ii 9 many
kernel-core x86_64 6.1-2 ii 9 many
"""
PACKAGES = f"""\
web noarch upgrade 1-1 1-2 yes web-1-2.noarch.rpm 1 s
lib x86_64 downgrade 3:1.0-1.el9 2:9.0-1.el9 no lib-9.0-1.el9.x86_64.rpm 1 s
{LONG} x86_64 upgrade {VERSION}1 {VERSION}2 no l.rpm 1 s
moved x86_64 upgrade 1-1 2-1 no moved-2-1.x86_64.rpm 1 s
writer noarch new - 1-1 no writer-1-1.noarch.rpm 1 s
editor noarch remove 1-1 - - - 0 -
loose noarch remove 1-1 - - - 0 -
kernel-core x86_64 new - 6.1-3 yes kernel-core-6.1-3.x86_64.rpm 1 s
"""
TABLE = f"""\
No matches found for the following disable plugin patterns: product-id
================================================================================
 Package         Arch    Version                          Repository       Size
================================================================================
Installing:
 kernel-core     x86_64  6.1-3                            @commandline    6.1 k
 writer          noarch  1-1                              @commandline    6.1 k
     replacing  editor.noarch 1-1
Upgrading:
 {LONG}
                 x86_64  {VERSION}2
                                                          @commandline    6.8 k
 moved           x86_64  2-1                              @commandline    6.1 k
 web             noarch  1-2                              @commandline    8.1 k
Removing:
 loose           noarch  1-1                              @@System         9
Downgrading:
 lib             x86_64  2:9.0-1.el9                      @commandline    1.2 M

Transaction Summary
================================================================================
Install    2 Packages
{{test}}
Complete!
Dependencies resolved.
Nothing to do.
"""
TESTED = "Transaction test succeeded."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a transaction on a host."""
    (tmp_path / "before").mkdir()
    for name in ("before/installed", "installed.now"):
        (tmp_path / name).write_text(INSTALLED)
    return tmp_path


def run(shell: list[str], folder: Path, script: str) -> tuple[int, list[str]]:
    names = ("lib", "base", "packages", "package_files", "manager_dnf")
    library = "\n".join(
        path.read_text() for path in (RULES, *(LIBRARY / f"{name}.sh" for name in names))
    )
    done = subprocess.run(
        [*shell, "-c", f"{library}\n{script}"],
        env={
            "PATH": os.environ["PATH"],
            "tx": str(folder),
            "call": str(folder),
            "packages": PACKAGES,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def simulated(shell: list[str], folder: Path, said: str) -> tuple[int, list[str]]:
    (folder / "simulation").write_text(said)
    return run(shell, folder, 'dnf_list_simulated "$call/installed.now"')


class TestTheTable:
    def test_every_section_and_a_name_that_fills_a_line_is_what_the_plan_expects(
        self, shell: list[str], folder: Path
    ) -> None:
        code, lines = simulated(shell, folder, TABLE.format(test=TESTED))
        assert code == 0
        _, expected = run(
            shell,
            folder,
            'planned_places >"$call/places"; list_expected forward "$call/places";'
            'cat "$call/expected.lines"',
        )
        assert sorted(set(expected)) == lines
        assert len(lines) == 8

    def test_without_rpms_own_test_it_is_no_answer(self, shell: list[str], folder: Path) -> None:
        code, _ = simulated(shell, folder, TABLE.format(test="Error: Transaction test error:"))
        assert code != 0

    @pytest.mark.parametrize(
        "section",
        [
            "Enabling module streams:\n nodejs                  20\n",
            "Skipping packages with conflicts:\n web noarch 1-3 updates 1 k\n",
            "Reinstalling:\n web             noarch  1-1       @commandline    8.1 k\n",
        ],
    )
    def test_what_is_no_plain_change_of_a_package_is_in_no_plan(
        self, shell: list[str], folder: Path, section: str
    ) -> None:
        said = TABLE.format(test=TESTED).replace("Removing:\n", f"{section}Removing:\n")
        _, lines = simulated(shell, folder, said)
        heading = section.partition(":")[0]
        assert [line for line in lines if heading in line]


class TestWhatDnfIsTold:
    def test_files_come_before_removals(self, shell: list[str], folder: Path) -> None:
        script = 'planned_places >"$call/places"; dnf_script forward "$call/places"'
        _, lines = run(shell, folder, script)
        assert [line.split()[0] for line in lines] == ["install", "remove", "run"]
        assert len(lines[0].split()) == 7
        assert lines[1] == "remove editor-1-1.noarch loose-1-1.noarch"

    def test_the_way_back_takes_the_new_kernel_and_leaves_the_others(
        self, shell: list[str], folder: Path
    ) -> None:
        script = 'list_future_places >"$call/places"; dnf_script back "$call/places"'
        _, lines = run(shell, folder, script)
        assert lines[1] == "remove writer-1-1.noarch kernel-core-6.1-3.x86_64"
        old = f"{folder}/old"
        assert f"{old}/moved-1-1.noarch.rpm" in lines[0]
        assert f"{old}/lib-1.0-1.el9.x86_64.rpm" in lines[0]
        assert f"{old}/editor-1-1.noarch.rpm" in lines[0]

    def test_what_is_done_is_not_done_again(self, shell: list[str], folder: Path) -> None:
        script = (
            "list_future_places | sed 's/^web noarch to/web noarch from/' >\"$call/places\";"
            'dnf_script forward "$call/places"'
        )
        assert run(shell, folder, script)[1] == [f"install {folder}/new/web-1-2.noarch.rpm", "run"]


class TestVersionsBesideEachOther:
    def places(self, shell: list[str], folder: Path, more: str = "") -> dict[str, str]:
        (folder / "installed.now").write_text(INSTALLED + more)
        _, lines = run(shell, folder, "planned_places")
        return {line.split()[0]: " ".join(line.split()[2:]) for line in lines}

    def test_a_kernel_has_not_come_while_others_are_there(
        self, shell: list[str], folder: Path
    ) -> None:
        assert self.places(shell, folder)["kernel-core"] == "from - -"

    def test_it_has_come_when_its_version_is_there(self, shell: list[str], folder: Path) -> None:
        places = self.places(shell, folder, "kernel-core x86_64 6.1-3 ii 9 many\n")
        assert places["kernel-core"] == "to 6.1-3 ii"

    def test_a_second_version_of_another_package_is_neither_way(
        self, shell: list[str], folder: Path
    ) -> None:
        assert self.places(shell, folder, "web noarch 1-2 iD 9\n")["web"] == "other 1-2 iD"

    def test_a_new_version_has_the_mark_of_those_beside_it(
        self, shell: list[str], folder: Path
    ) -> None:
        (folder / "auto").write_text("kernel-core:x86_64\nlib:x86_64\n")
        _, lines = run(shell, folder, 'list_wanted_marks "$tx/auto" forward')
        assert "kernel-core x86_64 auto" in lines
        assert "writer noarch auto" in lines
        assert "web noarch manual" in lines


@pytest.mark.parametrize(
    ("lock", "held"),
    [
        ("lock web-0:1-1.*", True),
        ("lock web-0:1-2.*", False),
        ("lock !web-0:1-2.*", True),
        ("lock !web-0:1-1.*", False),
        ("lock web", True),
        ("lock we*", True),
        ("lock website-0:1-1.*", False),
        # An exclude of the planned version alone is no lock to it, and of another one nothing.
        ("exclude web-1-2", True),
        ("exclude web-1-2.noarch", True),
        ("exclude web-0:1-2.*", True),
        ("exclude web-1-1", False),
        ("exclude web-0:1-1.*", False),
        ("exclude web.noarch", True),
        ("exclude web.x86_64", False),
        ("exclude w?b", True),
        ("exclude website", False),
    ],
)
def test_what_versionlock_and_excludes_hold(
    shell: list[str], folder: Path, lock: str, held: bool
) -> None:
    (folder / "holds").write_text(f"{lock}\n")
    code, _ = run(shell, folder, "dnf_is_held web noarch 1-2 1-1")
    assert (code == 0) is held
