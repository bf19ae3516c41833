"""Global options behind a verb: `patchctl rollout status -q` means `patchctl -q rollout status`."""

import copy
from collections.abc import Sequence
from typing import Any

from . import logs, output
from .state import state

# What `_apply` knows. Options of the root that end the program stay before the verb.
_NAMES = frozenset(
    {"directory", "trust_workspace", "no_pager", "no_color", "quiet", "verbose", "debug"}
)
_PREFIX = "global_"


def accept_global_options(root: Any, command: Any) -> None:
    """Let `command` and all commands below it take the options of `root`.

    Their help does not list them again. A command's own option of the same name stays.
    """
    taken = {name for option in command.params for name in option.opts}
    for option in root.params:
        if option.name in _NAMES and taken.isdisjoint(option.opts):
            command.params.append(_hidden(option))
    for child in getattr(command, "commands", {}).values():
        accept_global_options(root, child)


def first_word(arguments: Sequence[str], options: Sequence[Any]) -> str | None:
    """Return the first argument that is neither an option in `options` nor the value of one.

    None where there is none, or where another option comes first.
    """
    by_name = {name: option for option in options for name in option.opts}
    words = iter(arguments)
    for word in words:
        if not word.startswith("-") or word == "-":
            return word
        name = word.partition("=")[0]
        if name in by_name:
            if not by_name[name].is_flag and not by_name[name].count and name == word:
                next(words, None)
        elif word.startswith("--") or not _short(word, by_name):
            return None
    return None


def _short(word: str, by_name: dict[str, Any]) -> bool:
    """Is `word` a group of known short options (`-qv`), or one with its value (`-CDIR`)?"""
    for letter in word[1:]:
        option = by_name.get(f"-{letter}")
        if option is None:
            return False
        if not option.is_flag and not option.count:
            return True
    return True


def _hidden(option: Any) -> Any:
    """A copy of a global option for another command, which sets what the global one sets."""
    behind = copy.copy(option)
    behind.hidden = True
    behind.expose_value = False
    behind.envvar = None  # the global option has read it
    behind.name = _PREFIX + option.name  # a command may have an argument of the same name
    behind.callback = _apply
    return behind


def _apply(context: Any, option: Any, value: Any) -> None:
    """Take a global option that stands behind the verb."""
    if not value:
        return
    name = option.name.removeprefix(_PREFIX)
    context.find_root().params[name] = value  # completion reads it there
    if context.resilient_parsing:
        return
    options = state(context)
    match name:
        case "directory":
            options.directory = value
        case "trust_workspace":
            options.trusted = True
        case "no_pager":
            output.no_page()
        case "no_color":
            options.color = False
        case "quiet":
            options.quiet = True
        case "verbose":
            options.verbose += value
            logs.show(options.verbose)
        case "debug":
            options.debug = True
            logs.show(2)
        case other:
            raise AssertionError(f"the global option {other} has no effect behind a verb")
