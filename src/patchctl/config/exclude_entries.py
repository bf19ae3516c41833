"""`policy.exclude` of patchctl.yml: entries as written -> rules."""

from collections.abc import Iterable
from typing import Any, NewType

from ..models import grammar
from ..models.base import Record
from ..models.exclusions import Exclusion
from .document import Document
from .exceptions_file import READERS as SAID
from .exceptions_file import Day, Said

Pattern = NewType("Pattern", str)


class ExcludeEntry(Record):
    """An exclusion as written. Who owns it and when it ends must be said, as of an exception."""

    packages: tuple[Pattern, ...]
    reason: Said
    owner: Said
    until: Day


def pattern(value: Any) -> str:
    """A package's name or a shell pattern of names. Raises ValueError with the reason."""
    if not isinstance(value, str) or not grammar.fits("package pattern", value):
        raise ValueError(f"must be a package's name or a pattern such as nginx*, not {value!r}")
    return value


READERS = {Pattern: pattern, Said: SAID[Said], Day: SAID[Day]}


def check(document: Document, entries: Iterable[ExcludeEntry]) -> None:
    """Record what is wrong with entries beyond their single values."""
    for place, entry in enumerate(entries):
        here = f"policy.exclude[{place}].packages"
        if not entry.packages and document.clean(here):
            document.complain(here, "names no package", "give it names or patterns")


def rules(entries: Iterable[ExcludeEntry]) -> tuple[Exclusion, ...]:
    """The entries as rules, in their order, also those that have ended."""
    return tuple(
        Exclusion(
            rule=f"policy.exclude[{place}]",
            packages=entry.packages,
            reason=entry.reason,
            owner=entry.owner,
            until=entry.until,
        )
        for place, entry in enumerate(entries)
    )
