"""Rules about hosts give the same answer here and in each shell that may be /bin/sh there."""

import fcntl
import os
import shlex
from pathlib import Path

import pytest
from host_shells import LIBRARY, ask, shells

from patchctl.models import host_rules, kernel_names
from patchctl.models.plan import Action


def mapped(path: str, pid: int = 7, mode: str = "r--p") -> str:
    return f"/proc/{pid}/maps:7f10a000-7f10b000 {mode} 00000000 fd:01 4711    {path} (deleted)\n"


LAST = "(standard input):patchctl (deleted)\n"


@shells
class TestReplacedFiles:
    @pytest.mark.parametrize(
        "path",
        ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/lib/ld.so", "/opt/app/bin/a b", "/sbin/init"],
    )
    def test_files_of_the_system_count(self, shell: list[str], path: str) -> None:
        assert ask(shell, "replaced_files", mapped(path) + LAST) == (0, [f"7\t{path}"])

    @pytest.mark.parametrize(
        "path", ["/var/ossec/lib/libwazuhext.so", "/srv/app/server", "/etc/app/plugin.so"]
    )
    def test_elsewhere_only_code_counts(self, shell: list[str], path: str) -> None:
        assert ask(shell, "replaced_files", mapped(path) + LAST) == (0, [])
        code = mapped(path, mode="r-xp")
        assert ask(shell, "replaced_files", mapped(path) + code + LAST) == (0, [f"7\t{path}"])

    @pytest.mark.parametrize(
        "path",
        ["/memfd:jit", "/dev/zero", "/SYSV00000000", "/tmp/ffi1", "/home/me/a.out", "[anon:x]"],
    )
    def test_what_no_package_brought_does_not(self, shell: list[str], path: str) -> None:
        assert ask(shell, "replaced_files", mapped(path, mode="rwxp") + LAST) == (0, [])

    def test_each_file_of_a_process_is_told_once(self, shell: list[str]) -> None:
        given = mapped("/usr/a") + mapped("/usr/a", mode="r-xp") + mapped("/usr/a", 8) + LAST
        assert ask(shell, "replaced_files", given) == (0, ["7\t/usr/a", "8\t/usr/a"])

    def test_the_connection_that_asks_does_not_count(self, shell: list[str]) -> None:
        given = mapped("/usr/sbin/sshd", 70) + mapped("/usr/sbin/sshd", 7) + LAST
        assert ask(shell, "replaced_files 70 71", given) == (0, ["7\t/usr/sbin/sshd"])

    def test_what_was_not_read_to_its_end_is_no_answer(self, shell: list[str]) -> None:
        assert ask(shell, "replaced_files", mapped("/usr/a"))[0] != 0
        forged = mapped("/usr/a") + mapped("/x:patchctl")
        assert ask(shell, "replaced_files", forged)[0] != 0

    def test_grep_finds_the_last_line(self, shell: list[str]) -> None:
        asking = 'printf "%s\\n" "$LAST_REPLACED" | grep -H "$REPLACED" - | replaced_files'
        assert ask(shell, asking) == (0, [])

    def test_own_processes_are_this_shell_and_what_started_it(self, shell: list[str]) -> None:
        code, (line,) = ask(shell, "own_processes; echo")
        assert code == 0
        assert str(os.getpid()) in line.split()


@shells
class TestWhatWaitsForAReboot:
    @pytest.mark.parametrize("name", ["WAITS_FOR_REBOOT", "LOGINS"])
    def test_the_controller_has_the_same_list(self, shell: list[str], name: str) -> None:
        assert ask(shell, f'echo "${name}"') == (0, list(getattr(host_rules, name)))

    @pytest.mark.parametrize(
        ("unit", "waits", "login"),
        [
            ("systemd-logind.service", True, False),
            ("gdm3.service", True, False),
            ("openvpn-server@site.service", True, False),
            ("init.scope", True, False),
            ("user@1000.service", False, True),
            ("session-4.scope", False, True),
            ("serial-getty@ttyS0.service", False, True),
            ("nginx.service", False, False),
            ("dbus.service.d", False, False),
            ("", False, False),
        ],
    )
    def test_both_judge_a_unit_alike(
        self, shell: list[str], unit: str, waits: bool, login: bool
    ) -> None:
        assert (host_rules.waits_for_reboot(unit), host_rules.is_login(unit)) == (waits, login)
        code, _ = ask(shell, f"is_one_of '{unit}' \"$WAITS_FOR_REBOOT\"")
        assert (code == 0) is waits
        text = (LIBRARY / "state.sh").read_text()
        restarted = f"{text}\nkeeps_running '{unit}'"
        assert (ask(shell, restarted)[0] == 0) is (waits or login)

    def test_own_work_is_never_restarted(self, shell: list[str]) -> None:
        text = (LIBRARY / "state.sh").read_text()
        assert ask(shell, f"{text}\nkeeps_running patchctl-t-1-apply-1.service") == (0, [])


