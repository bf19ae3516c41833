"""Find the file and line of hosts, groups and variables in static inventory sources.

Ansible merges sources and forgets lines. This module reads the same files again only to point at
lines; it never decides what value a host or group gets.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple

import yaml

MAX_DEPTH = 50  # a YAML alias may stand inside the node that it names


class Source(NamedTuple):
    """One source file: its name as messages show it, and its text."""

    name: str
    text: str


class SourceLocation(NamedTuple):
    """A line that names a host or group (`key` is empty), or sets a variable for it.

    `owner` is a group, or a host pattern such as `web[1:6]`. `value` is the text as written, None
    where it is vaulted or no text.
    """

    where: str
    is_host: bool
    owner: str
    key: str = ""
    value: str | None = None


class SourceMap:
    """All locations in some sources, in the order of the sources."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.all: tuple[SourceLocation, ...] = tuple(
            location for source in sources for location in _read(source)
        )
        self._hosts: dict[str, list[SourceLocation]] = {}
        self._ranges: list[SourceLocation] = []
        self._groups: dict[str, list[SourceLocation]] = {}
        for location in self.all:
            if not location.is_host:
                self._groups.setdefault(location.owner, []).append(location)
            elif "[" in location.owner:
                self._ranges.append(location)
            else:
                self._hosts.setdefault(location.owner, []).append(location)

    def host(self, name: str) -> str:
        """Return `file:line` of the host's first mention; "" where no static source has it."""
        return next((location.where for location in self._of_host(name)), "")

    def group(self, name: str) -> str:
        """Return `file:line` of the group's first mention; "" where no static source has it."""
        return next((location.where for location in self._groups.get(name, ())), "")

    def variable(self, key: str, host: str, groups: Sequence[str]) -> str:
        """Return `file:line` where the variable is set for the host or one of its groups, else that
        of the host."""
        above = (location for name in (*groups, "all") for location in self._groups.get(name, ()))
        for location in (*self._of_host(host), *above):
            if location.key == key:
                return location.where
        return self.host(host)

    def _of_host(self, name: str) -> Iterator[SourceLocation]:
        yield from self._hosts.get(name, ())
        yield from (location for location in self._ranges if in_range(location.owner, name))


def in_range(pattern: str, name: str) -> bool:
    """Return whether the name fits `web[1:6]`, `web[01:10:2]` or `db-[a:c]`; ignores the step."""
    expression, bounds = _range(pattern)
    match = expression.fullmatch(name)
    return match is not None and all(
        int(first) <= int(word) <= int(last) if first.isdigit() else first <= word <= last
        for (first, last), word in zip(bounds, match.groups(), strict=True)
    )


@lru_cache(4096)
def _range(pattern: str) -> tuple[re.Pattern[str], tuple[tuple[str, str], ...]]:
    """Return the form of the names of a range, and the bounds of its groups."""
    parts = re.split(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::[0-9]+)?\]", pattern)
    expression = re.escape(parts[0])
    bounds = []
    for first, last, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        bounds.append((first, last))
        expression += ("([0-9]+)" if first.isdigit() else "([A-Za-z])") + re.escape(text)
    return re.compile(expression), tuple(bounds)


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the line of the value at a YAML path such as `("assign", "rules", 0)`, or of the
    nearest value around it. Lines count from 1."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    line = 1
    for step in path:
        child = None
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            child = node.value[step] if step < len(node.value) else None
        elif isinstance(node, yaml.MappingNode):
            child = next((value for key, value in node.value if key.value == step), None)
        if child is None:
            break
        node, line = child, child.start_mark.line + 1
    return line


# --- files --------------------------------------------------------------------------------------

# Names that Ansible itself ignores in a folder of sources, and others that hold no inventory.
_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg")
_NO_SOURCE = ("#!", "-----BEGIN ", "$ANSIBLE_VAULT;")


def _read(source: Source) -> Iterator[SourceLocation]:
    path = PurePath(source.name)
    if path.name.startswith(".") or path.name.endswith((*_IGNORED, ".retry", ".py")):
        return
    if source.text.startswith(_NO_SOURCE):
        return
    try:
        owner = _owner(path)
        if owner is not None:
            yield from _variables(_compose(source.text), source.name, *owner)
            return
        root = _compose(source.text)
        if isinstance(root, yaml.MappingNode):
            if all(key != "plugin" for key, _ in _entries(root)):
                yield from _yaml(root, source.name)
            return
    except (yaml.YAMLError, RecursionError):
        pass
    if path.suffix not in (".yml", ".yaml", ".json"):
        yield from _ini(source)


