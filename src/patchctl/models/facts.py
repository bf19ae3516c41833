"""The facts that a discovery collects about a host.

Each text came from a host unchanged, and is hostile until it is shown through `cli.output.clean`.
Names and versions of packages match the package manager's grammar; a line that does not match is in
`unparsed`.
"""

from enum import StrEnum

from .base import Model, Record


class PackageManager(StrEnum):
    """The package manager of a host."""

    APT = "apt"
    DNF = "dnf"
    NONE = "none"


class OsRelease(Record):
    """os-release(5): ID, VERSION_ID, VERSION_CODENAME, PRETTY_NAME, ID_LIKE."""

    id: str
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""
    id_like: tuple[str, ...] = ()


class Package(Record):
    """An installed package. Versions are full: `[epoch:]upstream[-revision]`.

    `source`/`source_version` come from the package manager (dpkg `${source:Package}`,
    rpm SOURCERPM). `auto` is apt's automatically-installed mark. `held`: `apt-mark hold`,
    `dnf versionlock`. `status` is dpkg's abbreviated status when it is not `ii`.
    """

    name: str
    version: str
    arch: str
    source: str = ""
    source_version: str = ""
    module: str = ""
    auto: bool = False
    held: bool = False
    status: str = ""


class PendingUpdate(Record):
    """A version newer than the installed one, as the host's own package manager sees it.

    `origin`, `label` and `codename` are those of the repository that delivers `candidate`
    (the Release file's fields; never Suite, which changes when a release becomes oldstable).
    `security` is derived from them: Debian's and Ubuntu's security archives, dnf's advisories.
    `phased` is the percentage of machines that get it now, as its repository says. `deferred`: the
    host's apt would not install it yet, because the host is not among these machines, or the update
    needs another one that is deferred. `replaces` is the installed package that this one replaces
    under a new name; `installed` is empty then.
    """

    name: str
    arch: str
    installed: str
    candidate: str
    origin: str = ""
    label: str = ""
    codename: str = ""
    security: bool = False
    advisories: tuple[str, ...] = ()
    phased: int = 100
    deferred: bool = False
    replaces: str = ""


class HiddenUpdate(Record):
    """A security update in the host's repositories that is not pending. `by` names the reason: a
    pin of the site, `APT::Default-Release`, or an exclude of dnf."""

    name: str
    arch: str
    installed: str
    version: str
    label: str = ""
    codename: str = ""
    by: str = ""


class Repository(Record):
    """An enabled package repository. `dated` is its index's time, epoch seconds UTC, 0 unknown."""

    uri: str
    origin: str = ""
    label: str = ""
    codename: str = ""
    component: str = ""
    dated: int = 0
    trusted: bool = False


class PackageLists(Record):
    """How far the package manager's lists of one repository can be trusted.

    `repository` is named as the package manager names it, without password; empty where the host
    could not name its repositories. `fetched` is when the lists were last known to be good, epoch
    seconds UTC, 0 never. `fault` says why discovery could not read them, or not all of them.
    `optional`: the host's package manager is configured to go on without it. `advisories`: it says
    which updates are security updates; without them none of its updates is one.
    """

    repository: str = ""
    fetched: int = 0
    fault: str = ""
    optional: bool = False
    advisories: bool = True


class Service(Record):
    """A service unit that is active, failed or enabled."""

    name: str
    active: str
    sub: str = ""
    enabled: str = ""


class Listener(Record):
    """A listening socket. `process` is empty where the host does not report it."""

    protocol: str
    address: str
    port: int
    process: str = ""


class MappedPackage(Record):
    """A package of which a process still runs replaced files.

    `version` is what was installed when the process began, by the package manager's log; empty
    where the log does not reach back that far.
    """

    name: str
    arch: str = ""
    version: str = ""


class StaleProcess(Record):
    """A process that still maps deleted or replaced files. `unit` is its service.

    `packages` are the packages that owned these files; some files may have no owner. `started` is
    epoch seconds UTC by the host's clock, 0 unknown.
    """

    pid: int
    command: str
    unit: str = ""
    files: tuple[str, ...] = ()
    started: int = 0
    packages: tuple[MappedPackage, ...] = ()


