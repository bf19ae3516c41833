"""Which kernel would boot, and which packages need a reboot, in each shell of hosts."""

import shlex
import time
from pathlib import Path

import pytest
from host_shells import ask, shells

from patchctl.models import host_rules


@shells
class TestTheKernelThatWouldBeBooted:
    OLD, NEW = "5.14.0-427.9.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"

    def host(self, folder: Path, manager: str = "dnf", grubby: str = "") -> str:
        """A host with two kernels, all their files and a rescue image; the old kernel runs."""
        entries = folder / "loader/entries"
        entries.mkdir(parents=True)
        for version in (self.OLD, self.NEW, "0-rescue-4ac9"):
            (folder / f"vmlinuz-{version}").write_text("image")
            (folder / f"initramfs-{version}.img").write_text("files")
            (entries / f"4ac9-{version}.conf").write_text(
                f"title {version}\nversion {version}\nlinux /vmlinuz-{version} $tuned\n"
            )
        tool = f"have() {{ true; }}; grubby() {{ echo '{grubby}'; }}" if grubby else ""
        return f"""
            manager={manager}
            BOOT={shlex.quote(str(folder))}
            uname() {{ echo {self.OLD}; }}
            in_container() {{ false; }}
            limited() {{ shift; "$@"; }}
            have() {{ false; }}
            {tool}
        """

    def next(self, shell: list[str], host: str) -> str:
        code, lines = ask(shell, f"{host}\nof_manager next_kernel")
        assert code == 0
        return "".join(lines)

    def test_grubby_knows(self, shell: list[str], tmp_path: Path) -> None:
        host = self.host(tmp_path, grubby=f"/boot/vmlinuz-{self.OLD}")
        assert self.next(shell, host) == self.OLD

    @pytest.mark.parametrize("grubby", ["", "grubby fatal error: unable to find"])
    @pytest.mark.parametrize(
        ("saved", "kernel"),
        [
            (None, NEW),
            (f"4ac9-{OLD}", OLD),
            (f"4ac9-{NEW}", NEW),
            ("4ac9-gone", NEW),
            ("0", NEW),
            ("../../etc/passwd", NEW),
        ],
    )
    def test_else_the_boot_loaders_entries(
        self, shell: list[str], tmp_path: Path, grubby: str, saved: str | None, kernel: str
    ) -> None:
        host = self.host(tmp_path, grubby=grubby)
        if saved is not None:
            (tmp_path / "grub2").mkdir()
            (tmp_path / "grub2/grubenv").write_text(f"# GRUB\nsaved_entry={saved}\n####")
        assert self.next(shell, host) == kernel

    def test_nothing_is_said_where_there_are_none(self, shell: list[str], tmp_path: Path) -> None:
        host = self.host(tmp_path)
        for entry in (tmp_path / "loader/entries").iterdir():
            entry.unlink()
        assert self.next(shell, host) == ""

    def test_with_apt_it_is_the_newest_of_its_kind(self, shell: list[str], tmp_path: Path) -> None:
        host = self.host(tmp_path, "apt")
        (tmp_path / "vmlinuz-6.1.0-rt9").write_text("")
        assert self.next(shell, host) == self.NEW
        (tmp_path / f"vmlinuz-{self.NEW}").unlink()
        assert self.next(shell, host) == self.OLD
        (tmp_path / f"vmlinuz-{self.OLD}").unlink()
        assert self.next(shell, host) == ""

    def test_one_that_could_not_run_is_told(self, shell: list[str], tmp_path: Path) -> None:
        asking = f"{self.host(tmp_path)}\nwhy_unbootable {self.OLD} {self.NEW}"
        assert ask(shell, asking) == (0, [])
        (tmp_path / f"initramfs-{self.NEW}.img").write_text("")
        assert ask(shell, asking) == (0, [f"kernel {self.NEW} has no initramfs in {tmp_path}"])
        (tmp_path / f"vmlinuz-{self.NEW}").unlink()
        why = f"kernel {self.NEW} would be booted and is not in {tmp_path}"
        assert ask(shell, asking) == (0, [why])

    def test_a_host_may_do_without_initramfs(self, shell: list[str], tmp_path: Path) -> None:
        asking = f"{self.host(tmp_path)}\nwhy_unbootable {self.OLD} {self.NEW}"
        for image in tmp_path.glob("initramfs-5*"):
            image.unlink()
        assert ask(shell, asking) == (0, [])

    @pytest.mark.parametrize("name", ["initramfs-V.img", "initrd.img-V", "initrd-V"])
    def test_each_name_of_an_initramfs_is_known(
        self, shell: list[str], tmp_path: Path, name: str
    ) -> None:
        asking = f"BOOT={shlex.quote(str(tmp_path))}\nhas_initramfs 6.1"
        assert ask(shell, asking) == (1, [])
        (tmp_path / name.replace("V", "6.1")).write_text("files")
        assert ask(shell, asking) == (0, [])