def _owner(path: PurePath) -> tuple[bool, str] | None:
    """Return (is it a host, name) of the owner of a file below group_vars/ or host_vars/."""
    for folder, is_host in (("group_vars", False), ("host_vars", True)):
        if folder in path.parts[:-1]:
            name = path.parts[path.parts.index(folder) + 1]
            return is_host, re.sub(r"\.(?:ya?ml|json)\Z", "", name)
    return None


def _compose(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=yaml.CSafeLoader)


def _yaml(root: yaml.MappingNode, name: str) -> Iterator[SourceLocation]:
    for group, body, line in _lined(root):
        yield from _yaml_group(group, body, name, line, 0)


def _yaml_group(
    group: str, node: yaml.Node, name: str, line: int, depth: int
) -> Iterator[SourceLocation]:
    yield SourceLocation(f"{name}:{line}", is_host=False, owner=group)
    if depth > MAX_DEPTH:
        return
    for section, below in _entries(node):
        if section == "vars":
            yield from _variables(below, name, False, group)
        elif section == "hosts":
            for host, variables, at in _lined(below):
                yield SourceLocation(f"{name}:{at}", is_host=True, owner=host)
                yield from _variables(variables, name, True, host)
        elif section == "children":
            for child, body, at in _lined(below):
                yield from _yaml_group(child, body, name, at, depth + 1)


def _variables(
    node: yaml.Node | None, name: str, is_host: bool, owner: str
) -> Iterator[SourceLocation]:
    for key, value, line in _lined(node):
        text = None
        if isinstance(value, yaml.ScalarNode) and value.tag.startswith("tag:yaml.org"):
            text = None if value.tag.endswith(":null") else value.value
        yield SourceLocation(f"{name}:{line}", is_host, owner, key, text)


def _entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    yield from ((key, value) for key, value, _ in _lined(node))


def _lined(node: yaml.Node | None, depth: int = 0) -> Iterator[tuple[str, yaml.Node, int]]:
    """Yield key, value and the key's line; entries of a merged mapping have their own lines."""
    if not isinstance(node, yaml.MappingNode) or depth > MAX_DEPTH:
        return
    for key, value in node.value:
        if key.tag.endswith(":merge"):
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _lined(merged, depth + 1)
        elif isinstance(key, yaml.ScalarNode):
            yield key.value, value, key.start_mark.line + 1


# --- INI ----------------------------------------------------------------------------------------

# Words with one blank between them, without what has a meaning for `shlex`.
_PLAIN_LINE = re.compile(r"[\w.:=/,@+\[\]-]+(?: [\w.:=/,@+\[\]-]+)*")


def _ini(source: Source) -> Iterator[SourceLocation]:
    group, kind = "ungrouped", "hosts"
    for number, raw in enumerate(source.text.splitlines(), start=1):
        line, where = raw.strip(), f"{source.name}:{number}"
        if not line or line[0] in "#;":
            continue
        if section := re.fullmatch(r"\[([^:\]]+)(?::(\w+))?\]\s*(?:#.*)?", line):
            group, kind = section[1], section[2] or "hosts"
            yield SourceLocation(where, is_host=False, owner=group)
        elif kind == "vars":
            key, _, value = line.partition("=")
            yield SourceLocation(where, False, group, key.strip(), _unquoted(value.strip()))
        elif kind == "children":
            yield SourceLocation(where, is_host=False, owner=line.split()[0])
        else:
            yield from _ini_host(line, where)


def _ini_host(line: str, where: str) -> Iterator[SourceLocation]:
    words = _words(line)
    if not words:
        return
    host = re.sub(r"(?<![:\]]):[0-9]+\Z", "", words[0]) if words[0].count(":") == 1 else words[0]
    yield SourceLocation(where, is_host=True, owner=host)
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if equals:
            yield SourceLocation(where, True, host, key, value)


def _words(line: str) -> list[str]:
    if _PLAIN_LINE.fullmatch(line):  # ten times as fast
        return line.split(" ")
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
