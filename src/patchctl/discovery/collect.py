"""Turn the complete answer of a host into `HostFacts`."""

from collections.abc import Mapping, Sequence

from ..models.facts import (
    NOT_ROOT,
    Boot,
    Container,
    HeldLock,
    HiddenUpdate,
    HostFacts,
    Image,
    Kernel,
    Package,
    PackageLists,
    PackageManager,
    PendingUpdate,
    Repository,
)
from ..models.host_rules import waiting_kernel
from ..models.reach import Reason, ReasonCode
from ..protocol import locks
from ..protocol.cleaning import without_logins
from ..protocol.sections import Section, Unparsed, clip, number, split
from .managers import READERS, AnswerParts
from .parsers import containers, sockets, stale, system, systemd, updaters

# The containers of `systemd-detect-virt --list`; its other words are virtual machines.
CONTAINERS = frozenset(
    {"openvz", "lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "rkt", "wsl", "proot"}
    | {"pouch", "container-other"}
)
_NOTES_MAX = 50
# Sections for which "empty" means "all is well": no update is pending, no process runs old files,
# no installation is unfinished, no file system is full.
_GOOD_WHEN_EMPTY = ("pending", "stale", "unfinished", "filesystems")


def parse(output: str, controller_now: int) -> HostFacts:
    """Return the facts in a host's answer, which came in at `controller_now`, epoch seconds UTC.

    No text raises an error: lines that are not understood are in `unparsed`, and what is missing is
    named in `notes`. Login names and addresses are not kept. `problem` says whether the facts are
    complete enough to be used.
    """
    return _Answer(without_logins(output), controller_now).facts()


def problem(facts: HostFacts) -> Reason | None:
    """Return why these facts are not enough to patch or judge the host; None where they are."""
    if not facts.boot.boot_id:
        return Reason(code=ReasonCode.INCOMPLETE, text="the answer is not complete")
    if facts.manager is PackageManager.NONE:
        text = "no package manager that patchctl knows"
        return Reason(code=ReasonCode.NO_MANAGER, text=text)
    if not facts.packages:
        text = "the package list could not be read"
        return Reason(code=ReasonCode.NO_PACKAGES, text=text)
    return None


class _Answer:
    """Parses one answer of a host."""

    def __init__(self, output: str, controller_now: int) -> None:
        self._now = controller_now
        self._unparsed = Unparsed()
        self._sections = split(output, self._unparsed)
        self._who = system.identity(self._lines("identity"), "identity", self._unparsed)
        self._machine = system.identity(self._lines("machine"), "machine", self._unparsed)
        self._manager = _manager(self._who.get("manager", ""))
        self._reader = READERS.get(self._manager)
        self._parts = AnswerParts(
            self._sections,
            self._who.get("architecture", ""),
            controller_now,
            self._skew() or 0,
            self._unparsed,
        )

    def facts(self) -> HostFacts:
        packages, times = self._packages()
        repositories, pending = self._updates(packages)
        kernel = self._kernel()
        required, by = self._reboot(kernel, times)
        states = systemd.states(self._lines("timers"), self._unparsed)
        running_containers, images = self._containers()
        lists = self._lists()
        return HostFacts(
            os=system.os_release(self._lines("os"), self._unparsed),
            manager=self._manager,
            architecture=self._who.get("architecture", ""),
            machine_id=self._who.get("machine-id", ""),
            hostname=self._who.get("hostname", ""),
            kernel=kernel,
            boot=Boot(
                boot_id=self._who.get("boot-id", ""),
                pid1_start=system.start_of_pid1(self._who.get("pid1", "")),
            ),
            packages=packages,
            pending=pending,
            repositories=repositories,
            services=systemd.services(self._lines("units"), self._unparsed),
            failed_units=systemd.failed(self._lines("failed"), self._unparsed),
            listeners=(
                sockets.from_ss(self._lines("sockets"), self._unparsed)
                or sockets.from_proc(self._lines("sockets_proc"), self._unparsed)
            ),
            stale_processes=stale.stale(
                self._lines("stale"),
                self._lines("stale_processes"),
                self._lines("stale_owners"),
                self._lines("replaced"),
                self._manager,
                self._unparsed,
            ),
            file_systems=system.file_systems(
                self._lines("filesystems"), self._lines("mounts"), self._unparsed
            ),
            containers=tuple(running_containers),
            images=tuple(images),
            competing_updaters=updaters.competing(
                self._lines("updaters"), packages, states, self._unparsed
            ),
            virtualization=self._machine.get("virtualization", ""),
            init=self._machine.get("init", ""),
            reboot_required=required,
            reboot_packages=by,
            clock_skew_s=self._skew(),
            lists_updated=self._lists_updated(lists),
            lists=lists,
            package_lock_held=bool(self._lines("locks")),
            notes=self._notes(),
            unread=self._unread(),
            hidden=self._hidden(packages, repositories, pending),
            unparsed=self._unparsed.all(),
            locks=self._locks(),
            unfinished=tuple(clip(line) for line in self._lines("unfinished")),
            streams=tuple(sorted({clip(line) for line in self._lines("streams")})),
        )

    def _lines(self, name: str) -> Sequence[str]:
        section = self._sections.get(name)
        return section.lines if section else ()

    def _packages(self) -> tuple[tuple[Package, ...], Mapping[str, int]]:
        if self._reader is None:
            return (), {}
        installed = self._reader.installed(self._parts)
        return installed.packages, installed.times

    def _updates(
        self, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        return self._reader.updates(self._parts, packages) if self._reader else ((), ())

    def _hidden(
        self,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        """Return security updates that are not pending because of the host's own preferences."""
        if self._reader is None:
            return ()
        return self._reader.hidden(self._parts, packages, repositories, pending)

    def _kernel(self) -> Kernel:
        return Kernel(
            running=self._who.get("kernel", ""),
            installed=tuple(sorted({clip(line) for line in self._lines("kernels")})),
            managed=self._machine.get("virtualization", "") not in CONTAINERS,
        )

    def _reboot(self, kernel: Kernel, times: Mapping[str, int]) -> tuple[bool, tuple[str, ...]]:
        """Return whether a reboot is required, and the packages that require it.

        A newer installed kernel counts besides the platform's marker, because Debian writes a
        marker only where update-notifier or unattended-upgrades is installed.
        """
        marker = self._lines("reboot")
        by = {clip(line) for line in marker[1:]}
        if self._reader:
            by |= set(self._reader.waiting(times, self._booted(), managed=kernel.managed))
        newest = waiting_kernel(kernel.running, kernel.installed, managed=kernel.managed)
        if newest and self._reader:
            by.add(self._reader.kernel_package.format(newest))
        return bool(marker or by), tuple(sorted(by))

    def _booted(self) -> int:
        """Return when PID 1 started, epoch seconds, 0 unknown. A container's differs from the
        kernel's start."""
        since = number(self._who.get("btime", "")) or 0
        ticks = number(self._who.get("ticks", "")) or 100
        start = system.start_of_pid1(self._who.get("pid1", ""))
        return since + start // ticks if since else 0

    def _containers(self) -> tuple[list[Container], list[Image]]:
        running: list[Container] = []
        images: list[Image] = []
        for engine in ("podman", "docker"):
            running += containers.containers(
                engine, self._lines(f"containers_{engine}"), self._unparsed
            )
            images += containers.images(engine, self._lines(f"images_{engine}"), self._unparsed)
        if "containers_crictl" in self._sections:
            running += containers.cri_containers(self._lines("containers_crictl"), self._unparsed)
        if "images_crictl" in self._sections:
            images += containers.cri_images(self._lines("images_crictl"), self._unparsed)
        return running, images

    def _locks(self) -> tuple[HeldLock, ...]:
        held = []
        for line in self._lines("locks"):
            # dnf's own lock files have the process id but no name.
            lock = locks.read(line) or locks.read(f"{line}\ta process")
            if lock is None:
                self._unparsed.add("locks", line)
            else:
                held.append(lock)
        return tuple(held)

    def _skew(self) -> int | None:
        there = number(self._who.get("now", ""))
        return None if there is None else there - self._now

    def _lists(self) -> tuple[PackageLists, ...]:
        sources = self._sections.get("sources")
        return self._reader.lists(self._parts, sources) if sources and self._reader else ()

    def _lists_updated(self, lists: Sequence[PackageLists]) -> int:
        """Return when the oldest lists were fetched, epoch seconds; 0 where some never were."""
        if lists:
            return min(repository.fetched for repository in lists)
        refresh = self._sections.get("refresh")
        if refresh is not None and not refresh.lines and refresh.code == 0:
            return number(self._who.get("now", "")) or self._now
        times = [number(line.strip()) for line in self._lines("lists")]
        return max((time for time in times if time is not None), default=0)

    def _unread(self) -> tuple[str, ...]:
        """Return the sections that are missing or incomplete, of those where empty means well.

        An answer with the package list alone was asked for none of these sections.
        """
        if "repositories" not in self._sections:
            return ()
        asked = (self._sections.get(name) for name in _GOOD_WHEN_EMPTY)
        complete = {section.name for section in asked if section is not None and section.code == 0}
        return tuple(name for name in _GOOD_WHEN_EMPTY if name not in complete)

    def _notes(self) -> tuple[str, ...]:
        reader = self._reader
        lines = (line for line in self._lines("refresh") if not (reader and reader.is_detail(line)))
        notes = [f"refresh: {clip(line)}" for line in lines]
        if self._who.get("uid") != "0":
            notes.append(NOT_ROOT)
        notes += [note for section in self._sections.values() if (note := _section_note(section))]
        return tuple(notes[:_NOTES_MAX])


def _section_note(section: Section) -> str:
    if section.code is None:
        return f"{section.name}: the answer breaks off"
    return f"{section.name}: exit code {section.code}" if section.code else ""


def _manager(name: str) -> PackageManager:
    try:
        return PackageManager(name)
    except ValueError:
        return PackageManager.NONE
