"""Single functions of the host scripts, in each shell that may be /bin/sh there."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import HOSTS, LIBRARY, RULES, shells

pytestmark = shells

# systemd's answer to `show`, as the real one: a block for each unit that is asked for, in that
# order, also for one that nobody knows. What is asked stands in `asked`. One unit has an alias, one
# reloads.
SYSTEMCTL = r"""#!/bin/sh
printf '%s\n' "$*" >>"${0%/*}/asked"
case $1 in
  list-units)
    printf '%s\n' '-.mount loaded active mounted Root' \
      'mariadb.service loaded active running MariaDB' \
      '● disk\x2da.service loaded active running Disk' \
      '● broken.service loaded failed failed Broken' \
      'dbus-started.service loaded active running Started by D-Bus' \
      'getty@tty1.service loaded active running Getty'
    ;;
  show)
    while [ "$1" != -- ]; do shift; done
    shift
    for unit; do
      case $unit in
        mariadb.service | mysql.service)
          printf '%s\n' 'Id=mariadb.service' 'Names=mysql.service mariadb.service' \
            'ActiveState=active' 'UnitFileState=enabled' '' ;;
        disk*)
          printf '%s\n' 'Id=disk\x2da.service' 'Names=disk\x2da.service' \
            'ActiveState=reloading' 'UnitFileState=enabled-runtime' '' ;;
        *)
          printf '%s\n' "Id=$unit" "Names=$unit" 'ActiveState=inactive' 'UnitFileState=static' '' ;;
      esac
    done
    ;;
esac
"""


def call(shell: list[str], folder: Path, command: str, *parts: str) -> list[str]:
    """Return the lines that a function prints; `folder` is the folder of the transaction and of the
    call."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/systemctl").write_text(SYSTEMCTL)
    (folder / "bin/systemctl").chmod(0o755)
    whole = "".join(
        path.read_text() for path in (RULES, *HOSTS, *(LIBRARY / part for part in parts))
    )
    whole += f"\nset -u\nwith_systemctl() {{ :; }}\ntx={folder}\ncall={folder}\nBASE={folder}\n"
    whole += f"{command}\n"
    done = subprocess.run(
        [*shell, "-s"], input=whole, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


class TestServices:
    def test_those_that_run_and_are_enabled(self, shell: list[str], tmp_path: Path) -> None:
        asking = 'save "$tx/units" list_units; list_services "$tx/units"'
        lines = call(shell, tmp_path, asking, *STATE)
        assert lines == ["mariadb.service", "disk\\x2da.service"]
        asked = (tmp_path / "bin/asked").read_text().splitlines()
        assert len(asked) == 2
        assert asked[1].split(" -- ")[1].split() == [
            "mariadb.service",
            "disk\\x2da.service",
            "dbus-started.service",
        ]

    def test_those_that_failed(self, shell: list[str], tmp_path: Path) -> None:
        asking = 'save "$tx/units" list_units; list_failed "$tx/units"; lines_of "$tx/units"'
        assert call(shell, tmp_path, asking, *STATE) == ["broken.service", "6"]

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
        (tmp_path / "services").write_text("".join(f"{name}\n" for name in before))
        lines = call(shell, tmp_path, 'list_ended "$tx/services"', *STATE)
        assert lines == [f"asked {len(before)}", *(f"ended {name}" for name in ended)]

    @pytest.mark.parametrize(
        "question",
        [
            "list_units",
            'list_services "$tx/running"',
            'list_ended "$tx/services"',
            "list_units_with ActiveState active a.service",
        ],
    )
    @pytest.mark.parametrize("answer", ["exit 1", "exit 0", "sleep 9", "echo Id=a.service; exit 1"])
    def test_where_systemd_does_not_answer_nothing_is_told(
        self, shell: list[str], tmp_path: Path, question: str, answer: str
    ) -> None:
        (tmp_path / "services").write_text("a.service\nb.service\n")
        (tmp_path / "running").write_text("a.service active running\n")
        (tmp_path / "silent").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "silent").chmod(0o755)
        asking = (
            'mv "$tx/silent" "$tx/bin/systemctl"; call_end=$(($(uptime_s) + 1)); '
            f'if try_save "$tx/told" {question}; then cat "$tx/told"; else echo untold; fi'
        )
        said = call(shell, tmp_path, asking, *STATE)
        if "ended" in question and answer == "exit 0":
            # The caller sees that not all were told of, and those count as ended.
            assert said == ["asked 0", "ended a.service", "ended b.service"]
        else:
            assert said == ["untold"]

    def test_a_value_is_the_whole_one(self, shell: list[str], tmp_path: Path) -> None:
        asking = "list_units_with ActiveState 'active|activating' mariadb.service"
        assert call(shell, tmp_path, asking, *STATE) == ["mariadb.service"]


