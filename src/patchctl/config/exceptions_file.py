"""exceptions.yml -> exceptions, and one more exception into it."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NewType

from ..errors import InvalidInputError, Problem
from ..models.base import Record
from ..models.exceptions import RiskException
from ..models.grammar import CVE
from .document import Document

FILE_NAME = "exceptions.yml"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# TEMP-… is what Debian's tracker calls a problem before it has a CVE number.
_CVE = re.compile(rf"{CVE}|TEMP-[0-9]{{7}}-[0-9A-F]{{6}}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEADER = """\
# Findings that their owner decided to live with. Each needs an owner, a reason, a compensating
# control and a last day; `patchctl exceptions check` tells which need attention.
"""

Ident = NewType("Ident", str)
Said = NewType("Said", str)
CveId = NewType("CveId", str)
Day = NewType("Day", str)
Glob = NewType("Glob", str)


class WrittenException(Record):
    """An exception as written. Empty fields are told below, so that one hides no other mistake."""

    id: Ident = Ident("")
    cves: tuple[CveId, ...] = ()
    packages: tuple[Glob, ...] = ()
    hosts: tuple[Glob, ...] = ()
    groups: tuple[Glob, ...] = ()
    owner: Said = Said("")
    reason: Said = Said("")
    control: Said = Said("")
    expires: Day = Day("")


class File(Record):
    """The whole file as written."""

    exceptions: tuple[WrittenException, ...] = ()


def load(path: Path) -> tuple[RiskException, ...]:
    """The exceptions of a file, in its order; none where there is no file.

    Raises InvalidInputError whose message has one line for every mistake, each with file and line.
    """
    if not path.exists() and not path.is_symlink():
        return ()
    return _read(Document.open(path))


def add(text: str, new: RiskException) -> str:
    """The file's text with one more exception at its end; all that was there stays as it is.

    Raises InvalidInputError where the text or the exception is wrong, the id is taken, or the
    list is written in a way that nothing can be put at its end.
    """
    before = _read(Document(FILE_NAME, text))
    if any(one.id == new.id for one in before):
        raise InvalidInputError(f"there is an exception {new.id} already", where=FILE_NAME)
    after = text + _entry(new, text)
    try:
        if _read(Document(FILE_NAME, after)) == (*before, new):
            return after
    except InvalidInputError as error:
        _check_alone(new)
        raise _no_place() from error
    raise _no_place()


def _check_alone(new: RiskException) -> None:
    """Is it the new exception that is wrong, and not the place where it must go?"""
    alone = Document("", "exceptions:\n" + _entry(new, "exceptions:\n"))
    try:
        _read(alone)
    except InvalidInputError as error:
        raise InvalidInputError(problems=[_of_new(one) for one in error.problems]) from error


def _of_new(problem: Problem) -> Problem:
    """The same, by the words that the new exception was given in, which has no line yet."""
    key = problem.key.removeprefix("exceptions[0]").removeprefix(".")
    return replace(problem, path="the new exception", line=0, key=key)


def _no_place() -> InvalidInputError:
    return InvalidInputError(
        "nothing can be added at its end",
        where=FILE_NAME,
        hint="make `exceptions:` the last key, with a line `- id: ...` for each, or add it by hand",
    )


# --- reading ------------------------------------------------------------------------------------


def _read(document: Document) -> tuple[RiskException, ...]:
    entries = document.decode(File, READERS)
    if entries is not None:
        _check(document, entries.exceptions)
    document.check()
    if entries is None:
        raise AssertionError("a file without problems has entries")
    return tuple(
        RiskException(
            id=one.id,
            owner=one.owner,
            reason=one.reason,
            control=one.control,
            expires=one.expires,
            cves=one.cves,
            packages=one.packages,
            hosts=one.hosts,
            groups=one.groups,
        )
        for one in entries.exceptions
    )


def _check(document: Document, entries: tuple[WrittenException, ...]) -> None:
    seen: set[str] = set()
    for place, entry in enumerate(entries):
        here = f"exceptions[{place}]"
        for name in ("id", "owner", "reason", "control", "expires"):
            if not getattr(entry, name) and document.clean(f"{here}.{name}"):
                document.complain(here, f"needs the key {name}")
        if not entry.cves and not entry.packages and _clean(document, here, "cves", "packages"):
            document.complain(here, "names neither cves nor packages", "give it one of them")
        if not entry.hosts and not entry.groups and _clean(document, here, "hosts", "groups"):
            document.complain(
                here,
                "says nothing of where it holds",
                'give it hosts or groups; hosts: ["*"] is all',
            )
        if entry.id and entry.id in seen:
            document.complain(f"{here}.id", f"{entry.id} stands twice", "ids are unique")
        seen.add(entry.id)


def _clean(document: Document, here: str, *names: str) -> bool:
    return all(document.clean(f"{here}.{name}") for name in names)


def _ident(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(
            f"must be a short name of letters, digits, '.', '_' and '-', not {value!r}"
        )
    return value


def _said(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text that says something")
    return value.strip()


def _cve(value: Any) -> str:
    text = value.upper() if isinstance(value, str) else ""
    if not _CVE.fullmatch(text):
        raise ValueError(f"must be a CVE such as CVE-2024-6387, not {value!r}")
    return text


def _glob(value: Any) -> str:
    if not isinstance(value, str) or not value or any(ch.isspace() for ch in value):
        raise ValueError(f"must be a name or a pattern such as web-*, not {value!r}")
    return value


def _day(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    # Python reads more forms of ISO 8601, of which a reader of the file may think otherwise.
    if not _DAY.fullmatch(text):
        raise ValueError(f"must be a date such as 2027-01-31, not {value!r}")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text}") from None
    return text


READERS = {Ident: _ident, Said: _said, CveId: _cve, Glob: _glob, Day: _day}

# --- writing ------------------------------------------------------------------------------------


def _entry(new: RiskException, text: str) -> str:
    """The lines of an exception, after a text: with its line ends and its list's indentation."""
    lines = [f"id: {_scalar(new.id)}"]
    for name in ("cves", "packages", "hosts", "groups"):
        values = getattr(new, name)
        if values:
            lines.append(f"{name}: [{', '.join(map(_scalar, values))}]")
    lines += [f"{name}: {_scalar(getattr(new, name))}" for name in ("owner", "reason", "control")]
    lines.append(f"expires: {new.expires}")
    found = re.search(r"^exceptions:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*( *)- ", text, re.MULTILINE)
    indent = found[1] if found else "  "
    made = [f"{indent}{'- ' if n == 0 else '  '}{line}" for n, line in enumerate(lines)]
    if not re.search(r"^exceptions:", text, re.MULTILINE):
        made = [*([] if text.strip() else _HEADER.splitlines()), "exceptions:", *made]
    end = "\r\n" if "\r\n" in text else "\n"
    first = end if text and not text.endswith("\n") else ""
    return first + end.join(made) + end


def _scalar(text: str) -> str:
    """Text in YAML's double quotes. JSON's escapes are YAML's; other characters stay."""
    return json.dumps(text, ensure_ascii=False)
