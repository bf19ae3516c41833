"""Shorten ansible-inventory's many lines about a broken source to one line with file and line.

Every plugin that may read a source reports its own failure; only one of them is the reason.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from ...errors import InvalidInputError


class _Attempt(NamedTuple):
    """One plugin's report about one source."""

    plugin: str
    message: str
    line: int
    script_error: str


def explain(err: str, sources: Sequence[str], cwd: Path) -> InvalidInputError:
    """The reason why ansible-inventory failed."""
    failed = re.search(r"^\[ERROR\]: Completely failed to parse inventory source (.*)$", err, re.M)
    if failed is None:
        return _other_error(err, sources, cwd)
    path = Path(failed[1])
    shown = shorten(path, cwd)
    if path.is_dir():
        return InvalidInputError("has no inventory source in it", where=shown)
    attempt = _likeliest(list(_attempts(err, path)), path)
    if attempt is None:
        return InvalidInputError("is not an inventory that Ansible can read", where=shown)
    message = attempt.message
    if attempt.script_error:
        message = f"{message.rstrip('.')}: {attempt.script_error}"
    line = attempt.line or _guess_line(path, message)
    return InvalidInputError(message, where=shown, line=line)


def misspelled(err: str, sources: Sequence[str], cwd: Path) -> InvalidInputError | None:
    """The error of an unknown key in a group: Ansible only warns, and drops the hosts below it."""
    match = re.search(
        r"^\[WARNING\]: (Skipping (?:unexpected )?key \(?'?(\S+?)'?\)? .*)$", err, re.M
    )
    if match is None:
        return None
    return InvalidInputError(
        f"unknown key {match[2]} of a group",
        where=locate(rf"^\s*['\"]?{re.escape(match[2])}['\"]?\s*:", sources, cwd),
        hint="a group has only hosts, children and vars",
    )


def warnings_in(err: str) -> tuple[str, ...]:
    """The first lines of Ansible's warnings."""
    return tuple(dict.fromkeys(re.findall(r"^\[WARNING\]: (.*)$", err, re.M)))


def locate(pattern: str, sources: Sequence[str], cwd: Path) -> str:
    """`file:line` of the first match in the static sources, or the sources' names."""
    regex = re.compile(pattern, re.M)
    for path in static_files(sources, cwd):
        text = text_of(path)
        if match := regex.search(text):
            line = text.count("\n", 0, match.end()) + 1
            return f"{shorten(path, cwd)}:{line}"
    return ", ".join(sources)


def static_files(sources: Sequence[str], cwd: Path) -> Iterator[Path]:
    """The sources' text files, with their group_vars and host_vars."""
    for source in sources:
        top = cwd / source
        if top.is_dir():
            yield from sorted(path for path in top.rglob("*") if path.is_file())
        elif top.is_file():
            yield top
            for name in ("group_vars", "host_vars"):
                yield from sorted(path for path in (top.parent / name).rglob("*") if path.is_file())


def shorten(path: Path, cwd: Path) -> str:
    """The path as a person in the workspace would write it."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


# --- parts --------------------------------------------------------------------------------------


def _attempts(err: str, path: Path) -> Iterator[_Attempt]:
    heads = r"^\[(?:WARNING|ERROR)\]: "
    for block in re.split(heads, err, flags=re.M):
        head = re.match(r"Failed to parse inventory with '([^']+)' plugin: (.*)", block)
        if head is None or str(path) not in block:
            continue
        origin = re.search(rf"Origin: {re.escape(str(path))}:(\d+)", block)
        script = re.search(r"Standard error from inventory script:\n(.*)", block, re.S)
        errors = script[1].strip().splitlines() if script else []
        yield _Attempt(
            plugin=head[1],
            message=_tidy(head[2]),
            line=int(origin[1]) if origin else 0,
            script_error=errors[-1].strip() if errors else "",
        )


def _likeliest(attempts: list[_Attempt], path: Path) -> _Attempt | None:
    """The plugin that was meant: a script's own, a configured plugin's, or by the file's name."""
    by_plugin = {attempt.plugin: attempt for attempt in attempts}
    auto = by_plugin.get("auto")
    if "script" in by_plugin:
        return by_plugin["script"]
    if auto and (auto.line or "no root 'plugin' key" not in auto.message):
        return auto
    order = ("ini", "yaml", "toml")
    if path.suffix in (".yml", ".yaml", ".json"):
        order = ("yaml", "toml", "ini")
    elif path.suffix == ".toml":
        order = ("toml", "yaml", "ini")
    attempt = next((by_plugin[name] for name in order if name in by_plugin), None)
    return attempt or (attempts[0] if attempts else None)


