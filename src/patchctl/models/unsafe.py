"""Text that Ansible must never template, which inventory plugins give.

Ansible trusts what an operator wrote and nothing that a cloud answered: such text comes as
`{"__ansible_unsafe": text}`. Here it is text like any other, so that rings and addresses are read
alike from every source, and its type is the mark that goes with it into generated inventories.
What is taken out of it into a model is `str(text)`.
"""

from typing import Any

_MARK = "__ansible_unsafe"


class Unsafe(str):
    """Text that is never a template."""

    __slots__ = ()


def opened(value: Any) -> Any:
    """The value with `Unsafe` in place of every mark."""
    if isinstance(value, dict):
        # A mark that holds anything else is somebody's own mapping, such as a tag of that name.
        if len(value) == 1 and type(text := value.get(_MARK)) is str:
            return Unsafe(text)
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return value


def marked(value: Any) -> Any:
    """The value as Ansible reads it, every `Unsafe` marked; `opened` undoes it."""
    if isinstance(value, Unsafe):
        return {_MARK: str(value)}
    if isinstance(value, dict):
        return {key: marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [marked(item) for item in value]
    return value