@shells
class TestRoomInBoot:
    def test_the_controller_has_the_same_number(self, shell: list[str]) -> None:
        assert ask(shell, 'echo "$KERNEL_KIB"') == (0, [str(host_rules.KERNEL_KIB)])

    @pytest.mark.parametrize(
        ("changes", "kernels"),
        [
            ([], 0),
            ([("libssl3", "upgrade"), ("linux-image-amd64", "upgrade")], 0),
            ([("linux-image-amd64", "upgrade"), ("linux-image-6.1.0-50-amd64", "new")], 1),
            ([("linux-image-6.1.0-50-amd64", "new"), ("linux-image-6.12.1-cloud-amd64", "new")], 2),
            ([("linux-image-unsigned-5.15.0-91-generic", "new"), ("dracut", "upgrade")], 1),
            ([("linux-image-6.1.0-50-amd64", "upgrade")], 1),
            ([("initramfs-tools", "upgrade"), ("grub-pc", "upgrade")], 1),
            ([("linux-image-6.1.0-40-amd64", "remove")], 0),
            ([("kernel", "new"), ("kernel-core", "new"), ("kernel-modules", "new")], 1),
            ([("kernel-core", "new"), ("kernel-uek", "new"), ("kernel-64k-core", "new")], 3),
            ([("kernel-core", "remove"), ("kernel-tools", "upgrade")], 0),
            ([("kernel6.12", "new"), ("microcode_ctl", "upgrade")], 1),
            ([("microcode_ctl", "upgrade"), ("grub2-efi-x64", "upgrade")], 1),
        ],
    )
    def test_each_kernel_that_comes_takes_as_much(
        self, shell: list[str], changes: list[tuple[str, str]], kernels: int
    ) -> None:
        kib = kernels * host_rules.KERNEL_KIB
        assert host_rules.boot_kib((name, Action(action)) for name, action in changes) == kib
        lines = "".join(f"{name} {action}\n" for name, action in changes)
        assert ask(shell, "boot_kib", lines) == (0, [str(kib)])


@shells
class TestReboot:
    DEBIAN = ("6.1.0-9-amd64", "6.1.0-10-amd64")
    PI = ("6.1.0-rpi7-rpi-v8", "6.1.0-rpi7-rpi-2712", "6.1.0-rpi8-rpi-v8", "6.1.0-rpi8-rpi-2712")
    EL = ("0-rescue-4ac9", "5.14.0-427.9.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64")

    @pytest.mark.parametrize(
        ("running", "installed", "waiting"),
        [
            ("6.1.0-9-amd64", DEBIAN, "6.1.0-10-amd64"),
            ("6.1.0-10-amd64", DEBIAN, ""),
            ("6.1.0-8-amd64", DEBIAN, ""),  # booted from elsewhere
            ("6.1.0-9-amd64", (*DEBIAN, "6.5.0-0.deb12.4-amd64"), "6.5.0-0.deb12.4-amd64"),
            ("6.1.0-10-amd64", (*DEBIAN, "6.12.0-1-cloud-amd64"), ""),
            ("6.12.41+deb13-amd64", ("6.12.41+deb13-amd64", "6.12.43+deb13-amd64"),
             "6.12.43+deb13-amd64"),
            ("6.1.0-rpi7-rpi-v8", PI, "6.1.0-rpi8-rpi-v8"),
            ("6.1.0-rpi8-rpi-v8", PI, ""),
            ("5.15.0-91-generic", ("5.15.0-91-generic", "5.15.0-100-generic"),
             "5.15.0-100-generic"),
            ("5.14.0-427.9.1.el9_4.x86_64", EL, "5.14.0-427.13.1.el9_4.x86_64"),
            ("5.14.0-427.13.1.el9_4.x86_64", (*EL, "5.14.0-503.el9.x86_64+rt"), ""),
            ("5.14.0-427.13.1.el9_4.x86_64", (*EL, "5.15.0-200.el9uek.x86_64"), ""),
            ("6.1.0-10-amd64", (), ""),
            ("", DEBIAN, ""),
        ],
    )  # fmt: skip
    def test_both_find_the_kernel_that_waits(
        self, shell: list[str], running: str, installed: tuple[str, ...], waiting: str
    ) -> None:
        assert host_rules.waiting_kernel(running, installed, managed=True) == waiting
        assert host_rules.waiting_kernel(running, installed, managed=False) == ""
        lines = "".join(f"{name}\n" for name in installed)
        answer = ask(shell, f"newest_kernel '{running}'", lines)
        assert answer == (0, [waiting] if waiting else [])

    HOST = "uname() { echo 6.1.0-9-amd64; }; list_kernels() { printf '6.1.0-9-amd64\\n%s\\n' "

    @pytest.mark.parametrize(
        ("other", "marked", "container", "wanted"),
        [
            ("6.1.0-8-amd64", False, False, False),
            ("6.1.0-10-amd64", False, False, True),
            ("6.1.0-10-amd64", False, True, False),
            ("6.1.0-8-amd64", True, False, True),
            ("6.1.0-8-amd64", True, True, True),
        ],
    )
    def test_a_marker_or_a_kernel_wants_one(
        self, shell: list[str], other: str, marked: bool, container: bool, wanted: bool
    ) -> None:
        given = f"{self.HOST} {other}; }}; reboot_marked() {{ {str(marked).lower()}; }}"
        given += f"; in_container() {{ {str(container).lower()}; }}"
        code, lines = ask(shell, f"{given}; reboot_wanted")
        assert (code == 0, lines) == (wanted, [])

    @pytest.mark.parametrize(
        ("answer", "wanted"), [("true", False), ("echo glibc", True), ("return 1", True)]
    )
    def test_what_the_package_manager_cannot_tell_wants_one(
        self, shell: list[str], answer: str, wanted: bool
    ) -> None:
        given = f"{self.HOST} 6.1.0-8-amd64; }}; reboot_marked() {{ false; }}"
        given += f"; of_manager() {{ {answer}; }}"
        code, _ = ask(shell, f"{given}; reboot_wanted")
        assert (code == 0) is wanted


