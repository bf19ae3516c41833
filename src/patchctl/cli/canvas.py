"""Lines on a terminal's second screen, so that what stood there before comes back afterwards."""

import contextlib
import os
import time
from collections.abc import Sequence

from ..report.live_text import Line

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
# The clearing is for terminals that have no second screen.
_LEAVE = "\x1b[0m\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l"
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_WEIGHTS = {"bold": "1", "dim": "2"}
# Everything is written anew so often: something else may have written over it.
_ANEW_S = 10.0
_USUAL = os.terminal_size((80, 24))


class Canvas:
    """Draws on the terminal behind a descriptor; only lines that changed are sent."""

    def __init__(self, descriptor: int, *, color: bool, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._styles = {**_WEIGHTS, **(_COLOURS if color else {})}
        self._encoding = encoding
        self._shown: list[str] = []
        self._size = _USUAL
        self._anew = 0.0
        self.entered = False

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal now."""
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:
            return _USUAL
        return size if size.columns and size.lines else _USUAL

    def show(self, lines: Sequence[Line], size: os.terminal_size) -> None:
        """Show these lines, which fit the size. Raises OSError where the terminal is gone."""
        rows = [self._row(line) for line in lines]
        text = ""
        if not self.entered:
            text += _ENTER
            self.entered, self._shown = True, []
        elif size != self._size or time.monotonic() > self._anew:
            text += "\x1b[0m\x1b[2J"
            self._shown = []
        if not self._shown:
            self._anew = time.monotonic() + _ANEW_S
        self._size = size
        for number in range(max(len(rows), len(self._shown))):
            row = rows[number] if number < len(rows) else ""
            if number >= len(self._shown) or self._shown[number] != row:
                text += f"\x1b[{number + 1};1H\x1b[2K{row}"
        self._shown = rows
        self._write(text)

    def leave(self) -> None:
        """Bring back what stood there before."""
        if self.entered:
            self.entered = False
            with contextlib.suppress(OSError):
                self._write(_LEAVE)

    def _row(self, line: Line) -> str:
        return "".join(self._painted(span.text, span.style) for span in line)

    def _painted(self, text: str, style: str) -> str:
        code = self._styles.get(style, "")
        return f"\x1b[{code}m{text}\x1b[0m" if code and text else text

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._descriptor, data) :]
