"""Single functions of the host scripts, in every shell that may be /bin/sh there."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import LIBRARY, shells

pytestmark = shells

# systemd's answer to `show` for three units: one with an alias, one reloading, one that nobody
# knows. It does not depend on what is asked, which stands in `asked`.
SYSTEMCTL = r"""#!/bin/sh
printf '%s\n' "$*" >>"${0%/*}/asked"
case $1 in
  list-units)
    printf '%s\n' 'mariadb.service loaded active running MariaDB' \
      '● disk\x2da.service loaded active running Disk' \
      'dbus-started.service loaded active running Started by D-Bus' \
      'getty@tty1.service loaded active running Getty'
    ;;
  show)
    printf '%s\n' 'Id=mariadb.service' 'Names=mysql.service mariadb.service' \
      'ActiveState=active' 'UnitFileState=enabled' ''
    printf '%s\n' 'Id=disk\x2da.service' 'Names=disk\x2da.service' \
      'ActiveState=reloading' 'UnitFileState=enabled-runtime' ''
    printf '%s\n' 'Id=dbus-started.service' 'Names=dbus-started.service' \
      'ActiveState=inactive' 'UnitFileState=static'
    ;;
esac
"""


def call(shell: list[str], folder: Path, command: str, *parts: str) -> list[str]:
    """The lines that a function prints; `folder` is the transaction's."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/systemctl").write_text(SYSTEMCTL)
    (folder / "bin/systemctl").chmod(0o755)
    whole = "".join((LIBRARY / part).read_text() for part in parts)
    whole += f"\nset -u\nwith_systemctl() {{ :; }}\ntx={folder}\n{command}\n"
    done = subprocess.run(
        [*shell, "-s"], input=whole, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


class TestServices:
    def test_those_that_run_and_are_enabled(self, shell: list[str], tmp_path: Path) -> None:
        found = call(shell, tmp_path, "running_services", "lib.sh", "state.sh")
        assert found == ["disk\\x2da.service", "mariadb.service"]
        asked = (tmp_path / "bin/asked").read_text().splitlines()
        assert len(asked) == 2
        assert asked[1].split(" -- ")[1].split() == [
            "dbus-started.service",
            "disk\\x2da.service",
            "mariadb.service",
        ]

    @pytest.mark.parametrize(
        "before, ended",
        [
            (["mariadb.service"], []),
            (["mysql.service"], []),  # the update made the old name an alias
            (["disk\\x2da.service"], []),  # reloading is running
            (["dbus-started.service", "mariadb.service"], ["dbus-started.service"]),
            (["gone.service"], ["gone.service"]),
            ([], []),
        ],
    )
    def test_those_that_ended(
        self, shell: list[str], tmp_path: Path, before: list[str], ended: list[str]
    ) -> None:
        (tmp_path / "services").write_text("".join(f"{one}\n" for one in before))
        asking = 'ended_services "$tx/services"'
        assert call(shell, tmp_path, asking, "lib.sh", "state.sh") == ended

    def test_where_systemd_does_not_answer_all_have_ended(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "services").write_text("a.service\nb.service\n")
        asking = 'systemctl() { return 1; }; ended_services "$tx/services"'
        found = call(shell, tmp_path, asking, "lib.sh", "state.sh")
        assert found == ["a.service", "b.service"]

    def test_a_value_is_the_whole_one(self, shell: list[str], tmp_path: Path) -> None:
        asking = "units_with ActiveState 'active|activating' mariadb.service"
        assert call(shell, tmp_path, asking, "lib.sh", "state.sh") == ["mariadb.service"]


class TestOldFiles:
    INSTALLED = """\
plain amd64 1.0-1 ii 10
epoch amd64 2:1.0-1 ii 10
toall amd64 3.0 ii 10
both i386 4.0 ii 10
both amd64 4.0 ii 10
"""
    PACKAGES = """\
plain amd64 upgrade 1.0-1 1.0-2 yes f 1 s
epoch amd64 upgrade 2:1.0-1 2:1.0-2 no f 1 s
toall all upgrade 3.0 3.1 no f 1 s
both amd64 upgrade 4.0 4.1 no f 1 s
fresh amd64 new - 1.0 no f 1 s
"""

    def _call(self, shell: list[str], folder: Path, command: str) -> list[str]:
        (folder / "before").mkdir()
        (folder / "before/installed").write_text(self.INSTALLED)
        (folder / "old").mkdir()
        given = f"packages='{self.PACKAGES}'"
        parts = ("lib.sh", "state.sh", "apt.sh", "apt_files.sh")
        return call(shell, folder, f"{given}\n{command}", *parts)

    def test_each_has_the_name_and_architecture_of_before(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        found = self._call(shell, tmp_path, "going_back /dev/null")
        assert found == [
            "upgrade plain amd64 1.0-1 plain_1.0-1_amd64.deb amd64",
            "upgrade epoch amd64 2:1.0-1 epoch_2%3a1.0-1_amd64.deb amd64",
            "upgrade toall all 3.0 toall_3.0_amd64.deb amd64",
            "upgrade both amd64 4.0 both_4.0_amd64.deb amd64",
            "new fresh amd64 - fresh_-_amd64.deb amd64",
        ]

    def test_what_is_back_need_not_go_back(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "places").write_text(
            "plain amd64 from 1.0-1 ii\nepoch amd64 to 2:1.0-2 ii\ntoall all from 3.0 ii\n"
            "both amd64 other 4.0 iU\nfresh amd64 to 1.0 ii\n"
        )
        found = self._call(shell, tmp_path, 'back_arguments "$tx/places"')
        old = tmp_path / "old"
        assert found == [
            "--allow-downgrades",
            f"{old}/epoch_2%3a1.0-1_amd64.deb",
            f"{old}/both_4.0_amd64.deb",
            "fresh:amd64-",
        ]

    def test_needed_is_what_is_not_there(self, shell: list[str], tmp_path: Path) -> None:
        found = self._call(shell, tmp_path, 'touch "$tx/old/plain_1.0-1_amd64.deb"; need_old')
        assert found == [
            "epoch amd64 2:1.0-1 epoch_2%3a1.0-1_amd64.deb",
            "toall amd64 3.0 toall_3.0_amd64.deb",
            "both amd64 4.0 both_4.0_amd64.deb",
        ]
