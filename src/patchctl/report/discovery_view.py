"""Show the result of a discovery to people and programs. Pure: models to lines and builtins.

Text from hosts is not cleaned here: the caller cleans it before it reaches a terminal.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.facts import HostFacts, PackageLists, PendingUpdate, StaleProcess
from ..models.snapshot import HostResult, HostStatus, Snapshot, SnapshotSummary
from ..models.state import HostHistory, Known
from ..models.words import count, moment, more, some
from .view import Figures, Note, Part, Table, View

# Progress names each host in a fleet of at most this many. In a larger one it names only hosts that
# failed, and shows a count after every twentieth of the fleet.
_TELL_ALL = 40
_LIST_MAX = 12


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Return the data of `discover -o json`. Fields that need an answer of the host are null
    without one.
    """
    return {
        "snapshot": snapshot.id,
        "taken": snapshot.taken,
        "elapsed_s": round(snapshot.elapsed_ms / 1000, 1),
        "ok": _count(snapshot, HostStatus.OK),
        "unreachable": _count(snapshot, HostStatus.UNREACHABLE),
        "failed": _count(snapshot, HostStatus.FAILED),
        "hosts": [_host(host) for host in snapshot.hosts],
    }


def _count(snapshot: Snapshot, status: HostStatus) -> int:
    return sum(host.status is status for host in snapshot.hosts)


def _host(host: HostResult) -> dict[str, Any]:
    facts = host.facts
    known: dict[str, Any] = {
        "os": None,
        "manager": None,
        "kernel_running": None,
        "packages": None,
        "pending": None,
        "pending_security": None,
        "reboot_required": None,
        "failed_units": None,
        "stale_processes": None,
        "competing_updaters": None,
        "containers": None,
        "clock_skew_s": None,
        "lists_updated": None,
        "could_not_look": None,
        "notes": None,
        "unparsed": None,
    }
    if facts is not None:
        known |= _facts(facts)
    return {
        "name": host.name,
        "status": host.status.value,
        "reason": host.reason,
        **known,
        "elapsed_s": round(host.elapsed_ms / 1000, 1),
    }


def _facts(facts: HostFacts) -> dict[str, Any]:
    return {
        "os": {
            "id": facts.os.id,
            "version_id": facts.os.version_id,
            "pretty_name": facts.os.pretty_name,
        },
        "manager": facts.manager.value,
        "kernel_running": facts.kernel.running,
        "packages": len(facts.packages),
        "pending": len(facts.pending),
        "pending_security": _security(facts),
        "reboot_required": facts.reboot_required,
        "failed_units": list(facts.failed_units),
        "stale_processes": len(facts.stale_processes),
        "competing_updaters": [
            {"name": updater.name, "state": updater.state} for updater in facts.competing_updaters
        ],
        "containers": len(facts.containers),
        "clock_skew_s": facts.clock_skew_s,
        "lists_updated": facts.lists_updated,
        "could_not_look": [
            {"repository": repository.repository, "reason": repository.fault}
            for repository in _faulty(facts)
        ],
        "notes": list(facts.notes),
        "unparsed": len(facts.unparsed),
    }


def _faulty(facts: HostFacts) -> list[PackageLists]:
    return [repository for repository in facts.lists if repository.fault]


def _security(facts: HostFacts) -> int:
    return sum(update.security for update in facts.pending)


HEADER = ("HOST", "STATUS", "SYSTEM", "PACKAGES", "PENDING", "SECURITY", "REBOOT", "REMARKS")


def rows(snapshot: Snapshot) -> list[Sequence[str]]:
    """Return a row for each host, for columns HEADER."""
    return [_row(host) for host in snapshot.hosts]


def _row(host: HostResult) -> Sequence[str]:
    facts = host.facts
    if facts is None:
        return (host.name, host.status.value, "-", "-", "-", "-", "-", host.reason)
    return (
        host.name,
        host.status.value,
        system(facts),
        str(len(facts.packages)),
        str(len(facts.pending)),
        str(_security(facts)),
        "yes" if facts.reboot_required else "no",
        "; ".join(remarks(facts)),
    )


def system(facts: HostFacts) -> str:
    """Return distribution and version: `debian 12`."""
    return f"{facts.os.id} {facts.os.version_id}".strip() or "unknown"


