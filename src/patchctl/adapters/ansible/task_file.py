"""Check that Ansible can read an operator's task file, before a run depends on it.

Ansible itself finds a mistake only when it includes the file, with a host already drained for it.
Tags (`!vault`, `!unsafe`) are not checked, and a file that is encrypted whole cannot be.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from ...errors import InvalidInputError, Problem

MAX_BYTES = 1 << 20
_VAULT = b"$ANSIBLE_VAULT;"
# Keywords of tasks and blocks as ansible-core documents them; any other key is the task's action.
_KEYWORDS = frozenset(
    {
        "any_errors_fatal",
        "args",
        "async",
        "become",
        "become_exe",
        "become_flags",
        "become_method",
        "become_user",
        "changed_when",
        "check_mode",
        "collections",
        "connection",
        "debugger",
        "delay",
        "delegate_facts",
        "delegate_to",
        "diff",
        "environment",
        "failed_when",
        "ignore_errors",
        "ignore_unreachable",
        "loop",
        "loop_control",
        "module_defaults",
        "name",
        "no_log",
        "notify",
        "poll",
        "port",
        "register",
        "remote_user",
        "retries",
        "run_once",
        "tags",
        "throttle",
        "timeout",
        "until",
        "vars",
        "when",
        "listen",
    }
)
_BLOCK = ("block", "rescue", "always")
_META = frozenset({"meta", "ansible.builtin.meta"})
_PLAY = frozenset({"hosts", "import_playbook", "ansible.builtin.import_playbook"})


def check_all(root: Path, names: Iterable[str]) -> None:
    """Check every named file once; empty names are skipped. Names are relative to `root`."""
    for name in dict.fromkeys(filter(None, names)):
        check(root / name, name)


def check(path: Path, shown: str) -> None:
    """Raise InvalidInputError with file and line where Ansible could not run these tasks."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=shown) from error
    if data.startswith(_VAULT):
        return
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"is larger than {MAX_BYTES >> 20} MiB", where=shown)
    try:
        problems = list(_problems(yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)))
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"is not UTF-8 (byte {error.start})", where=shown, hint="save it as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise InvalidInputError(f"not valid YAML: {what}", where=shown, line=line) from error
    except (yaml.YAMLError, RecursionError) as error:
        what = str(error).splitlines()[0]
        raise InvalidInputError(f"not valid YAML: {what}", where=shown, line=1) from error
    if problems:
        problems.sort(key=lambda problem: problem[0])
        raise InvalidInputError(
            problems=[Problem(path=shown, line=line, message=what) for line, what in problems]
        )


def _problems(root: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """(line, what is wrong)."""
    if root is None or root.tag.endswith(":null"):  # an empty file has no task
        return
    strange = list(_strange_keys(root, set()))
    yield from strange
    if not strange:
        yield from _tasks(root, "a hook")


def _strange_keys(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:  # an alias may stand inside what it names
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _strange_keys(item, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from _strange_keys(value, seen)
            else:
                yield _line(key), "a key must be text; put a value that begins with {{ in quotes"


def _tasks(node: yaml.Node, what: str) -> Iterator[tuple[int, str]]:
    if not isinstance(node, yaml.SequenceNode):
        yield _line(node), f"{what} is a list of tasks, each begins with `- `"
        return
    for task in node.value:
        if isinstance(task, yaml.MappingNode):
            yield from _task(task, {key.value: value for key, value in task.value})
        else:
            yield _line(task), "a task must be a mapping (key: value)"


def _task(node: yaml.MappingNode, keys: dict[str, yaml.Node]) -> Iterator[tuple[int, str]]:
    if play := _PLAY & keys.keys():
        yield (
            _line(node),
            f"this is a playbook ({min(play)}); a hook is a file of tasks, for one host at a time",
        )
        return
    if "block" in keys:
        for part in _BLOCK:
            if part in keys:
                yield from _tasks(keys[part], part)
        return
    actions = [key for key in keys if key not in _KEYWORDS and not key.startswith("with_")]
    if not actions:
        yield _line(node), "the task does nothing: no module is named in it"
    elif len(actions) > 1:
        yield _line(node), f"a task has one module, not {' and '.join(actions)}"
    elif actions[0] in _META and keys[actions[0]].value == "refresh_inventory":
        yield (
            _line(node),
            "refresh_inventory finds nothing to read: a run's inventory may hold passwords, and is"
            " removed once it was read; take the task out, the inventory cannot have changed",
        )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
