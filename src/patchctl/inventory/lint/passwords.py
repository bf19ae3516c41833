"""Find passwords in plain text. Searches the files themselves: in the merged inventory a value of a
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
    """Find plain connection passwords, and plain variables whose value such a password is."""
    names = _names(context.source_map.all)
    for location in context.source_map.all:
        secret = _PASSWORD.fullmatch(location.key) or location.key in names
        if secret and location.value and not templates.is_template(location.value):
            owner = f"{'host' if location.is_host else 'group'} {location.owner}"
            yield error(
                "plain-password",
                f"{location.key} of {owner} stands in plain text",
                "change it, and keep the new one in `ansible-vault encrypt_string`; "
                "git remembers the old one",
                location.where,
            )


def _names(locations: Iterable[SourceLocation]) -> set[str]:
    """Return variables that are a whole password: `ansible_password: "{{ site_password }}"`."""
    values: dict[str, list[str]] = {}
    for location in locations:
        if location.key and location.value is not None:
            values.setdefault(location.key, []).append(location.value)
    waiting = [key for key in values if _PASSWORD.fullmatch(key)]
    sources: set[str] = set()
    while waiting:
        for value in values.get(waiting.pop(), ()):
            if (name := _ONE_NAME.fullmatch(value.strip())) and name[1] not in sources:
                sources.add(name[1])
                waiting.append(name[1])
    return sources
