"""Mark text from inventory plugins that Ansible must never template.

Ansible trusts what an operator wrote but nothing that a cloud answered: such text comes as
`{"__ansible_unsafe": text}`. Here it is text like any other, so that rings and addresses are read
alike from every source, and its type is the mark that goes with it into generated inventories.
A model stores `str(text)` of it.
"""

from typing import Any

_MARK = "__ansible_unsafe"


class Unsafe(str):
    """Text that is never a template."""

    __slots__ = ()


def opened(value: Any) -> Any:
    """The value with `Unsafe` in place of every mark."""
    if isinstance(value, dict):
        # A mark with another content is somebody's own mapping, such as a tag of that name.
        if len(value) == 1 and type(text := value.get(_MARK)) is str:
            return Unsafe(text)
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return value


def marked(value: Any) -> Any:
    """The value in Ansible's form, with every `Unsafe` marked; `opened` undoes it."""
    if isinstance(value, Unsafe):
        return {_MARK: str(value)}
    if isinstance(value, dict):
        return {key: marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [marked(item) for item in value]
    return value
