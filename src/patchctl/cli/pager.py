"""Long results through a pager, as git shows them: only on a terminal, only what does not fit."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable


def command() -> str:
    """PATCHCTL_PAGER, else PAGER, else less; empty for none, or where it is not installed."""
    chosen = next(
        (os.environ[name] for name in ("PATCHCTL_PAGER", "PAGER") if name in os.environ), "less"
    ).strip()
    program = chosen.partition(" ")[0]
    return chosen if program != "cat" and shutil.which(program) else ""


class Pager:
    """Takes what goes to stdout. Lines are held back until they fill the screen; then they and all
    that follows go to the pager, else they are written at the end."""

    def __init__(self, program: str, height: int) -> None:
        self._program = program
        self._height = height
        self._held: list[str] = []
        self._after: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def active(self) -> bool:
        """Is the pager on the screen now?"""
        return self._process is not None

    def write(self, text: str) -> None:
        """Show text, now or later."""
        if self._process is not None:
            self._feed(text)
            return
        self._held.append(text)
        if sum(part.count("\n") for part in self._held) >= self._height:
            self._start()

    def note(self, line: str, show: Callable[[str], None]) -> None:
        """A line for stderr: it would fall into the pager's screen, so it comes after it."""
        if self.active:
            self._after.append(line)
        else:
            self.flush()
            show(line)

    def flush(self) -> None:
        """What is held back to stdout, because something else comes next."""
        text, self._held = "".join(self._held), []
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()

    def close(self, show: Callable[[str], None]) -> None:
        """Everything is written: wait until the person has read it."""
        self.flush()
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        while self._process.poll() is None:
            # Ctrl-C goes to the pager too, which stays: less only ends what it is doing.
            with contextlib.suppress(KeyboardInterrupt):
                self._process.wait()
        self._process = None
        for line in self._after:
            show(line)
        self._after = []

    def _start(self) -> None:
        # As git: F ends at once what fits, R shows colours, X leaves the text on the screen.
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
            self._height = sys.maxsize  # then without a pager
            self.flush()
            return
        text, self._held = "".join(self._held), []
        self._feed(text)

    def _feed(self, text: str) -> None:
        # A pager that was left early takes no more.
        with contextlib.suppress(BrokenPipeError, ValueError):
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(text)
            self._process.stdin.flush()


def for_stdout() -> Pager | None:
    """A pager where stdout is a terminal that can have one."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    program = command()
    # One line is left for the shell's prompt.
    return Pager(program, shutil.get_terminal_size().lines - 1) if program else None
