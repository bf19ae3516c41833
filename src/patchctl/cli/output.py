"""Data to stdout, everything else to stderr. The only place that prints.

Whatever came from a host passes `clean` before a person's terminal sees it.
"""

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .pager import Pager, for_stdout

if TYPE_CHECKING:
    from ..report.formats import Format
    from ..report.view import View


def clean(text: str) -> str:
    """Escape what a terminal would obey or not show; `protocol.cleaning` says what that is."""
    from ..protocol.cleaning import on_screen  # the first help needs none of it

    return on_screen(text)


class _Invocation:
    """The pager of this invocation, if it has one."""

    pager: Pager | None = None


def page() -> None:
    """From now on, results that are longer than the screen go through a pager."""
    _Invocation.pager = for_stdout()


def unpage() -> None:
    """From now on, nothing goes through a pager."""
    close()


def close() -> None:
    """Write what is held back, and wait for the pager."""
    pager, _Invocation.pager = _Invocation.pager, None
    if pager is not None:
        pager.close(_to_stderr)


def flush() -> None:
    """Write what is held back, before something else uses the terminal."""
    if _Invocation.pager is not None:
        _Invocation.pager.flush()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def error(message: str) -> None:
    """One line on stderr."""
    _say(f"patchctl: {clean(message)}")


def note(message: str) -> None:
    """A line for the person at the terminal, on stderr."""
    _say(clean(message))


def _say(line: str) -> None:
    if _Invocation.pager is not None:
        _Invocation.pager.note(line, _to_stderr)
    else:
        _to_stderr(line)


class Screen:
    """This invocation's terminal, for the renderers of `report/`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where stdout is none."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def clean(self, text: str) -> str:
        """What a terminal would obey, escaped."""
        return clean(text)

    def write(self, text: str) -> None:
        """A part of the result on stdout."""
        if _Invocation.pager is not None:
            _Invocation.pager.write(text)
        else:
            sys.stdout.write(text)

    def encoded(self, part: bytes) -> None:
        """A part of the result on stdout in UTF-8, whatever the locale is."""
        if _Invocation.pager is not None:
            _Invocation.pager.write(part.decode())
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(part)

    def note(self, text: str) -> None:
        """A line on stderr, after what is on stdout by now."""
        sys.stdout.flush()
        note(text)

    def problem(self, text: str) -> None:
        """A line on stderr that says what is wrong."""
        sys.stdout.flush()
        error(text)


def show(view: "View", form: "Format", *, quiet: bool = False) -> None:
    """A view in the format that was asked for; `quiet` drops its notes."""
    from ..report.formats import RENDERERS

    RENDERERS[form].render(view, Screen(quiet=quiet))
    sys.stdout.flush()


def notes(rows: Iterable[str]) -> None:
    """Prepared lines for the person at the terminal, on stderr."""
    for row in rows:
        note(row)
