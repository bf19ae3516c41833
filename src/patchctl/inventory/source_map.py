"""Where things stand in static inventory sources: text -> file and line.

Ansible merges sources and forgets lines. This reads the same files again, only to point at them:
what a host or group finally gets is never decided here.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

import yaml

MAX_DEPTH = 50  # an alias may stand inside what it names


class Source(NamedTuple):
    """One file of the sources: its name as a person would write it, and its text."""

    name: str
    text: str


class SourceLocation(NamedTuple):
    """A mention of a host or group (`key` is empty) or of a variable that is set for it.

    `owner` is a group, or a host pattern such as `web[1:6]`. `value` is the text as written, None
    where it is vaulted or no text.
    """

    where: str
    is_host: bool
    owner: str
    key: str = ""
    value: str | None = None


class SourceMap:
    """The mentions in some sources, in their order."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.all: tuple[SourceLocation, ...] = tuple(
            place for one in sources for place in _read(one)
        )
        self._hosts: dict[str, list[SourceLocation]] = {}
        self._ranges: list[SourceLocation] = []
        self._groups: dict[str, list[SourceLocation]] = {}
        for place in self.all:
            if not place.is_host:
                self._groups.setdefault(place.owner, []).append(place)
            elif "[" in place.owner:
                self._ranges.append(place)
            else:
                self._hosts.setdefault(place.owner, []).append(place)

    def host(self, name: str) -> str:
        """`file:line` where the host stands first; empty where in no static source."""
        return next((place.where for place in self._of_host(name)), "")

    def group(self, name: str) -> str:
        """`file:line` where the group stands first; empty where in no static source."""
        return next((place.where for place in self._groups.get(name, ())), "")

    def variable(self, key: str, host: str, groups: Sequence[str]) -> str:
        """`file:line` where the variable is set for the host or one of its groups, or the host."""
        above = (place for name in (*groups, "all") for place in self._groups.get(name, ()))
        for place in (*self._of_host(host), *above):
            if place.key == key:
                return place.where
        return self.host(host)

    def _of_host(self, name: str) -> Iterator[SourceLocation]:
        yield from self._hosts.get(name, ())
        yield from (place for place in self._ranges if in_range(place.owner, name))


def in_range(pattern: str, name: str) -> bool:
    """Is the name one of `web[1:6]`, `web[01:10:2]` or `db-[a:c]`? A step is not looked at."""
    parts = re.split(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::[0-9]+)?\]", pattern)
    expression = re.escape(parts[0])
    bounds = []
    for first, last, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        bounds.append((first, last))
        expression += ("([0-9]+)" if first.isdigit() else "([A-Za-z])") + re.escape(text)
    found = re.fullmatch(expression, name)
    return found is not None and all(
        int(first) <= int(word) <= int(last) if first.isdigit() else first <= word <= last
        for (first, last), word in zip(bounds, found.groups(), strict=True)
    )


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line of a value in a YAML file such as `("assign", "rules", 0)`; of what is around it
    where it is not there."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    line = 1
    for step in path:
        found = None
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step] if step < len(node.value) else None
        elif isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == step), None)
        if found is None:
            break
        node, line = found, found.start_mark.line + 1
    return line


# --- files --------------------------------------------------------------------------------------

# What Ansible itself passes over in a folder of sources, and what is no text of ours to read.
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
    """Whose variables a file below group_vars/ or host_vars/ holds: (is it a host, name)."""
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
    """Key, value and the key's line; a merged mapping's entries stand where it was written."""
    if not isinstance(node, yaml.MappingNode) or depth > MAX_DEPTH:
        return
    for key, value in node.value:
        if key.tag.endswith(":merge"):
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _lined(one, depth + 1)
        elif isinstance(key, yaml.ScalarNode):
            yield key.value, value, key.start_mark.line + 1


# --- INI ----------------------------------------------------------------------------------------


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
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    if not words:
        return
    host = re.sub(r"(?<![:\]]):[0-9]+\Z", "", words[0]) if words[0].count(":") == 1 else words[0]
    yield SourceLocation(where, is_host=True, owner=host)
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if equals:
            yield SourceLocation(where, True, host, key, value)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
