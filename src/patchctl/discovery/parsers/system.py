"""Parse os-release, file systems, and the identity of the host."""

import re
import shlex
from collections.abc import Iterable

from ...models.facts import FileSystem, OsRelease
from ...protocol.sections import Unparsed, clip, fields, number


def os_release(lines: Iterable[str], unparsed: Unparsed) -> OsRelease:
    """Parse os-release(5): shell assignments, where only quotes and backslashes are special."""
    values: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.strip().partition("=")
        if key.startswith("#"):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            words = []
        if not equals or not re.fullmatch(r"[A-Z0-9_]+", key) or (value and len(words) != 1):
            unparsed.add("os", line)
        else:
            values[key] = clip(words[0]) if words else ""
    return OsRelease(
        id=values.get("ID", ""),
        version_id=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        pretty_name=values.get("PRETTY_NAME", ""),
        id_like=tuple(values.get("ID_LIKE", "").split()),
    )


_DF = re.compile(r"\S.*?\s+(\d+|-)\s+(\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+(/.*)")


def file_systems(
    lines: Iterable[str], mounts: Iterable[str], unparsed: Unparsed
) -> tuple[FileSystem, ...]:
    """Return the file systems in the output of `df -Pk` followed by that of `df -Pi`.

    `mounts` are lines `MOUNT KIND`.
    """
    kinds = {}
    for line in mounts:
        parts = fields(line, 2)
        if parts:
            kinds[parts[0]] = parts[1]
        else:
            unparsed.add("mounts", line)
    size: dict[str, tuple[int, int]] = {}
    inodes: dict[str, int] = {}
    in_inodes = False
    for line in lines:
        if line.startswith("Filesystem"):
            in_inodes = "Inodes" in line
            continue
        entry = _DF.fullmatch(line)
        if entry is None:
            unparsed.add("filesystems", line)
        elif in_inodes:
            inodes[entry[4]] = _amount(entry[3])
        else:
            size[entry[4]] = (_amount(entry[1]), _amount(entry[3]))
    return tuple(
        FileSystem(
            mount=clip(mount),
            kind=clip(kinds.get(mount, "")),
            size_kib=size[mount][0],
            free_kib=size[mount][1],
            free_inodes=inodes.get(mount, 0),
        )
        for mount in sorted(size)
    )


def _amount(text: str) -> int:
    return number(text) or 0


def identity(lines: Iterable[str], section: str, unparsed: Unparsed) -> dict[str, str]:
    """Return key -> value of lines `KEY VALUE`, separated by a tab. `section` names the lines in
    `unparsed`."""
    values = {}
    for line in lines:
        key, tab, value = line.partition("\t")
        if tab and key not in values:
            values[key] = clip(value)
        else:
            unparsed.add(section, line)
    return values


def start_of_pid1(stat: str) -> int:
    """Return field 22 of /proc/1/stat, in clock ticks; 0 unknown.

    The process name before it may contain spaces and brackets.
    """
    rest = stat.rpartition(")")[2].split()
    return (number(rest[19]) or 0) if len(rest) > 19 else 0
