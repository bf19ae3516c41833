"""Print: results to stdout, all else to stderr. Only this module prints.

Text from a host is cleaned by `clean` before it reaches a person's terminal.
"""

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .pager import Pager, for_stdout

if TYPE_CHECKING:
    from ..models.failure import Failure
    from ..report.formats import Format
    from ..report.view import View


def clean(text: str) -> str:
    """Escape characters that a terminal would obey or not show; see `protocol.cleaning`."""
    from ..protocol.cleaning import on_screen  # not needed, and not imported, for help

    return on_screen(text)


class _Invocation:
    """The pager of this invocation, if it has one, and whether stdout has got anything."""

    pager: Pager | None = None
    wrote: bool = False


def begin() -> None:
    """A new invocation: nothing is written yet."""
    _Invocation.wrote = False


def page() -> None:
    """From now on, show results that are longer than the screen in a pager."""
    _Invocation.pager = for_stdout()


def no_page() -> None:
    """From now on, results go straight to the terminal."""
    flush()
    _Invocation.pager = None


def close() -> None:
    """Write buffered text and wait until the person leaves the pager."""
    pager, _Invocation.pager = _Invocation.pager, None
    if pager is not None:
        pager.close(_to_stderr)


def flush() -> None:
    """Write buffered text, before something else uses the terminal."""
    if _Invocation.pager is not None:
        _Invocation.pager.flush()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def error(message: str) -> None:
    """Write an error on one line to stderr."""
    _say(f"patchctl: {clean(message)}")


def note(message: str) -> None:
    """Write a line for the person at the terminal to stderr."""
    _say(clean(message))


def _say(line: str) -> None:
    if _Invocation.pager is not None:
        _Invocation.pager.note(line, _to_stderr)
    else:
        _to_stderr(line)


class Screen:
    """The terminal of this invocation, for the renderers of `report/`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where stdout is not a terminal."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def clean(self, text: str) -> str:
        """Return the text with characters escaped that a terminal would obey."""
        return clean(text)

    def write(self, text: str) -> None:
        """A part of the result on stdout."""
        _Invocation.wrote = True
        if _Invocation.pager is not None:
            _Invocation.pager.write(text)
        else:
            sys.stdout.write(text)

    def encoded(self, part: bytes) -> None:
        """A part of the result on stdout in UTF-8, whatever the locale is."""
        _Invocation.wrote = True
        if _Invocation.pager is not None:
            _Invocation.pager.write(part.decode())
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(part)

    def note(self, text: str) -> None:
        """Write a line to stderr, after the text that was written to stdout before it."""
        sys.stdout.flush()
        note(text)

    def problem(self, text: str) -> None:
        """Write a line to stderr that says what is wrong."""
        sys.stdout.flush()
        error(text)


def show(view: "View", form: "Format", *, quiet: bool = False) -> None:
    """Print a view in the requested format; `quiet` leaves out its notes.

    Raises UsageError where the view cannot be shown in that format.
    """
    from ..report.formats import RENDERERS

    RENDERERS[form].render(view, Screen(quiet=quiet))
    sys.stdout.flush()


def show_failure(failure: "Failure", named_format: str) -> None:
    """The error that ends a verb, for the program that asked for its result in that format; people
    have read it on stderr.

    Not where a result was begun: what stands there is one document, or one a line.
    """
    from ..report.error_view import ErrorView
    from ..report.formats import RENDERERS

    renderer = {str(known): renderer for known, renderer in RENDERERS.items()}.get(named_format)
    if renderer is not None and not _Invocation.wrote:
        renderer.render(ErrorView(failure), Screen())


def notes(rows: Iterable[str]) -> None:
    """Write lines for the person at the terminal to stderr."""
    for row in rows:
        note(row)
