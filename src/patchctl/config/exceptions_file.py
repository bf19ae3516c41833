"""Read exceptions.yml, and add an exception to it."""

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
# Debian's tracker gives an id TEMP-… to a problem that has no CVE number yet.
_CVE = re.compile(rf"{CVE}|TEMP-[0-9]{{7}}-[0-9A-F]{{6}}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEADER = """\
# Findings that their owner decided to live with. Each needs an owner, a reason, a compensating
# control and a last day; `patchctl exceptions check` tells which need attention.
"""

Ident = NewType("Ident", str)
Statement = NewType("Statement", str)
CveId = NewType("CveId", str)
Day = NewType("Day", str)
Glob = NewType("Glob", str)


class WrittenException(Record):
    """An exception as written in the file. Empty fields are reported later, so that one mistake
    does not hide another.
    """

    id: Ident = Ident("")
    cves: tuple[CveId, ...] = ()
    packages: tuple[Glob, ...] = ()
    hosts: tuple[Glob, ...] = ()
    groups: tuple[Glob, ...] = ()
    owner: Statement = Statement("")
    reason: Statement = Statement("")
    control: Statement = Statement("")
    expires: Day = Day("")


class File(Record):
    """The whole file as written."""

    exceptions: tuple[WrittenException, ...] = ()


def load(path: Path) -> tuple[RiskException, ...]:
    """Return the exceptions of a file, in its order; none where the file does not exist.

    Raises InvalidInputError. Its message has one line for each mistake, with file and line.
    """
    if not path.exists() and not path.is_symlink():
        return ()
    return _read(Document.open(path))


def add(text: str, new: RiskException) -> str:
    """Return the file's text with one more exception at its end. All else stays as it is.

    Raises InvalidInputError where the text or the exception is wrong, the id is in use, or the list
    is written in a form to which nothing can be appended.
    """
    before = _read(Document(FILE_NAME, text))
    if any(exception.id == new.id for exception in before):
        raise InvalidInputError(f"there is an exception {new.id} already", where=FILE_NAME)
    after = text + _entry(new, text)
    try:
        if _read(Document(FILE_NAME, after)) == (*before, new):
            return after
    except InvalidInputError as error:
        _check_alone(new)
        raise _cannot_append() from error
    raise _cannot_append()


def _check_alone(new: RiskException) -> None:
    """Raise InvalidInputError where the new exception itself is wrong, rather than its position in
    the file.
    """
    alone = Document("", "exceptions:\n" + _entry(new, "exceptions:\n"))
    try:
        _read(alone)
    except InvalidInputError as error:
        raise InvalidInputError(
            problems=[_about_new(problem) for problem in error.problems]
        ) from error


def _about_new(problem: Problem) -> Problem:
    """Return the problem with the new exception's own keys. It has no line yet."""
    key = problem.key.removeprefix("exceptions[0]").removeprefix(".")
    return replace(problem, path="the new exception", line=0, key=key)


def _cannot_append() -> InvalidInputError:
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
            id=entry.id,
            owner=entry.owner,
            reason=entry.reason,
            control=entry.control,
            expires=entry.expires,
            cves=entry.cves,
            packages=entry.packages,
            hosts=entry.hosts,
            groups=entry.groups,
        )
        for entry in entries.exceptions
    )


def _check(document: Document, entries: tuple[WrittenException, ...]) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        here = f"exceptions[{index}]"
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
            document.complain(f"{here}.id", f"{entry.id} is listed twice", "ids are unique")
        seen.add(entry.id)


def _clean(document: Document, here: str, *names: str) -> bool:
    return all(document.clean(f"{here}.{name}") for name in names)


def _ident(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(
            f"must be a short name of letters, digits, '.', '_' and '-', not {value!r}"
        )
    return value


def _statement(value: Any) -> str:
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
    # Python accepts more forms of ISO 8601, but people may misread them.
    if not _DAY.fullmatch(text):
        raise ValueError(f"must be a date such as 2027-01-31, not {value!r}")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text}") from None
    return text


READERS = {Ident: _ident, Statement: _statement, CveId: _cve, Glob: _glob, Day: _day}

# --- writing ------------------------------------------------------------------------------------


def _entry(new: RiskException, text: str) -> str:
    """Return the lines of an exception to append to `text`, with its line ends and indentation."""
    lines = [f"id: {_scalar(new.id)}"]
    for name in ("cves", "packages", "hosts", "groups"):
        values = getattr(new, name)
        if values:
            lines.append(f"{name}: [{', '.join(map(_scalar, values))}]")
    lines += [f"{name}: {_scalar(getattr(new, name))}" for name in ("owner", "reason", "control")]
    lines.append(f"expires: {new.expires}")
    first_item = re.search(
        r"^exceptions:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*( *)- ", text, re.MULTILINE
    )
    indent = first_item[1] if first_item else "  "
    entry = [f"{indent}{'- ' if n == 0 else '  '}{line}" for n, line in enumerate(lines)]
    if not re.search(r"^exceptions:", text, re.MULTILINE):
        entry = [*([] if text.strip() else _HEADER.splitlines()), "exceptions:", *entry]
    end = "\r\n" if "\r\n" in text else "\n"
    first = end if text and not text.endswith("\n") else ""
    return first + end.join(entry) + end


def _scalar(text: str) -> str:
    """Return the text in YAML's double quotes, where JSON's escapes are valid. Other characters
    stay.
    """
    return json.dumps(text, ensure_ascii=False)