def _other_error(err: str, sources: Sequence[str], cwd: Path) -> InvalidInputError:
    match = re.search(r"^\[ERROR\]: (.*)$", err, re.M)
    message = _tidy(match[1]) if match else "ansible-inventory failed without a reason"
    if prompt := re.search(r"on prompt for \((.*)\)", message):
        return InvalidInputError(
            f"vault identity {prompt[1]} asks for its password, and nobody can answer",
            where="ANSIBLE_VAULT_IDENTITY_LIST",
            hint=f"give --vault-id {prompt[1]}@prompt on the command line, or name a file",
        )
    lowered = message.lower()
    if "vault" in lowered or "decrypt" in lowered:
        return InvalidInputError(
            f"a vaulted file cannot be opened: {message}",
            where=locate(r"\A\$ANSIBLE_VAULT;", sources, cwd),
            hint="give --vault-id, --vault-password-file or --ask-vault-pass",
        )
    origin = re.search(r"^Origin: (\S+?):(\d+)", err, re.M)
    if origin is not None:
        where = f"{shorten(Path(origin[1]), cwd)}:{origin[2]}"
    else:
        where = _first_broken_yaml(sources, cwd) or ", ".join(sources)
    return InvalidInputError(message, where=where)


def _first_broken_yaml(sources: Sequence[str], cwd: Path) -> str:
    """Where YAML is broken: Ansible 2.19 does not say which file of group_vars or host_vars."""
    for path in static_files(sources, cwd):
        if {"group_vars", "host_vars"}.isdisjoint(path.parts):
            continue
        try:
            yaml.compose(text_of(path), Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            return f"{shorten(path, cwd)}:{mark.line + 1}" if mark else shorten(path, cwd)
        except yaml.YAMLError:
            return shorten(path, cwd)
    return ""


_ANSIBLE_TYPES = {
    "<class 'ansible.module_utils._internal._datatag._AnsibleTaggedStr'>": "text",
    "<class 'ansible.module_utils._internal._datatag._AnsibleTaggedList'>": "a list",
    "<class 'ansible.module_utils._internal._datatag._AnsibleTaggedInt'>": "a number",
    "<class 'NoneType'>": "nothing",
}


def _tidy(message: str) -> str:
    for ugly, plain in _ANSIBLE_TYPES.items():
        message = message.replace(f'"{ugly}"', plain).replace(ugly, plain)
    for noise in ("Failed to parse inventory: ", "YAML parsing failed: "):
        message = message.replace(noise, "")
    return message.strip().rstrip(".")


def _guess_line(path: Path, message: str) -> int:
    """The ini plugin does not report the line; its message quotes a word of it."""
    quoted = re.search(r"got: (\S+)$|'([^']+)'|\"([^\"]+)\"", message)
    if quoted is not None:
        word = next(group for group in quoted.groups() if group)
        pattern = rf"(?<!\S){re.escape(word)}(?!\S)|{re.escape(word)}"
    else:
        pattern = r"^\s*\[[^\]]*$"  # a section that is not closed
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if re.search(pattern, line):
            return number
    return 0


def text_of(path: Path) -> str:
    """The file's text; empty where it is unreadable or larger than 4 MiB."""
    try:
        return path.read_text(errors="replace") if path.stat().st_size < 1 << 22 else ""
    except OSError:
        return ""