class FileSystem(Record):
    """Space of a mounted file system that a patch writes to. KiB and inodes."""

    mount: str
    kind: str
    size_kib: int
    free_kib: int
    free_inodes: int = 0


class Container(Record):
    """A container on the host."""

    engine: str
    name: str
    image: str
    image_id: str = ""
    state: str = ""


class Image(Record):
    """A container image on the host."""

    engine: str
    name: str
    image_id: str = ""


class CompetingUpdater(Record):
    """Another program that installs packages by itself: unattended-upgrades, dnf-automatic.

    `state` is `enabled`, `running` or `installed` (present but switched off).
    """

    name: str
    state: str
    detail: str = ""


class HeldLock(Record):
    """The package manager is in use: `process` holds `file`. `pid` is 0 where it is unknown;
    without a file it is a service that installs packages."""

    file: str
    process: str
    pid: int = 0

    @property
    def words(self) -> str:
        """The lock in words: `apt-get (pid 7) holds /var/lib/dpkg/lock-frontend`."""
        if not self.file:
            return f"{self.process} installs packages"
        pid = f" (pid {self.pid})" if self.pid else ""
        return f"{self.process}{pid} holds {self.file}"


class Kernel(Record):
    """The running kernel and the installed ones. `managed` is False in a container."""

    running: str
    installed: tuple[str, ...] = ()
    managed: bool = True


class Boot(Record):
    """The identity of a boot. In a container boot_id alone does not change at a restart.

    `pid1_start` is field 22 of /proc/1/stat in clock ticks; mtimes in /proc and clocks may be
    wrong.
    """

    boot_id: str
    pid1_start: int


class UnparsedLine(Record):
    """A line that no parser understood. It is stored, never dropped."""

    section: str
    line: str


# The note of a host that was discovered without root; stored with facts, so its text is fixed.
NOT_ROOT = "not root on the host: sockets, processes and locks are incomplete"


class HostFacts(Model):
    """Everything that a discovery collected about a host.

    `clock_skew_s` is host minus controller, seconds, None unknown. `reboot_required` comes from
    the platform's own marker or check; `reboot_packages` names the packages that ask for it.
    `notes` are failures during discovery, one line each: a refresh that failed, a section without
    an answer. `unread` are lists that the host could not report whole (`pending`, `stale`,
    `unfinished`, `filesystems`): that they are empty means nothing then. `locks` are those of the
    package manager that were held; `unfinished` is what it began and did not finish, beside
    packages' states. `hidden` are security updates that are not pending only because of the host's
    own preferences. `lists` are all configured repositories; empty where discovery did not ask.
    That `pending` lacks an update means nothing for a repository with a fault or old lists.
    `streams` are the enabled module streams, as NAME:STREAM.
    """

    os: OsRelease
    manager: PackageManager
    architecture: str
    machine_id: str
    hostname: str
    kernel: Kernel
    boot: Boot
    packages: tuple[Package, ...]
    pending: tuple[PendingUpdate, ...]
    repositories: tuple[Repository, ...]
    services: tuple[Service, ...]
    failed_units: tuple[str, ...]
    listeners: tuple[Listener, ...]
    stale_processes: tuple[StaleProcess, ...]
    file_systems: tuple[FileSystem, ...]
    containers: tuple[Container, ...]
    images: tuple[Image, ...]
    competing_updaters: tuple[CompetingUpdater, ...]
    virtualization: str = ""
    init: str = ""
    reboot_required: bool = False
    reboot_packages: tuple[str, ...] = ()
    clock_skew_s: int | None = None
    lists_updated: int = 0
    lists: tuple[PackageLists, ...] = ()
    package_lock_held: bool = False
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    hidden: tuple[HiddenUpdate, ...] = ()
    unparsed: tuple[UnparsedLine, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    unfinished: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()

    @property
    def as_root(self) -> bool:
        """Whether the host was discovered as root."""
        return NOT_ROOT not in self.notes