STATE = ("lib.sh", "base.sh", "state.sh")


class TestWhatIsWritten:
    """A step that cannot write, or whose command fails, never continues with an empty file."""

    @pytest.mark.parametrize(
        ("question", "told"),
        [
            ("printf 'a\\nb\\n'", ["yes", "a", "b"]),
            ("true", ["yes"]),
            ("false", ["no", "false failed (exit code 1)"]),
            ("sh -c 'echo a; exit 3'", ["no", "sh -c failed (exit code 3)"]),
            ("timeout 1 sleep 5", ["no", "timeout 1 does not answer in time"]),
            ("refuse done", ["no", "refuse done failed (exit code 1, cut off)"]),
        ],
    )
    def test_a_whole_answer_or_none(
        self, shell: list[str], tmp_path: Path, question: str, told: list[str]
    ) -> None:
        asking = f'if try_save "$tx/f" {question}; then echo yes; cat "$tx/f"; else echo no; '
        lines = call(shell, tmp_path, f'{asking} echo "$save_error"; fi', "lib.sh", "base.sh")
        assert lines == told

    def test_an_answer_is_kept_as_it_is(self, shell: list[str], tmp_path: Path) -> None:
        given = b"end\n\n a\\b %s $x \xc3\xa9\x81\x88\tend"
        (tmp_path / "given").write_bytes(given)
        call(shell, tmp_path, 'try_save "$tx/f" cat "$tx/given"', "lib.sh", "base.sh")
        assert (tmp_path / "f").read_bytes() == given

    @pytest.mark.parametrize(
        "write", ['try_save "$tx/link" echo a', 'put "$tx/link" a', 'keep "$tx/link" a']
    )
    def test_a_full_disk_is_seen_by_whoever_writes(
        self, shell: list[str], tmp_path: Path, write: str
    ) -> None:
        for name in ("link", "link.part"):
            (tmp_path / name).symlink_to("/dev/full")
        asking = f"if {write} 2>/dev/null; then echo well; else echo full; fi"
        assert call(shell, tmp_path, asking, "lib.sh", "base.sh") == ["full"]

    def test_what_was_laid_aside_is_given_up_for_it(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "reserve").write_bytes(b"0" * 4096)
        (tmp_path / "link").symlink_to("/dev/full")
        asking = 'put "$tx/link" a; echo "$? $reserve_used"; [ -e "$BASE/reserve" ] || echo gone'
        assert call(shell, tmp_path, asking, "lib.sh", "base.sh") == ["1 yes", "gone"]

    def test_save_ends_the_stage_with_the_reason(self, shell: list[str], tmp_path: Path) -> None:
        lines = call(shell, tmp_path, 'save "$tx/f" false; echo on', "lib.sh", "base.sh")
        assert lines == ["reason false failed (exit code 1)", "answer failed"]


class TestWhatIsSaid:
    """A line of an answer is always one line, and has a limited length."""

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (b"two words", b"two words"),
            (b"", b""),
            (b"%s \\n $x *", b"%s \\n $x *"),
            (b"a\nanswer ok\tb\x1b[m\x7f", b"a answer ok b [m "),
            (b"caf\xc3\xa9", b"caf\xc3\xa9"),
            (b"x" * 401, b"x" * 400),
            (b"\x01" + b"x" * 401, b" " + b"x" * 399),
        ],
    )
    def test_it_is_plain(self, shell: list[str], tmp_path: Path, text: bytes, line: bytes) -> None:
        (tmp_path / "text").write_bytes(text)
        asking = 'text=$(cat "$tx/text"); say key "$text" >"$tx/said"; plain "$text" >"$tx/plain"'
        call(shell, tmp_path, asking, "lib.sh")
        assert (tmp_path / "said").read_bytes() == b"key " + line + b"\n"
        assert (tmp_path / "plain").read_bytes().rstrip(b"\n") == line