@shells
class TestWhichNamesAreKernels:
    NAMES = (
        "kernel", "kernel-core", "kernel-rt", "kernel-rt-core", "kernel-64k-core", "kernel-uek",
        "kernel-uek-core", "kernel-debug-core", "kernel6.12", "kernel-lt", "kernel-default-base",
        "kernel-uki-virt", "kernel-rt-64k-core", "kernel-modules", "kernel-devel", "kernel-tools",
        "kernel-headers", "kernel-core-extra", "kernelshark", "kernel-uki-virt-addons", "bash",
    )  # fmt: skip

    def test_both_sides_know_the_same_of_rpm(self, shell: list[str]) -> None:
        given = "".join(f"{name}\n" for name in self.NAMES)
        told = ask(shell, "MANY=$UNVERSIONED_KERNEL awk '$1 ~ ENVIRON[\"MANY\"]'", given)
        assert told == (0, [name for name in self.NAMES if kernel_names.is_rpm_image(name)])
        assert len(told[1]) == 13

    def test_both_sides_know_the_same_of_deb(self, shell: list[str]) -> None:
        images = ["linux-image-6.1.0-9-amd64", "linux-image-unsigned-6.8.0-1-generic"]
        names = [*images, "linux-image-amd64", "linux-headers-6.1.0-9-amd64"]
        given = "".join(f"{name}\n" for name in names)
        told = ask(shell, "ONE=$VERSIONED_KERNEL awk '$1 ~ ENVIRON[\"ONE\"]'", given)
        assert told == (0, [name for name in names if kernel_names.is_deb_image(name)])
        assert told[1] == images


@pytest.mark.parametrize(
    ("package", "reboot"),
    [
        ("linux-image-6.1.0-50-amd64", True),
        ("linux-image-amd64", True),
        ("kernel-core", True),
        ("kernel-uek", True),
        ("kernel-rt-devel", False),
        ("libc6", True),
        ("glibc", True),
        ("dbus", True),
        ("libc-bin", False),
        ("bash", False),
    ],
)
def test_what_takes_effect_by_a_reboot(package: str, reboot: bool) -> None:
    assert host_rules.takes_effect_by_reboot(package) is reboot