def remarks(facts: HostFacts) -> list[str]:
    """Return what an operator should know before this host is patched."""
    lines = []
    if facts.failed_units:
        lines.append(f"failed units: {some(facts.failed_units)}")
    if facts.stale_processes:
        lines.append(f"{count(len(facts.stale_processes), 'process')} on replaced files")
    lines += [
        f"{updater.name} {updater.state}"
        for updater in facts.competing_updaters
        if updater.state in ("enabled", "running")
    ]
    if facts.locks:
        lines.append(facts.locks[0].words)
    elif facts.package_lock_held:
        lines.append("a package operation is running")
    if facts.clock_skew_s is not None and abs(facts.clock_skew_s) > 60:
        lines.append(f"clock is off by {facts.clock_skew_s} s")
    if faulty := _faulty(facts):
        lines.append(f"could not look at: {some([_fault(repository) for repository in faulty], 1)}")
    if facts.notes:
        lines.append(some(facts.notes, 1))
    if facts.unparsed:
        lines.append(f"{count(len(facts.unparsed), 'line')} not understood")
    return lines


def _fault(lists: PackageLists) -> str:
    return f"{lists.repository}: {lists.fault}" if lists.repository else lists.fault


def closing(snapshot: Snapshot) -> str:
    """Return the last line: `6 hosts in 3.1 s: 5 ok, 1 unreachable; snapshot …`."""
    counts = [
        f"{number} {status.value}"
        for status in HostStatus
        if (number := _count(snapshot, status)) or status is HostStatus.OK
    ]
    hosts = count(len(snapshot.hosts), "host")
    elapsed = f"{snapshot.elapsed_ms / 1000:.1f} s"
    return f"{hosts} in {elapsed}: {', '.join(counts)}; snapshot {snapshot.id}"


