"""Tell inventory files that are data from those that would make Ansible run something."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ...errors import InvalidInputError

VARIABLES = ("group_vars", "host_vars")
_NO_SOURCES = (*VARIABLES, "vars_plugins")
# What Ansible itself ignores in a folder of sources.
_IGNORED = (
    *(".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg"),
    ".retry",
)


class NotRun(NamedTuple):
    """Why a source is not read, and a digest of its content (empty where that is not known)."""

    reason: str
    digest: str


def inside(source: str, root: Path) -> str:
    """The source relative to the workspace; empty where it lies outside. A list of names stays."""
    if "," in source:
        return source
    path = os.path.normpath(root / source)
    return os.path.relpath(path, root) if Path(path).is_relative_to(root) else ""


def portable(source: str, root: Path) -> str:
    """A source inside the workspace as a relative path, which is valid elsewhere too."""
    return inside(source, root) or source


def programs(sources: Sequence[str], root: Path) -> dict[str, NotRun]:
    """The files, by path below the root, that would run or cannot be read from there, and why."""
    reasons = {}
    for source in sources:
        name = inside(source, root)
        if not name:
            reasons[source] = NotRun("lies outside of the workspace", "")
        elif "," not in name:
            for path in _files(root / name):
                reason = why_run(path)
                if reason:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    reasons[str(path.relative_to(root))] = NotRun(reason, digest)
    return reasons


def copy(
    sources: Sequence[str], root: Path, into: Path, without: Collection[str]
) -> tuple[str, ...]:
    """Copy the sources' files, but for those `without`, to the same paths below `into`.

    Returns the sources that have any file left, relative to `into`. Raises InvalidInputError where
    a source is missing.
    """
    copied = []
    for source in sources:
        name = inside(source, root)
        if not name or name in without:
            continue
        if "," in name:
            copied.append(name)
            continue
        if not (root / name).exists():
            raise InvalidInputError("no such inventory source", where=name)
        any_left = False
        for path in _files(root / name):
            inner = path.relative_to(root)
            if any(str(part) in without for part in (inner, *inner.parents)):
                continue
            target = into / inner
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            any_left = any_left or not _is_variables(inner)
        if any_left:
            copied.append(name)
    return tuple(copied)


def bare_folders(sources: Sequence[str], root: Path) -> list[Path]:
    """The outermost folders inside sources in which Ansible finds no source.

    Only those whose name nothing else in the sources has, since they are told by name. A folder
    that is a source itself is none of them: without sources it is a mistake.
    """
    tops = [root / source for source in sources if "," not in source and (root / source).is_dir()]
    bare = [
        path for top in tops if _has_source(top, set()) for path in _bare_folders_below(top, set())
    ]
    names = [path.name for top in tops for path in _paths_in_use(top, set(bare), set())]
    return [path for path in bare if path.name not in names]


def _paths_in_use(folder: Path, bare: Collection[Path], seen: set[str]) -> Iterator[Path]:
    yield from (path for path in folder.iterdir() if path.is_file() and not _is_ignored(path))
    for below in _folders(folder, seen):
        if below not in bare:
            yield below
            yield from _paths_in_use(below, bare, seen)


def _bare_folders_below(folder: Path, seen: set[str]) -> Iterator[Path]:
    for below in _folders(folder, seen):
        if _has_source(below, set()):
            yield from _bare_folders_below(below, seen)
        else:
            yield below


def _has_source(folder: Path, seen: set[str]) -> bool:
    return any(path.is_file() and not _is_ignored(path) for path in folder.iterdir()) or any(
        _has_source(below, seen) for below in _folders(folder, seen)
    )


def _folders(folder: Path, seen: set[str]) -> list[Path]:
    """The folders that Ansible searches, each once, whatever links there are."""
    searched = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and path.name not in _NO_SOURCES:
            real = os.path.realpath(path)
            if real not in seen and not path.name.endswith(_IGNORED):
                seen.add(real)
                searched.append(path)
    return searched


def _is_ignored(path: Path) -> bool:
    """Ansible's own rule, and patchctl's: no private keys."""
    hidden = path.name.startswith(".") or path.name.endswith(_IGNORED)
    return hidden or _begins(path, b"-----BEGIN ")


def _files(top: Path) -> Iterator[Path]:
    """The files that Ansible reads: sources, and the variables beside them; no private keys."""
    if top.is_file():
        yield top
        below = [top.parent / name for name in VARIABLES]
    else:
        below = [top]
    seen: set[str] = set()
    for start in below:
        for folder, folders, names in os.walk(start, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(folder, name) for name in sorted(names)):
                if path.is_file() and not _is_ignored(path):
                    yield path


def _is_variables(path: Path) -> bool:
    return not set(VARIABLES).isdisjoint(path.parts[:-1])


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def why_run(path: Path) -> str:
    """Why Ansible would run something for this file; empty where it is data."""
    if _is_variables(path):
        return ""
    if path.stat().st_mode & 0o111 or _begins(path, b"#!"):
        return "is a program"
    if _begins(path, b"$ANSIBLE_VAULT;"):
        return "is vaulted, and may be a plugin's configuration"
    return "is a plugin's configuration" if _is_plugin(path) else ""


class _AnyTag(yaml.CSafeLoader):
    """Reads any tagged value, such as `!vault`, as null."""


_AnyTag.add_multi_constructor("!", lambda loader, suffix, node: None)


def _is_plugin(path: Path) -> bool:
    """Is it a plugin's configuration? Ansible reads JSON where it can and YAML otherwise."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            document = yaml.load(text, Loader=_AnyTag)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            return False
    return isinstance(document, dict) and "plugin" in document