@shells
class TestUpdaters:
    def test_the_controller_has_the_same_units(self, shell: list[str]) -> None:
        at_work: set[str] = set()
        for manager in ("apt", "dnf", "none"):
            _, working = ask(shell, f"manager={manager}; updaters_at_work")
            _, asked = ask(shell, f"manager={manager}; updaters")
            assert set(" ".join(working).split()) < set(" ".join(asked).split())
            at_work |= set(" ".join(working).split())
        assert at_work == set(host_rules.UPDATERS_AT_WORK)

    @pytest.mark.parametrize(
        ("settings", "on"),
        [
            ({}, False),
            ({"Unattended-Upgrade": "1"}, True),
            ({"Unattended-Upgrade": "always"}, True),
            ({"Unattended-Upgrade": "7d", "Enable": "1"}, True),
            ({"Unattended-Upgrade": "1", "Enable": "0"}, False),
            ({"Unattended-Upgrade": "0"}, False),
            ({"Unattended-Upgrade": ""}, False),
            ({"Unattended-Upgrade": "No"}, False),
            ({"Update-Package-Lists": "1"}, False),
        ],
    )
    def test_both_read_apts_settings_alike(
        self, shell: list[str], settings: dict[str, str], on: bool
    ) -> None:
        named = {f"APT::Periodic::{name}": value for name, value in settings.items()}
        assert host_rules.apt_upgrades_itself(named) is on
        lines = "".join(f'{name} "{value}";\n' for name, value in named.items())
        code, said = ask(shell, "apt_upgrades_itself", f'APT "";\n{lines}')
        assert (code == 0, said) == (on, [])

    @pytest.mark.parametrize(
        ("settings", "on"),
        [
            ("", False),
            ("[commands]\napply_updates = yes\n", True),
            ("apply_updates=True\r\n", True),
            ("apply_updates = no\n", False),
            ("apply_updates = yes\n[x]\napply_updates = no\n", False),
            ("#apply_updates = yes\ndownload_updates = yes\n", False),
        ],
    )
    def test_dnf_automatic_is_read(self, shell: list[str], settings: str, on: bool) -> None:
        assert ask(shell, "dnf_upgrades_itself", settings) == (0 if on else 1, [])


@shells
class TestWhoWorksWithThePackageManager:
    @pytest.mark.parametrize("name", ["APT_LISTS_LOCK", "DNF_LISTS_LOCK"])
    def test_both_sides_know_who_only_brings_lists(self, shell: list[str], name: str) -> None:
        known = getattr(host_rules, name)
        assert ask(shell, f'echo "${name}"') == (0, [known])
        assert known in host_rules.LISTS_LOCKS

    def test_files_that_name_their_holder_are_told_while_it_lives(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        lives, gone, broken = (tmp_path / name for name in ("lives", "gone", "broken"))
        lives.write_text(f"{os.getpid()}")
        gone.write_text("4194999\n")
        broken.write_text("../1\n")
        files = " ".join(shlex.quote(str(file)) for file in (gone, broken, lives, tmp_path / "no"))
        me = Path("/proc/self/comm").read_text().strip()
        told = ask(shell, f"lock_holders() {{ :; }}; dnf_lock_holders {files}")
        assert told == (0, [f"{os.getpid()}\t{lives}\t{me}"])
        assert ask(shell, "lock_holders() { return 1; }; dnf_lock_holders")[0] != 0

    def test_each_locked_file_is_told_with_its_process_in_their_order(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        files = [tmp_path / name for name in ("first", "free", "second", "missing")]
        asking = "lock_holders " + " ".join(shlex.quote(str(file)) for file in files)
        me = Path("/proc/self/comm").read_text().strip()
        with files[0].open("w") as first, files[1].open("w"), files[2].open("w") as second:
            fcntl.lockf(second, fcntl.LOCK_EX)
            fcntl.lockf(first, fcntl.LOCK_EX)
            told = ask(shell, asking)
        rows = [f"{os.getpid()}\t{file}\t{me}" for file in (files[0], files[2])]
        assert told == (0, rows)
        assert ask(shell, asking) == (0, [])

    def test_a_lock_that_apt_does_not_meet_is_none(self, shell: list[str], tmp_path: Path) -> None:
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert ask(shell, f"lock_holders {shlex.quote(file.name)}") == (0, [])

    def test_what_the_kernel_does_not_tell_is_no_answer(self, shell: list[str]) -> None:
        assert ask(shell, "awk() { return 2; }; lock_holders /etc/passwd")[0] != 0


@shells
@pytest.mark.parametrize(
    "changes",
    [
        [],
        [(Action.UPGRADE, 1_000_000, 3000), (Action.NEW, 77, 0)],
        [(Action.REMOVE, 0, 99_999), (Action.DOWNGRADE, 1, 8)],
        [(Action.UPGRADE, 123_456_789, 1), (Action.UPGRADE, 5000, 7)],
    ],
)
def test_both_sides_know_how_much_room_packages_need(
    shell: list[str], changes: list[tuple[Action, int, int]]
) -> None:
    lines = "".join(f"{action} {size} {kib}\n" for action, size, kib in changes)
    code, (told,) = ask(shell, "packages_kib; echo", lines)
    assert (code, told) == (0, "{} {}".format(*host_rules.packages_kib(changes)))
