"""Data to stdout, everything else to stderr. The only place that prints.

Whatever came from a host passes `clean` before a person's terminal sees it.
"""

import shutil
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from . import columns
from .pager import Pager, for_stdout


class Format(StrEnum):
    """`-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def clean(text: str) -> str:
    """Escape what a terminal would obey or not show; `protocol.cleaning` says what that is."""
    from ..protocol.cleaning import on_screen  # the first help needs none of it

    return on_screen(text)


class _Screen:
    """The pager of this invocation, if it has one."""

    pager: Pager | None = None


def page() -> None:
    """From now on, results that are longer than the screen go through a pager."""
    _Screen.pager = for_stdout()


def close() -> None:
    """Write what is held back, and wait for the pager."""
    pager, _Screen.pager = _Screen.pager, None
    if pager is not None:
        pager.close(_to_stderr)


def flush() -> None:
    """Write what is held back, before something else uses the terminal."""
    if _Screen.pager is not None:
        _Screen.pager.flush()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def error(message: str) -> None:
    """One line on stderr."""
    _say(f"patchctl: {clean(message)}")


def note(message: str) -> None:
    """A line for the person at the terminal, on stderr."""
    _say(clean(message))


def _say(line: str) -> None:
    if _Screen.pager is not None:
        _Screen.pager.note(line, _to_stderr)
    else:
        _to_stderr(line)


def _write(text: str) -> None:
    if _Screen.pager is not None:
        _Screen.pager.write(text)
    else:
        sys.stdout.write(text)


def data(value: Any, form: Format) -> None:
    """A model or builtins as JSON or YAML on stdout. JSON is one line."""
    plain = msgspec.to_builtins(value)
    if form is Format.YAML:
        import yaml

        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=100)
    else:
        text = msgspec.json.encode(plain).decode() + "\n"
    _write(text)
    sys.stdout.flush()


def whole(rows: Iterable[msgspec.Struct]) -> list[dict[str, Any]]:
    """Each with all of its fields, those without a value too: a script reads them by name."""
    return [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows]


def chunk(part: bytes) -> None:
    """A part of a long result that is written as it is made, as UTF-8."""
    if _Screen.pager is not None:
        _Screen.pager.write(part.decode())
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(part)


def lines(rows: Iterable[str]) -> None:
    """Prepared lines on stdout."""
    for row in rows:
        _write(row + "\n")
    sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns separated by two spaces. Names are never wrapped or cut; free text gives way on a
    terminal that is too narrow, and is whole elsewhere."""
    body = [[clean(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines(columns.layout(header, body, width))


def error_lines(rows: Iterable[str]) -> None:
    """Prepared lines for the person at the terminal, on stderr."""
    for row in rows:
        note(row)
