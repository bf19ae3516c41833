"""Jinja in variables, as far as lint needs it: which names a template asks for.

Nothing is rendered: a lookup in a variable would run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from jinja2 import Environment, TemplateSyntaxError, nodes

from ...models.unsafe import Unsafe

# What Ansible gives every host beside its variables. Facts are not among them: patchctl's plays
# gather none.
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
# Only parses. Ansible has these extensions too.
_ENVIRONMENT = Environment(autoescape=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
_ONE_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def is_template(text: str) -> bool:
    """Would Ansible template it?"""
    return not isinstance(text, Unsafe) and ("{{" in text or "{%" in text)


def texts(value: Any) -> Iterator[str]:
    """Every text inside a value that Ansible would template: not vaulted, not unsafe ones."""
    if isinstance(value, str):
        if is_template(value):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict) and "__ansible_vault" not in value:
        for item in value.values():
            yield from texts(item)


def asked(text: str) -> frozenset[str]:
    """Names that the template needs. One behind `default` or `is defined` is not needed.

    Raises ValueError where the text is no template.
    """
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise ValueError(str(error.message)) from error
    loaded = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    stored = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    return frozenset(loaded - stored - set(_optional(tree)) - _MAGIC)


def _optional(tree: nodes.Node) -> Iterator[str]:
    guards = (
        *(one for one in tree.find_all(nodes.Filter) if one.name in ("default", "d")),
        *(one for one in tree.find_all(nodes.Test) if one.name in ("defined", "undefined")),
    )
    for guard in guards:
        if isinstance(guard.node, nodes.Name):
            yield guard.node.name
        elif guard.node is not None:
            yield from (node.name for node in guard.node.find_all(nodes.Name))


def undefined(text: str, variables: Mapping[str, Any]) -> frozenset[str]:
    """Names that the template needs, itself or through other variables, and nobody defines.

    Raises ValueError where a template on the way is none.
    """
    missing: set[str] = set()
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        for name in asked(waiting.pop()) - seen:
            seen.add(name)
            if name in variables:
                waiting += texts(variables[name])
            else:
                missing.add(name)
    return frozenset(missing)


def plain(value: Any, variables: Mapping[str, Any], depth: int = 0) -> str | None:
    """The value with `{{ name }}` replaced as far as that is plain text; None where it is not."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, str) and not is_template(value):
        return str(value)
    text = str(value)
    if not is_template(text):
        return text
    found = {name: variables.get(name) for name in _ONE_NAME.findall(text)}
    done = {name: plain(one, variables, depth + 1) for name, one in found.items() if depth < 9}
    if not done or None in done.values():
        return None
    text = _ONE_NAME.sub(lambda match: str(done[match[1]]), text)
    return None if is_template(text) else text


def given_names(extra_vars: Sequence[str]) -> frozenset[str] | None:
    """Names that `-e` defines; None where a file defines them."""
    names: set[str] = set()
    for text in (one.strip() for one in extra_vars):
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