@shells
class TestRebootOfAHostWithRpm:
    """PID 1 began at 1000; `bash` and `glibc` were installed before that."""

    @staticmethod
    def told(
        shell: list[str], installed: str, tool: str = "false", contained: str = "false"
    ) -> tuple[int, list[str]]:
        given = f"""
            manager=dnf
            booted_at() {{ echo 1000; }}
            in_container() {{ {contained}; }}
            limited() {{ shift; if [ "$1" = rpm ]; then "$@"; else {tool}; fi; }}
            have() {{ true; }}
            rpm() {{
              [ "$*" = '-qa --qf %{{NAME}} %{{INSTALLTIME}}\\n' ] || return
              printf 'bash 900\\nglibc 900\\n{installed}'
            }}
            of_manager reboot_packages"""
        return ask(shell, given)

    @pytest.mark.parametrize(
        ("installed", "waiting"),
        [
            ("", []),
            (r"nginx 2000\n", []),
            (r"glibc 2000\nglibc 900\nnginx 2000\n", ["glibc"]),
            (r"systemd 1001\ndbus 1000\n", ["systemd"]),
            (r"kernel-uek-core 2000\nkernel-tools 2000\n", ["kernel-uek-core"]),
            (r"gpg-pubkey 2000\n", []),
        ],
    )
    def test_core_packages_installed_since_the_boot_want_one(
        self, shell: list[str], installed: str, waiting: list[str]
    ) -> None:
        assert self.told(shell, installed) == (0, waiting)

    def test_every_package_of_the_list_is_known_to_the_controller(self, shell: list[str]) -> None:
        _, (names,) = ask(shell, 'echo "$DNF_REBOOT"')
        assert all(host_rules.takes_effect_by_reboot(name) for name in names.split())

    WORDS = r"Core libraries or services have been updated since boot-up:\n"
    END = r"\nReboot is required to fully utilize these updates.\n"

    @pytest.mark.parametrize(
        ("said", "code", "waiting"),
        [
            (rf"{WORDS}  * zlib\n  * site-agent\n{END}", 1, ["site-agent", "zlib"]),
            (rf"{WORDS}  openssl-libs -> 1:1.0.2k-26\n{END}", 1, ["openssl-libs"]),
            (r"Traceback (most recent call last):\n  * zlib\n", 1, []),
            (rf"{WORDS}  * zlib\n{END}", 137, []),
            (r"No core libraries or services have been updated.\n", 0, []),
        ],
    )
    def test_needs_restarting_adds_to_it_and_is_trusted_only_by_its_own_words(
        self, shell: list[str], said: str, code: int, waiting: list[str]
    ) -> None:
        tool = f"printf '{said}'; return {code}"
        assert self.told(shell, r"nginx 2000\n", tool) == (0, waiting)
        assert self.told(shell, r"glibc 2000\n", tool) == (0, sorted({"glibc", *waiting}))

    def test_it_is_not_asked_where_nothing_is_newer_than_the_boot(self, shell: list[str]) -> None:
        tool = f"printf '{self.WORDS}  * zlib\\n{self.END}'; return 1"
        assert self.told(shell, "", tool) == (0, [])

    def test_no_kernel_waits_in_a_container(self, shell: list[str]) -> None:
        rows = r"kernel-core 2000\nglibc 2000\n"
        assert self.told(shell, rows, contained="true") == (0, ["glibc"])

    @pytest.mark.parametrize("rpm", ["return 1", "true"])
    def test_what_rpm_does_not_tell_is_no_answer(self, shell: list[str], rpm: str) -> None:
        given = f"manager=dnf; limited() {{ {rpm}; }}; of_manager reboot_packages"
        assert ask(shell, given)[0] != 0

    def test_the_boot_is_when_pid_1_began(self, shell: list[str]) -> None:
        code, (moment,) = ask(shell, "booted_at; echo")
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        assert code == 0
        assert time.time() - uptime - 5 < int(moment) <= time.time()

    def test_a_host_without_a_known_manager_has_nothing_to_say(self, shell: list[str]) -> None:
        assert ask(shell, "manager=none; of_manager reboot_packages") == (0, [])
        assert ask(shell, "of_manager reboot_packages") == (0, [])
