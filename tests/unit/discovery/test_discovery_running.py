"""Parse what runs on a host: updaters, units, sockets, processes, containers."""

import pytest

from patchctl.discovery.parsers import (
    sockets,
    system,
    systemd,
    updaters,
)
from patchctl.models import host_rules
from patchctl.models.facts import Package, Service
from patchctl.protocol.sections import Unparsed


@pytest.fixture
def unparsed() -> Unparsed:
    return Unparsed()


class TestUpdaters:
    package = Package(name="unattended-upgrades", version="2.9", arch="all")
    on = (
        'APT::Periodic::Unattended-Upgrade "1";',
        "systemd yes",
    )

    def timer(self, enabled: str = "enabled", active: str = "active") -> dict[str, Service]:
        name = "apt-daily-upgrade.timer"
        return {name: Service(name=name, active=active, enabled=enabled)}

    def state(self, lines: tuple[str, ...], states: dict[str, Service]) -> str:
        (updater,) = updaters.competing(lines, [self.package], states, Unparsed())
        return updater.state

    def test_unattended_upgrades_needs_its_setting_and_its_timer(self) -> None:
        assert self.state(self.on, self.timer()) == "enabled"
        assert self.state(self.on, self.timer("disabled", "inactive")) == "installed"
        assert self.state(self.on[1:], self.timer()) == "installed"
        assert self.state((self.on[0].replace('"1"', '"0"'), "systemd yes"), self.timer()) == (
            "installed"
        )
        off = ('APT::Periodic::Enable "0";', *self.on)
        assert self.state(off, self.timer()) == "installed"

    def test_without_systemd_cron_starts_it(self) -> None:
        assert self.state((self.on[0], "systemd no", "cron apt-compat"), {}) == "enabled"
        assert self.state((self.on[0], "systemd no"), {}) == "installed"

    def test_the_shutdown_helper_is_not_a_run(self) -> None:
        helper = Service(name="unattended-upgrades.service", active="active")
        states = self.timer() | {helper.name: helper}
        assert self.state(self.on, states) == "enabled"
        work = Service(name="apt-daily-upgrade.service", active="activating")
        assert self.state(self.on, states | {work.name: work}) == "running"

    @pytest.mark.parametrize(
        ("unit", "applies", "state"),
        [
            ("dnf-automatic.timer", "yes", "enabled"),
            ("dnf-automatic.timer", "no", "installed"),
            ("dnf-automatic-install.timer", "no", "enabled"),
            ("other.timer", "yes", "installed"),
        ],
    )
    def test_dnf_automatic(self, unit: str, applies: str, state: str) -> None:
        package = Package(name="dnf-automatic", version="4-1", arch="noarch")
        states = {unit: Service(name=unit, active="active", enabled="enabled")}
        lines = [f"apply_updates = {applies}"]
        (updater,) = updaters.competing(lines, [package], states, Unparsed())
        assert updater.state == state

    @pytest.mark.parametrize("enabled", ["enabled", "disabled"])
    def test_a_timer_of_dnf_automatic_counts_without_its_package(self, enabled: str) -> None:
        unit = Service(name="dnf-automatic.timer", active="active", enabled=enabled)
        (updater,) = updaters.competing(["apply_updates = yes"], [], {unit.name: unit}, Unparsed())
        assert updater.state == "enabled"
        assert updaters.competing(["apply_updates = yes"], [], {}, Unparsed()) == ()

    @pytest.mark.parametrize(
        ("unit", "state"),
        [
            # apt wakes it after each run; it installs nothing by itself.
            ("packagekit.service", "installed"),
            ("packagekit-offline-update.service", "running"),
        ],
    )
    def test_packagekit_runs_when_it_updates(self, unit: str, state: str) -> None:
        package = Package(name="packagekit", version="1.2", arch="amd64")
        states = {unit: Service(name=unit, active="active")}
        (updater,) = updaters.competing([], [package], states, Unparsed())
        assert updater.state == state

    def test_nothing_installed_nothing_competes(self) -> None:
        assert updaters.competing(self.on, [], self.timer(), Unparsed()) == ()


