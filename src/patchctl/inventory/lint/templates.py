"""Find the names that the Jinja templates in variables ask for.

Renders nothing, because a lookup in a variable would run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, TemplateSyntaxError, nodes

from ...models.unsafe import Unsafe

# Variables that Ansible itself gives every host. Facts are not here: patchctl's plays gather none.
_MAGIC = frozenset(
    {
        "inventory_hostname",
        "inventory_hostname_short",
        "inventory_dir",
        "inventory_file",
        "group_names",
        "groups",
        "hostvars",
        "vars",
        "omit",
        "playbook_dir",
        "role_name",
        "role_path",
        "role_names",
        "play_hosts",
        "environment",
        "ansible_facts",
        "ansible_version",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_batch",
        "ansible_play_name",
        "ansible_play_role_names",
        "ansible_role_names",
        "ansible_role_name",
        "ansible_check_mode",
        "ansible_diff_mode",
        "ansible_verbosity",
        "ansible_forks",
        "ansible_limit",
        "ansible_inventory_sources",
        "ansible_playbook_python",
        "ansible_config_file",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_search_path",
        "lookup",
        "query",
        "q",
        "now",
        "undef",
        "range",
        "dict",
        "lipsum",
        "cycler",
        "joiner",
        "namespace",
        "self",
        "true",
        "false",
        "none",
    }
)
# It only parses. Ansible has these extensions too.
_ENVIRONMENT = Environment(autoescape=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
_ONE_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# Text with names in it and nothing else, as nearly all templates of an inventory are. ASCII names
# that begin with a lower-case letter or "_" only: Jinja takes `1`, `True` and some others for
# values.
_NAMES_ALONE = re.compile(r"[^{}]*(?:\{\{[ \t]*[a-z_][a-zA-Z0-9_]*[ \t]*\}\}[^{}]*)+")
# Words that are no names inside of an expression; those that are names of tags may be either.
_RESERVED = (
    "and else false for if import in include is macro none not or true do break continue "
    "block call extends filter from print set with autoescape trans"
)
_NO_NAMES = frozenset(_RESERVED.split())
_PARSED_MAX = 8192  # distinct templates that are remembered


def is_template(text: str) -> bool:
    """Return whether Ansible would template the text."""
    return not isinstance(text, Unsafe) and ("{{" in text or "{%" in text)


def texts(value: Any) -> Iterator[str]:
    """Yield every text inside a value that Ansible would template: no vaulted or unsafe ones."""
    if isinstance(value, str):
        if is_template(value):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict) and "__ansible_vault" not in value:
        for item in value.values():
            yield from texts(item)


def needed_names(text: str) -> frozenset[str]:
    """Return the names that the template needs. A name behind `default` or `is defined` is not
    needed.

    Raises ValueError where the text is not a valid template.
    """
    parsed = _parsed(text)
    if parsed.problem:
        raise ValueError(parsed.problem)
    return parsed.names


class _Parsed(NamedTuple):
    """The names that a template needs, or why the text is no template."""

    names: frozenset[str]
    problem: str = ""


@lru_cache(_PARSED_MAX)
def _parsed(text: str) -> _Parsed:
    """Thousands of hosts share a few templates, broken ones too."""
    if _NAMES_ALONE.fullmatch(text):
        names = frozenset(_ONE_NAME.findall(text))
        if names.isdisjoint(_NO_NAMES):
            return _Parsed(names - _MAGIC)
    return _by_jinja(text)


def _by_jinja(text: str) -> _Parsed:
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        return _Parsed(frozenset(), str(error.message) or "no template")
    loaded = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    stored = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    return _Parsed(frozenset(loaded - stored - set(_optional(tree)) - _MAGIC))


def _optional(tree: nodes.Node) -> Iterator[str]:
    guards = (
        *(node for node in tree.find_all(nodes.Filter) if node.name in ("default", "d")),
        *(node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined")),
    )
    for guard in guards:
        if isinstance(guard.node, nodes.Name):
            yield guard.node.name
        elif guard.node is not None:
            yield from (node.name for node in guard.node.find_all(nodes.Name))


def undefined(text: str, variables: Mapping[str, Any]) -> frozenset[str]:
    """Return the undefined names that the template needs, directly or through other variables.

    Raises ValueError where one of these texts is not a valid template.
    """
    missing: set[str] = set()
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        for name in needed_names(waiting.pop()) - seen:
            seen.add(name)
            if name in variables:
                waiting += texts(variables[name])
            else:
                missing.add(name)
    return frozenset(missing)


def plain(value: Any, variables: Mapping[str, Any], depth: int = 0) -> str | None:
    """Return the value with each `{{ name }}` replaced; None where the result is not plain text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, str) and not is_template(value):
        return str(value)
    text = str(value)
    if not is_template(text):
        return text
    values = {name: variables.get(name) for name in _ONE_NAME.findall(text)}
    texts_by_name = {
        name: plain(inner, variables, depth + 1) for name, inner in values.items() if depth < 9
    }
    if not texts_by_name or None in texts_by_name.values():
        return None
    text = _ONE_NAME.sub(lambda match: str(texts_by_name[match[1]]), text)
    return None if is_template(text) else text


def extra_variable_names(extra_vars: Sequence[str]) -> frozenset[str] | None:
    """Return the names that `-e` defines; None where a file defines them."""
    names: set[str] = set()
    for text in (argument.strip() for argument in extra_vars):
        if text.startswith("@"):
            return None
        if text.startswith(("{", "[")):
            try:
                names |= set(yaml.load(text, Loader=yaml.CSafeLoader))
            except (yaml.YAMLError, TypeError):
                return None
        else:
            names |= set(re.findall(r"(?:\A|\s)(\w+)=", text))
    return frozenset(names)
