"""Read `policy.exclude` of patchctl.yml: the entries as written, and the rules made from them."""

from collections.abc import Iterable
from typing import Any, NewType

from ..models import grammar
from ..models.base import Record
from ..models.exclusions import Exclusion
from .document import Document
from .exceptions_file import READERS as STATEMENT_READERS
from .exceptions_file import Day, Statement

Pattern = NewType("Pattern", str)


class ExcludeEntry(Record):
    """An exclusion as written. Like an exception, it must name its owner and its last day."""

    packages: tuple[Pattern, ...]
    reason: Statement
    owner: Statement
    until: Day


def pattern(value: Any) -> str:
    """Return a package name or a shell pattern of names. Raises ValueError with the reason."""
    if not isinstance(value, str) or not grammar.fits("package pattern", value):
        raise ValueError(f"must be a package's name or a pattern such as nginx*, not {value!r}")
    return value


READERS = {Pattern: pattern, Statement: STATEMENT_READERS[Statement], Day: STATEMENT_READERS[Day]}


def check(document: Document, entries: Iterable[ExcludeEntry]) -> None:
    """Record problems of entries that a check of single values does not find."""
    for index, entry in enumerate(entries):
        here = f"policy.exclude[{index}].packages"
        if not entry.packages and document.clean(here):
            document.complain(here, "names no package", "give it names or patterns")


def rules(entries: Iterable[ExcludeEntry]) -> tuple[Exclusion, ...]:
    """Return the entries as rules, in their order. Rules that have ended are included."""
    return tuple(
        Exclusion(
            rule=f"policy.exclude[{index}]",
            packages=entry.packages,
            reason=entry.reason,
            owner=entry.owner,
            until=entry.until,
        )
        for index, entry in enumerate(entries)
    )
