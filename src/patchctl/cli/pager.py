"""Show long results in a pager, like git: only on a terminal, and only what does not fit it."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable


def command() -> str:
    """Return the command in PATCHCTL_PAGER, else in PAGER, else less. Empty where that is set to
    nothing or not installed.
    """
    chosen = next(
        (os.environ[name] for name in ("PATCHCTL_PAGER", "PAGER") if name in os.environ), "less"
    ).strip()
    program = chosen.partition(" ")[0]
    return chosen if program != "cat" and shutil.which(program) else ""


class Pager:
    """Gets all text for stdout and buffers it until it fills the screen. Then it starts the pager
    and sends everything there; a shorter result is written to stdout at the end.
    """

    def __init__(self, program: str, height: int) -> None:
        self._program = program
        self._height = height
        self._held: list[str] = []
        self._after: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def active(self) -> bool:
        """Whether the pager is on the screen now."""
        return self._process is not None

    def write(self, text: str) -> None:
        """Show text, at once or later."""
        if self._process is not None:
            self._feed(text)
            return
        self._held.append(text)
        if sum(part.count("\n") for part in self._held) >= self._height:
            self._start()

    def note(self, line: str, show: Callable[[str], None]) -> None:
        """Show a line for stderr. While the pager is on the screen, the line waits until it is
        left.
        """
        if self.active:
            self._after.append(line)
        else:
            self.flush()
            show(line)

    def flush(self) -> None:
        """Write buffered text to stdout, because something else comes next."""
        text, self._held = "".join(self._held), []
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()

    def close(self, show: Callable[[str], None]) -> None:
        """End the output and wait until the person leaves the pager."""
        self.flush()
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        while self._process.poll() is None:
            # The pager gets the Ctrl-C too and goes on: less only stops its current command.
            with contextlib.suppress(KeyboardInterrupt):
                self._process.wait()
        self._process = None
        for line in self._after:
            show(line)
        self._after = []

    def _start(self) -> None:
        # As git: F exits at once if the text fits, R shows colours, X keeps the text on the screen.
        environment = {"LESS": "FRX", **os.environ}
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", self._program],
                stdin=subprocess.PIPE,
                text=True,
                encoding=sys.stdout.encoding,
                errors="backslashreplace",
                env=environment,
            )
        except OSError:
            self._height = sys.maxsize  # no pager from now on
            self.flush()
            return
        text, self._held = "".join(self._held), []
        self._feed(text)

    def _feed(self, text: str) -> None:
        # The person left the pager before the end.
        with contextlib.suppress(BrokenPipeError, ValueError):
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(text)
            self._process.stdin.flush()


def for_stdout() -> Pager | None:
    """Return a pager where stdout is a terminal and a pager can run, else None."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    program = command()
    # The shell's prompt needs one line.
    return Pager(program, shutil.get_terminal_size().lines - 1) if program else None