class Narrator:
    """Passes progress to `say`: each host of a small fleet, and from time to time a count for a
    large one.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, done: int, total: int, result: HostResult) -> None:
        """Report that one host is done."""
        milestone = done == total or done % max(1, total // 20) == 0
        if total <= _TELL_ALL or result.status is not HostStatus.OK:
            self._say(f"[{done}/{total}] {result.name}: {_told(result)}")
        elif milestone:
            self._say(f"[{done}/{total}] hosts discovered")


def _told(result: HostResult) -> str:
    facts = result.facts
    if facts is None:
        return f"{result.status.value}: {result.reason}"
    faulty = count(len(_faulty(facts)), "repository")
    return (
        f"{system(facts)}, {count(len(facts.packages), 'package')}, {len(facts.pending)} pending"
        f" ({_security(facts)} security)"
        f"{f', could not look at {faulty}' if _faulty(facts) else ''}"
    )


# --- one host -----------------------------------------------------------------------------------


def details(facts: HostFacts) -> list[tuple[str, str]]:
    """Return all facts but the package list, as (name, value) rows."""
    return [
        *_who(facts),
        *_updates(facts),
        *_running(facts),
        *_many("file system", (_space(file_system) for file_system in facts.file_systems)),
        *_many(
            "container",
            (
                f"{container.name} {container.image} {container.state}"
                for container in facts.containers
            ),
        ),
        *_many("image", (f"{image.engine} {image.name}" for image in facts.images)),
        *_many("note", facts.notes),
        *_many("not understood", (f"{line.section}: {line.line}" for line in facts.unparsed)),
    ]


def _who(facts: HostFacts) -> list[tuple[str, str]]:
    skew = "unknown" if facts.clock_skew_s is None else f"{facts.clock_skew_s} s"
    kernels = ", ".join(facts.kernel.installed) or "none"
    return [
        ("system", facts.os.pretty_name or system(facts)),
        ("architecture", facts.architecture),
        ("hostname", facts.hostname),
        ("machine id", facts.machine_id),
        ("virtualization", facts.virtualization),
        ("init", facts.init),
        (
            "kernel running",
            facts.kernel.running + ("" if facts.kernel.managed else " (the host's)"),
        ),
        ("kernels installed", kernels),
        ("clock is off by", skew),
        ("package manager", facts.manager.value),
        ("packages", str(len(facts.packages))),
        (
            "held packages",
            ", ".join(package.name for package in facts.packages if package.held) or "none",
        ),
        *([("module streams", ", ".join(facts.streams))] if facts.streams else []),
        ("package lists of", moment(facts.lists_updated)),
        *_many("could not look at", (_fault(repository) for repository in _faulty(facts))),
    ]


def _updates(facts: HostFacts) -> list[tuple[str, str]]:
    reboot = "no" if not facts.reboot_required else "yes"
    if facts.reboot_packages:
        reboot += f", for {', '.join(facts.reboot_packages)}"
    return [
        ("reboot required", reboot),
        ("pending updates", f"{len(facts.pending)}, {_security(facts)} of them security"),
        *_many("pending", (_pending(update) for update in facts.pending), 60),
        *_many(
            "hidden",
            (
                f"{update.name} {update.installed} -> {update.version}"
                f" (security {update.label}): {update.by}"
                for update in facts.hidden
            ),
        ),
        *_many(
            "repository",
            (
                f"{repository.uri} {repository.codename} {repository.component}"
                f" ({repository.label})"
                for repository in facts.repositories
            ),
        ),
        *_many("also updates", (f"{it.name} {it.state}" for it in facts.competing_updaters)),
    ]


def _pending(update: PendingUpdate) -> str:
    what = "security " if update.security else ""
    late = f", deferred: {update.phased} % of machines get it" if update.deferred else ""
    before = update.installed or f"in place of {update.replaces}"
    return f"{update.name} {before} -> {update.candidate} ({what}{update.label}{late})"


def _running(facts: HostFacts) -> list[tuple[str, str]]:
    return [
        *_many("failed unit", facts.failed_units),
        *_many(
            "listens",
            (f"{it.protocol} {it.address}:{it.port} {it.process}" for it in facts.listeners),
        ),
        *_many(
            "on replaced files",
            (
                f"{it.command} ({it.pid}) {it.unit}: {some(_replaced(it))}"
                for it in facts.stale_processes
            ),
        ),
    ]


def _replaced(process: StaleProcess) -> list[str]:
    """Return the packages whose old code the process runs, or files of unknown packages."""
    named = [f"{it.name} {it.version or '(version unknown)'}" for it in process.packages]
    return named or list(process.files)


def _space(file_system: Any) -> str:
    free, size = file_system.free_kib // 1024, file_system.size_kib // 1024
    room = f"{free} of {size} MiB free, {file_system.free_inodes} inodes"
    return f"{file_system.mount} {file_system.kind}: {room}"


def _many(what: str, values: Iterable[str], limit: int = _LIST_MAX) -> list[tuple[str, str]]:
    all_values = list(values)
    shown = [(what if not index else "", value) for index, value in enumerate(all_values[:limit])]
    rest = (
        [("", f"{more(len(all_values) - limit)} (-o json shows all)")] if all_values[limit:] else []
    )
    return shown + rest


# --- views --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DiscoveryView(View):
    """`discover`."""

    snapshot: Snapshot

    def data(self) -> dict[str, Any]:
        """Counts, and the facts of each host without its packages."""
        return summary(self.snapshot)

    def parts(self) -> Iterator[Part]:
        """A row for each host."""
        yield Table(HEADER, rows(self.snapshot))
        yield Note(closing(self.snapshot))


@dataclass(frozen=True)
class KnownHostView(View):
    """`discover show`. With `packages` it lists the host's packages and nothing else."""

    known: Known
    packages: bool = False

    def data(self) -> Known:
        """All that is known of the host."""
        return self.known

    def parts(self) -> Iterator[Part]:
        """The facts, or a sentence that nothing is known."""
        known, facts = self.known, self.known.facts
        if facts is None:
            yield Figures([("host", known.name), ("status", known.reason)])
        elif self.packages:
            packages = ((it.name, it.version, it.arch, it.source) for it in facts.packages)
            yield Table(("PACKAGE", "VERSION", "ARCH", "SOURCE"), packages)
        else:
            head = [("host", known.name), ("seen", moment(known.taken))]
            head.append(("snapshot", known.snapshot))
            if known.reason:
                head.append(("last try", f"{known.status.value}: {known.reason}"))
            yield Figures([*head, *details(facts)])


@dataclass(frozen=True)
class SnapshotsView(View):
    """`discover list`."""

    snapshots: Sequence[SnapshotSummary]

    def data(self) -> dict[str, Any]:
        """All snapshots, newest first."""
        return {"snapshots": self.snapshots}

    def parts(self) -> Iterator[Part]:
        """A row for each snapshot."""
        lines = (
            (
                snapshot.id,
                moment(snapshot.taken),
                f"{snapshot.ok} ok",
                f"{snapshot.unreachable + snapshot.failed} not",
            )
            for snapshot in self.snapshots
        )
        yield Table(("SNAPSHOT", "TAKEN", "HOSTS", ""), lines)


@dataclass(frozen=True)
class HostHistoryView(View):
    """`discover list --host`."""

    history: Sequence[HostHistory]

    def data(self) -> dict[str, Any]:
        """The host's facts in each snapshot, newest first."""
        return {"snapshots": self.history}

    def parts(self) -> Iterator[Part]:
        """A row for each snapshot."""
        lines = ((it.snapshot, moment(it.taken), it.status.value, it.reason) for it in self.history)
        yield Table(("SNAPSHOT", "TAKEN", "STATUS", "REASON"), lines)
