"""Passwords in plain text. Looked for in the files themselves: in the merged inventory a value of a
wholly vaulted file looks plain too."""

import re
from collections.abc import Iterable, Iterator

from ...models.lint import Finding
from ..source_map import SourceLocation
from . import templates
from .context import Context, error

_PASSWORD = re.compile(r"ansible_(?:\w+_)?(?:pass|passwd|password|passphrase|secret|token|api_key)")
_ONE_NAME = re.compile(r"\{\{-?\s*(\w+)\s*(?:\|[^{}]*)?-?\}\}")


def passwords(context: Context) -> Iterator[Finding]:
    """Connection passwords, and variables that such a password takes its value from."""
    names = _names(context.places.all)
    for place in context.places.all:
        secret = _PASSWORD.fullmatch(place.key) or place.key in names
        if secret and place.value and not templates.is_template(place.value):
            owner = f"{'host' if place.is_host else 'group'} {place.owner}"
            yield error(
                "plain-password",
                f"{place.key} of {owner} stands in plain text",
                "change it, and keep the new one in `ansible-vault encrypt_string`; "
                "git remembers the old one",
                place.where,
            )


def _names(places: Iterable[SourceLocation]) -> set[str]:
    """Variables that are the whole of a password: `ansible_password: "{{ site_password }}"`."""
    values: dict[str, list[str]] = {}
    for place in places:
        if place.key and place.value is not None:
            values.setdefault(place.key, []).append(place.value)
    waiting = [key for key in values if _PASSWORD.fullmatch(key)]
    found: set[str] = set()
    while waiting:
        for value in values.get(waiting.pop(), ()):
            if (name := _ONE_NAME.fullmatch(value.strip())) and name[1] not in found:
                found.add(name[1])
                waiting.append(name[1])
    return found