class TestTheRunningSystem:
    def test_os_release_is_read_and_not_run(self, unparsed: Unparsed) -> None:
        lines = ['ID="rocky"', "ID_LIKE='rhel fedora'", 'PRETTY_NAME="a \\"b\\" $(id)"', "# x"]
        release = system.os_release(lines, unparsed)
        assert (release.id, release.id_like) == ("rocky", ("rhel", "fedora"))
        assert release.pretty_name == 'a "b" $(id)'

    @pytest.mark.parametrize("line", ["no equals", "id=lower", 'A="open', "A=b c", "=x"])
    def test_strange_lines_of_os_release_are_unparsed(self, unparsed: Unparsed, line: str) -> None:
        system.os_release([line], unparsed)
        assert len(unparsed.all()) == 1

    def test_file_systems_without_inodes_have_none(self, unparsed: Unparsed) -> None:
        lines = [
            "Filesystem 1024-blocks Used Available Capacity Mounted on",
            "/dev/sda 1000 10 990 1% /",
            "Filesystem Inodes IUsed IFree IUse% Mounted on",
            "/dev/sda 0 0 0 - /",
        ]
        (file_system,) = system.file_systems(lines, ["/\tbtrfs"], unparsed)
        assert (file_system.kind, file_system.free_kib, file_system.free_inodes) == (
            "btrfs",
            990,
            0,
        )
        assert unparsed.all() == ()

    @pytest.mark.parametrize(
        ("kernels", "newest"),
        [
            (["6.1.0-9-amd64", "6.1.0-10-amd64"], "6.1.0-10-amd64"),
            (["5.14.0-427.9.el9", "5.14.0-427.13.el9"], "5.14.0-427.13.el9"),
            ([], ""),
        ],
    )
    def test_the_newest_kernel_by_numbers(self, kernels: list[str], newest: str) -> None:
        assert host_rules.newest_kernel(kernels) == newest

    def test_the_start_of_pid_1_is_field_22(self) -> None:
        stat = "1 (a) b) S " + " ".join(str(number) for number in range(4, 53))
        assert system.start_of_pid1(stat) == 22
        assert system.start_of_pid1("") == 0

    def test_units_and_listeners(self, unparsed: Unparsed) -> None:
        services = systemd.services(["getty@tty1.service\tactive\trunning\tenabled"], unparsed)
        assert services[0].name == "getty@tty1.service"
        assert systemd.failed(["{{ x }}.service"], unparsed) == ()
        listeners = sockets.from_ss(
            [
                "Netid State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess",
                'tcp LISTEN 0 128 [::1]:25 [::]:* users:(("master",pid=9,fd=1))',
                "udp UNCONN 0 0 127.0.0.1%lo:323 0.0.0.0:*",
                "tcp LISTEN 0 0 *:99999 *:*",
            ],
            unparsed,
        )
        assert [
            (listener.protocol, listener.address, listener.port, listener.process)
            for listener in listeners
        ] == [
            ("tcp", "::1", 25, "master"),
            ("udp", "127.0.0.1%lo", 323, ""),
        ]
        assert [row.line for row in unparsed.all()] == ["{{ x }}.service"]

    def test_listeners_from_the_kernel(self, unparsed: Unparsed) -> None:
        listeners = sockets.from_proc(
            [
                "tcp\t0100007F:0016\t0A",
                "tcp6\t00000000000000000000000001000000:0050\t0A",
                "tcp\tzz:1\t0A",
            ],
            unparsed,
        )
        assert [(listener.address, listener.port) for listener in listeners] == [
            ("127.0.0.1", 22),
            ("::1", 80),
        ]
        assert len(unparsed.all()) == 1
