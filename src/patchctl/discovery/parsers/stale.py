"""Find processes that still run replaced files, with the package and version of these files.

A mapped file that does not exist any more proves that its package was replaced after the process
mapped it. So the version at the start of the process is the old version of the first replacement
after that start, which the log of the package manager has.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from ...models.facts import MappedPackage, PackageManager, StaleProcess
from ...models.grammar import is_deb, is_deb_name, is_rpm_name, is_rpm_version
from ...protocol.sections import Unparsed, clip, fields, number

FILES_MAX = 50
PACKAGES_MAX = 50

_LOCAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# dnf.rpm.log: `2026-11-25T10:00:00+0000 SUBDEBUG Upgraded: openssl-libs-1:3.0.7-24.el9.x86_64`
_NEVRA = re.compile(r"(?P<name>.+)-(?P<evr>(?:[0-9]+:)?[^-]+-[^-]+)\.(?P<arch>[^.]+)")


class Replaced(NamedTuple):
    """A version that an update replaced.

    `when` has the form of a process's start: local time as text with dpkg, epoch seconds with dnf.
    """

    when: str | int
    arch: str
    version: str


class _Process(NamedTuple):
    pid: int
    command: str
    unit: str
    started: int
    local: str


def stale(
    lines: Iterable[str],
    processes: Iterable[str],
    owners: Iterable[str],
    replaced: Iterable[str],
    manager: PackageManager,
    unparsed: Unparsed,
) -> tuple[StaleProcess, ...]:
    """Return the processes that run replaced files, sorted by process id.

    `lines` are `PID FILE`, `processes` are `PID COMMAND CGROUP EPOCH LOCAL-TIME` for the same
    processes, and `owners` are `FILE PACKAGE[:ARCH]`. `replaced` are lines of the package manager's
    log.
    """
    files: dict[int, set[str]] = {}
    for line in lines:
        pid_text, _, path = line.partition("\t")
        pid = number(pid_text)
        if pid is None or not path:
            unparsed.add("stale", line)
        else:
            files.setdefault(pid, set()).add(path)
    owned = _owners(owners, manager, unparsed)
    read = _dpkg if manager is PackageManager.APT else _dnf
    old = read(replaced, unparsed)
    stale_processes = {}
    for line in processes:
        process = _process(line)
        if process is None:
            unparsed.add("stale_processes", line)
        elif process.pid in files:
            since = process.local if manager is PackageManager.APT else process.started
            paths = sorted(files[process.pid])
            packages = {package for path in paths for package in owned.get(path, ())}
            stale_processes[process.pid] = StaleProcess(
                pid=process.pid,
                command=process.command,
                unit=process.unit,
                files=tuple(clip(path) for path in paths[:FILES_MAX]),
                started=process.started,
                packages=tuple(
                    MappedPackage(
                        name=name, arch=arch, version=_before(since, arch, old.get(name, ()))
                    )
                    for name, arch in sorted(packages)[:PACKAGES_MAX]
                ),
            )
    return tuple(stale_processes[pid] for pid in sorted(stale_processes))


def _process(line: str) -> _Process | None:
    parts = fields(line, 5)
    pid = number(parts[0]) if parts else None
    if parts is None or pid is None:
        return None
    _, command, cgroup, started, local = parts
    return _Process(
        pid=pid,
        command=clip(command),
        unit=_unit(cgroup),
        started=number(started) or 0,
        local=local if _LOCAL.fullmatch(local) else "",
    )


def _unit(cgroup: str) -> str:
    """Return the innermost service or scope in a line of /proc/PID/cgroup (cgroups(7)), or ""."""
    path = cgroup.split(":", 2)[-1]
    units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
    return clip(units[-1]) if units else ""


def _owners(
    lines: Iterable[str], manager: PackageManager, unparsed: Unparsed
) -> dict[str, set[tuple[str, str]]]:
    """Return file -> its owners, each (package, architecture or "")."""
    owners: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for line in lines:
        path, tab, owner = line.partition("\t")
        name, _, arch = owner.partition(":")
        known = is_deb_name(name) if manager is PackageManager.APT else is_rpm_name(name, arch)
        if tab and known:
            owners[path].add((name, arch))
        else:
            unparsed.add("stale_owners", line)
    return owners


def _dpkg(lines: Iterable[str], unparsed: Unparsed) -> Mapping[str, list[Replaced]]:
    """Return package -> replaced versions, from upgrades in dpkg.log(5).

    The lines are `DATE TIME PACKAGE:ARCH OLD-VERSION`, in local time.
    """
    replaced: dict[str, list[Replaced]] = defaultdict(list)
    for line in lines:
        parts = fields(line, 3)
        name, _, arch = parts[1].partition(":") if parts else ("", "", "")
        if parts and _LOCAL.fullmatch(parts[0]) and is_deb(name, parts[2], arch):
            replaced[name].append(Replaced(parts[0], arch, parts[2]))
        else:
            unparsed.add("replaced", line)
    return replaced


def _dnf(lines: Iterable[str], unparsed: Unparsed) -> Mapping[str, list[Replaced]]:
    """Return package -> replaced versions, from lines `TIME NAME-[EPOCH:]VERSION-RELEASE.ARCH`.

    The time has its zone.
    """
    replaced: dict[str, list[Replaced]] = defaultdict(list)
    for line in lines:
        parts = fields(line, 2)
        old = _NEVRA.fullmatch(parts[1]) if parts else None
        when = _epoch(parts[0]) if parts else None
        if old and when is not None and is_rpm_name(old["name"], old["arch"]):
            version = old["evr"].removeprefix("0:")
            if is_rpm_version(version):
                replaced[old["name"]].append(Replaced(when, old["arch"], version))
                continue
        unparsed.add("replaced", line)
    return replaced


def _epoch(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if when.tzinfo is None else int(when.timestamp())


def _before(since: str | int, arch: str, replaced: Iterable[Replaced]) -> str:
    """Return the version that was installed at `since`, empty where the log does not show it."""
    same = [row for row in replaced if not arch or row.arch in (arch, "all", "noarch")]
    if not since or not same:
        return ""
    later = [row for row in same if _order(row.when) >= _order(since)]
    if later:
        return min(later, key=lambda row: _order(row.when)).version
    # No replacement is after the start. The start is calculated from ticks since boot, so it is
    # wrong where the clock was set meanwhile: then the newest replacement is the best guess.
    return max(same, key=lambda row: _order(row.when)).version


def _order(when: str | int) -> tuple[int, str]:
    return (when, "") if isinstance(when, int) else (0, when)
