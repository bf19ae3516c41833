"""Data to stdout, everything else to stderr. The only place that prints.

Whatever came from a host passes `clean` before a person's terminal sees it.
"""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec


class Format(StrEnum):
    """`-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def clean(text: str) -> str:
    """Text that cannot move a cursor, change a title or fake a line.

    Control, format (bidirectional overrides), surrogate and private characters become `\\xNN` or
    `\\uNNNN`; ECMA-48 escape sequences lose their effect with the escape character.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ch if ch.isprintable() and unicodedata.category(ch) not in _HIDDEN else _escape(ch)
        for ch in text
    )


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _escape(ch: str) -> str:
    code = ord(ch)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def error(message: str) -> None:
    """One line on stderr."""
    print(f"patchctl: {clean(message)}", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """A line for the person at the terminal, on stderr."""
    print(clean(message), file=sys.stderr, flush=True)


def data(value: Any, form: Format) -> None:
    """A model or builtins as JSON or YAML on stdout. JSON is one line."""
    plain = msgspec.to_builtins(value)
    if form is Format.YAML:
        import yaml

        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=100)
    else:
        text = msgspec.json.encode(plain).decode() + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()


def lines(rows: Iterable[str]) -> None:
    """Prepared lines on stdout."""
    for row in rows:
        sys.stdout.write(row + "\n")
    sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns separated by two spaces; names are never wrapped or cut."""
    body = [[clean(cell) for cell in row] for row in rows]
    widths = [
        max([len(title), *(len(row[index]) for row in body)]) for index, title in enumerate(header)
    ]
    for row in [list(header), *body]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.flush()


def error_lines(rows: Iterable[str]) -> None:
    """Prepared lines for the person at the terminal, on stderr."""
    for row in rows:
        note(row)
