"""Select hosts by Ansible's host patterns, for `--limit`.

Takes names, groups, globs, `~regex`, `a,b` and `a:b`, `&both`, `!not` and `@file`, and makes unions
before intersections and these before exclusions, as Ansible does. There are two differences,
because hosts will be changed: a part that fits nothing is an error (it is nearly always a typing
mistake), and positions (`web[0]`) are refused, for they change with the order of the sources.
"""

import fnmatch
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidInputError, UsageError
from ..models.fleet import Fleet
from .rings import ring_group

_POSITION = re.compile(r".+\[(?:-?[0-9]+|[0-9]+[:-][0-9]*)\]")

Index = Mapping[str, frozenset[str]]


def select(fleet: Fleet, pattern: str, *, cwd: Path) -> tuple[str, ...]:
    """Return the sorted names of the hosts that fit the pattern; all where it is empty.

    `ring_NAME` names a ring. A relative `@file` is read from `cwd`. Raises UsageError where a part
    fits nothing or no host is left, InvalidInputError where the file cannot be read.
    """
    everything = frozenset(host.name for host in fleet.hosts)
    parts = _parts(pattern, cwd)
    if not parts:
        return tuple(sorted(everything))
    index = _index(fleet)
    matched = [(part[0], _match(part.lstrip("!&"), everything, index)) for part in parts]
    unions = [hosts for sign, hosts in matched if sign not in "!&"]
    chosen = frozenset[str]().union(*unions) if unions else everything
    for sign, hosts in matched:
        if sign == "&":
            chosen &= hosts
    for sign, hosts in matched:
        if sign == "!":
            chosen -= hosts
    if not chosen:
        raise UsageError(f"--limit {pattern}: leaves no host")
    return tuple(sorted(chosen))


def _index(fleet: Fleet) -> Index:
    """Return group or ring group -> its hosts and those of the groups below it."""
    index: dict[str, set[str]] = {group.name: set() for group in fleet.groups}
    index.update((ring_group(ring), set()) for ring in fleet.rings)
    index.update({"all": set(), "ungrouped": set()})
    for host in fleet.hosts:
        names = ["all", *(host.groups or ["ungrouped"])]
        names += [ring_group(host.ring)] if host.ring else []
        for name in names:
            index[name].add(host.name)
    return {name: frozenset(hosts) for name, hosts in index.items()}


def _parts(pattern: str, cwd: Path) -> list[str]:
    parts: list[str] = []
    for piece in (piece.strip() for piece in _split(pattern.strip())):
        if piece.startswith("@"):
            parts += _from_file(piece[1:], cwd)
        elif piece:
            parts.append(piece)
    return parts


def _split(pattern: str) -> list[str]:
    """Split at commas; without a comma, at colons outside of brackets and IPv6 addresses."""
    if "," in pattern:
        return pattern.split(",")
    try:
        ipaddress.ip_address(pattern.lstrip("!&").strip("[]"))
    except ValueError:
        parts = re.findall(r"(?:[^\s:\[\]]|\[[^\]]*\])+", pattern)
        # An open bracket would be dropped: `~[` would become `~`, which fits every host.
        return parts if ":".join(parts) == pattern else [pattern]
    return [pattern]


def _from_file(name: str, cwd: Path) -> list[str]:
    try:
        lines = (cwd / name).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError("cannot be read", where=f"--limit @{name}") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _match(part: str, everything: frozenset[str], index: Index) -> frozenset[str]:
    if part in everything:
        return frozenset({part})
    if _POSITION.fullmatch(part) and not part.startswith("~"):
        raise UsageError(
            f"--limit {part}: positions change with the order of the sources",
            hint="name the hosts, or a group",
        )
    expression = _compiled(part)
    groups = [name for name in index if expression.match(name)]
    hosts = frozenset[str]().union(*(index[name] for name in groups))
    if not groups or part.startswith("~") or any(sign in part for sign in ".?*["):
        hosts |= {name for name in everything if expression.match(name)}
    if not hosts and not groups:
        raise UsageError(
            f"--limit {part}: no such host or group", hint="`patchctl inventory list` shows all"
        )
    return hosts


def _compiled(part: str) -> re.Pattern[str]:
    try:
        return re.compile(part[1:] if part.startswith("~") else fnmatch.translate(part))
    except re.error as error:
        raise UsageError(f"--limit {part}: is not a valid regular expression: {error}") from error