class TestTime:
    def test_a_mark_of_this_boot_counts_and_no_other(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        asking = (
            'time_mark >"$tx/mark"; seconds_since "$tx/mark"; echo; '
            'echo "0-0-0-0-0 1 5" >"$tx/other"; echo "<$(seconds_since "$tx/other")>"; '
            'echo "<$(seconds_since "$tx/none")>"; : >"$tx/empty"; '
            'echo "<$(seconds_since "$tx/empty")>"; '
            'echo "$(boot_identity) 999999999999" >"$tx/ahead"; '
            'echo "<$(seconds_since "$tx/ahead")>"'
        )
        lines = call(shell, tmp_path, asking, "lib.sh", "base.sh")
        assert lines[0] in ("0", "1") and lines[1:] == ["<>"] * 4

    def test_a_wall_clock_that_is_set_back_changes_no_duration(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        asking = (
            'time_mark >"$tx/mark"; sleep 1; '
            'printf "#!/bin/sh\\necho 5\\n" >"$tx/bin/date"; chmod 755 "$tx/bin/date"; '
            'now; seconds_since "$tx/mark"'
        )
        five, passed = call(shell, tmp_path, asking, "lib.sh", "base.sh")
        assert five == "5" and passed in ("1", "2")

    def test_a_question_ends_with_the_call(self, shell: list[str], tmp_path: Path) -> None:
        asking = "call_end=$(($(uptime_s) + 1)); bounded sleep 30; echo $?; bounded true; echo $?"
        assert call(shell, tmp_path, asking, "lib.sh", "base.sh") == ["124", "124"]


class TestTwoCalls:
    def test_each_has_files_of_its_own_and_the_dead_ones_go(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "call.999999999.1").mkdir(mode=0o700)
        asking = (
            'need_folder() { mkdir -p "$1"; }; open_call; first=$call; '
            '( open_call; [ "$call" != "$first" ] && [ -d "$first" ] && echo apart ); '
            'ls -d "$tx"/call.*'
        )
        apart, left = call(shell, tmp_path, asking, "lib.sh", "base.sh")
        assert apart == "apart" and "999999999" not in left
        assert not list(tmp_path.glob("call.*"))


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
        parts = (*STATE, "manager_apt.sh", "packages.sh", "package_files.sh")
        return call(shell, folder, f"{given}\n{command}", *parts)

    def test_each_has_the_name_and_architecture_of_before(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        lines = self._call(shell, tmp_path, "list_going_back /dev/null")
        assert lines == [
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
        lines = self._call(shell, tmp_path, 'apt_back_arguments "$tx/places"')
        old = tmp_path / "old"
        assert lines == [
            "--allow-downgrades",
            f"{old}/epoch_2%3a1.0-1_amd64.deb",
            f"{old}/both_4.0_amd64.deb",
            "fresh:amd64-",
        ]

    def test_needed_is_what_is_not_there(self, shell: list[str], tmp_path: Path) -> None:
        lines = self._call(shell, tmp_path, 'touch "$tx/old/plain_1.0-1_amd64.deb"; list_need_old')
        assert lines == [
            "epoch amd64 2:1.0-1 epoch_2%3a1.0-1_amd64.deb",
            "toall amd64 3.0 toall_3.0_amd64.deb",
            "both amd64 4.0 both_4.0_amd64.deb",
        ]


class TestFilesOfTheSite:
    """What an undo does with files; /etc is a folder of the test."""

    def _call(self, shell: list[str], folder: Path, command: str) -> list[str]:
        parts = (*STATE, "job.sh", "manager_apt.sh", "packages.sh", "conffiles.sh", "etc.sh")
        given = f'folder={folder}/undo; mkdir -p $folder; need_folder() {{ mkdir -p "$1"; }}'
        return call(shell, folder, f"{given}\n{command}", *parts)

    def test_names_with_backslashes_are_themselves(self, shell: list[str], tmp_path: Path) -> None:
        name = r"srv-my\x2ddata.mount"
        (tmp_path / name).write_text("x")
        (tmp_path / "list").write_text(f"{tmp_path}/{name}\n{tmp_path}/gone\n")
        (line,) = self._call(shell, tmp_path, 'list_sums "$tx/list"')
        assert line == f"9dd4e461268c8034f5c8564e155c67a6  {tmp_path}/{name}"
        (tmp_path / "list").write_text(f"{str(tmp_path)[1:]}/{name}\n")
        (line,) = self._call(shell, tmp_path, 'list_etc_sums "$tx/list"')
        assert line == f"9dd4e461268c8034f5c8564e155c67a6  {str(tmp_path)[1:]}/{name}"

    def test_what_the_manager_lays_into_etc_is_not_kept(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "etc").mkdir()
        for name in ("site.conf", "site.conf.dpkg-old", "site.conf.ucf-dist", "shadow-", "hosts"):
            (tmp_path / "etc" / name).write_text("x")
        (tmp_path / "x.dpkg-old").write_text("the globs are not of this folder")
        assert self._call(shell, tmp_path, 'cd "$tx" && find_etc') == ["etc/site.conf"]

    def test_files_in_etc_that_a_script_changed_or_kept_are_told(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        for name in ("etc", "before/conffiles"):
            (tmp_path / name).mkdir(parents=True)
        for name in (
            "a.conf",
            "sshd_config",
            "sshd_config.ucf-dist",
            "old.ucf-dist",
            "c.dpkg-dist",
        ):
            (tmp_path / "etc" / name).write_text("x")
        here = str(tmp_path)[1:]
        (tmp_path / "etc/noted").write_text("1")
        (tmp_path / "etc/changed").write_text(f"{here}/etc/a.conf\n{here}/etc/gone\n")
        (tmp_path / "etc/beside").write_text(f"{here}/etc/old.ucf-dist\n")
        (tmp_path / "before/conffiles/watched").write_text(f"/{here}/etc/c\n")  # said elsewhere
        script = f'list_beside() {{ find {here}/etc -name "*-dist"; }}; cd /; say_etc'
        assert self._call(shell, tmp_path, script) == [
            f"config-changed /{here}/etc/a.conf -",
            f"config-kept /{here}/etc/sshd_config /{here}/etc/sshd_config.ucf-dist",
        ]
        looked = 'cd() { command cd "$tx"; }; list_beside | sort'
        assert self._call(shell, tmp_path, looked) == [
            "etc/c.dpkg-dist", "etc/old.ucf-dist", "etc/sshd_config.ucf-dist"
        ]  # fmt: skip

    def test_a_file_comes_back_in_the_place_of_a_link(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "old").write_text("old\n")
        (tmp_path / "other").write_text("other\n")
        (tmp_path / "x.conf").symlink_to(tmp_path / "other")
        assert self._call(shell, tmp_path, 'put_back "$tx/old" "$tx/x.conf"') == []
        assert not (tmp_path / "x.conf").is_symlink()
        assert (tmp_path / "x.conf").read_text() == "old\n"
        assert (tmp_path / "other").read_text() == "other\n"

    def test_what_cannot_be_put_back_leaves_what_is_there(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "x.conf").write_text("new\n")
        command = 'cp() { return 1; }; put_back "$tx/old" "$tx/x.conf"; echo $?'
        assert self._call(shell, tmp_path, command) == ["1"]
        assert (tmp_path / "x.conf").read_text() == "new\n"
        assert not list(tmp_path.glob(".x*"))

    BEFORE, LEFT, EDITED = "before", "left by the update", "edited"

    @pytest.mark.parametrize(
        ("now", "noted", "edited"),
        [
            (LEFT, True, False),
            (BEFORE, True, False),
            (EDITED, True, True),
            (None, True, True),
            # Nobody wrote down how the update left it: it may be somebody's.
            (LEFT, False, True),
            (BEFORE, False, False),
        ],
    )
    def test_what_somebody_edited(
        self, shell: list[str], tmp_path: Path, now: str | None, noted: bool, edited: bool
    ) -> None:
        file = tmp_path / "x.conf"
        (tmp_path / "watched").write_text(f"{file}\n")
        for state, name in ((self.BEFORE, "sums"), (self.LEFT, "after")):
            file.write_text(state)
            (line,) = self._call(shell, tmp_path, 'list_sums "$tx/watched"')
            (tmp_path / name).write_text(f"{line}\n")
        if noted:
            (tmp_path / "noted").write_text("1\n")
        file.unlink()
        if now is not None:
            file.write_text(now)
        lines = self._call(shell, tmp_path, 'list_edited "$tx" "$tx/watched"')
        assert lines == ([str(file)] if edited else [])


class TestProcessesOnReplacedFiles:
    def test_a_process_on_a_replaced_file_is_told_with_how_many_were_looked_at(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        line = 'echo "/proc/$PPID/maps:1-2 r-xp 0 fd:01 7 /usr/x (deleted)"'
        last = 'echo "(standard input):$LAST_REPLACED"'
        given = f"bounded() {{ cat >/dev/null; {line}; {last}; }}; own_processes() {{ :; }}"
        *stale, asked = call(shell, tmp_path, f"{given}; list_stale", *STATE)
        assert [line.split()[0] for line in stale] == [str(os.getpid())]
        assert int(asked.removeprefix("asked ")) > 0

    def test_a_look_that_was_cut_off_is_no_answer(self, shell: list[str], tmp_path: Path) -> None:
        asking = "bounded() { cat >/dev/null; return 124; }; list_stale || echo untold"
        assert call(shell, tmp_path, asking, *STATE) == ["untold"]


def test_room_is_asked_for_in_boot_where_a_kernel_comes(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "installed.now").write_text("libssl3 amd64 3.0.15-1 ii 6000\n")
    rows = (
        "libssl3 amd64 upgrade 3.0.15-1 3.0.17-1 yes f 1024000 -",
        "linux-image-6.1.0-50-amd64 amd64 new - 6.1.176-1 no f 1024000 -",
    )
    given = "packages='" + "".join(f"{row}\n" for row in rows) + "'"
    (said,) = call(shell, tmp_path, f"{given}; space_needed; echo", *STATE, "package_checks.sh")
    assert said.split()[2] == "98304"
    (said,) = call(shell, tmp_path, "packages='libc6 amd64 new - 1 no f 9 -\n'; space_needed; echo",
                   *STATE, "package_checks.sh")  # fmt: skip
    assert said.split()[2] == "0"


class TestUpdatersAreHeld:
    """Updaters are stopped and started again as they were. Calls of systemctl are in `did`;
    `a.timer` runs, `idle.timer` is only enabled."""

    GIVEN = """
bounded() {
  case "$*" in
    *'is-active'*idle*) return 3 ;;
    *'is-active'*) return 0 ;;
  esac
  printf '%s\\n' "$*" >>"$tx/did"
}
list_competing_updaters() { :; }
updaters=hold-for-run
"""

    def _call(self, shell: list[str], folder: Path, competing: str, command: str) -> list[str]:
        (folder / "competing").write_text(competing)
        command = f"{self.GIVEN}\n{command}\necho $?"
        (code,) = call(shell, folder, command, *STATE, "package_checks.sh")
        did = folder / "did"
        return [code, *(did.read_text().splitlines() if did.exists() else [])]

    def test_one_that_runs_is_started_again(self, shell: list[str], tmp_path: Path) -> None:
        told = self._call(shell, tmp_path, "a.timer\n", "hold_updaters; release_updaters")
        assert [line.removeprefix("systemctl ") for line in told] == [
            "0", "stop a.timer", "mask --runtime a.timer", "unmask --runtime a.timer",
            "start a.timer",
        ]  # fmt: skip
        assert not list(tmp_path.glob("updaters*"))

    def test_one_that_is_only_enabled_is_not(self, shell: list[str], tmp_path: Path) -> None:
        told = self._call(shell, tmp_path, "idle.timer\n", "hold_updaters; release_updaters")
        assert told[-1] == "systemctl unmask --runtime idle.timer"

    def test_but_a_boot_starts_it(self, shell: list[str], tmp_path: Path) -> None:
        steps = "hold_updaters; hold_again; release_updaters"
        assert self._call(shell, tmp_path, "idle.timer\n", steps)[-1] == (
            "systemctl start idle.timer"
        )

    def test_one_that_was_held_before_is_not_taken_for_idle(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "updaters").write_text("idle.timer\n")
        told = self._call(shell, tmp_path, "idle.timer\n", "hold_updaters; release_updaters")
        assert told[-1] == "systemctl start idle.timer"

    def test_what_cron_starts_cannot_be_held(self, shell: list[str], tmp_path: Path) -> None:
        assert self._call(shell, tmp_path, "/etc/cron.daily/apt-compat\n", "hold_updaters") == ["1"]
        assert not list(tmp_path.glob("updaters*"))
