"""Mark text from inventory plugins that Ansible must never template.

Ansible trusts text of the operator, but no text of a cloud: the latter comes as
`{"__ansible_unsafe": text}`. In patchctl it is a subclass of `str`, so that rings and addresses are
read in the same way from all sources; the type is the mark that goes into generated inventories.
A model stores `str(text)` of it.
"""

from typing import Any

_MARK = "__ansible_unsafe"


class Unsafe(str):
    """Text that is never a template."""

    __slots__ = ()


def opened(value: Any) -> Any:
    """Return the value with `Unsafe` in place of each mark."""
    if isinstance(value, dict):
        # A mark with other content is a mapping of the user, such as a tag of that name.
        if len(value) == 1 and type(text := value.get(_MARK)) is str:
            return Unsafe(text)
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return value


def marked(value: Any) -> Any:
    """Return the value in Ansible's form, with each `Unsafe` as a mark; `opened` undoes it."""
    if isinstance(value, Unsafe):
        return {_MARK: str(value)}
    if isinstance(value, dict):
        return {key: marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [marked(item) for item in value]
    return value
