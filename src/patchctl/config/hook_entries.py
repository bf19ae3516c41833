"""Read `hooks` of patchctl.yml: entries as written."""

from typing import Any, NewType

from ..models import grammar
from ..models.base import Record
from ..models.hooks import EVERYTHING
from .document import Reader, Short

Sees = NewType("Sees", tuple[str, ...])


class HookEntry(Record):
    """A hook as written. The short form is only its file."""

    file: str
    sees: Sees = Sees(())


def sees(value: Any) -> tuple[str, ...]:
    """Return the groups, sorted and without repeats, so that their order in the file does not
    change the plan. Raises ValueError with the reason.
    """
    names = [value] if value == EVERYTHING else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"must be a list of groups, or {EVERYTHING}, not {value!r}")
    for name in names:
        if problem := grammar.group_problem(name):
            raise ValueError(problem)
    return (EVERYTHING,) if EVERYTHING in names else tuple(sorted(set(names)))


def hook_file(value: Any) -> HookEntry:
    if isinstance(value, str):
        return HookEntry(file=value)
    raise ValueError(f"must be a task file, or a mapping with file and sees, not {value!r}")


READERS: dict[Any, Reader] = {Sees: sees, HookEntry: Short(hook_file)}
