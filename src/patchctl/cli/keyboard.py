"""Keys from the terminal, one at a time and not echoed, as long as this process has the terminal.

The terminal is as before when `restore` was called: at the end, on an error, on a signal, before
Ctrl-Z stops the process. While the process is in the background nothing is changed or read.
"""

import atexit
import contextlib
import os
import select
import signal
import termios
from collections.abc import Callable
from threading import RLock, current_thread, main_thread
from types import FrameType
from typing import Any

# What the terminal sends for keys that are no characters.
_SEQUENCES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page-up",
    "\x1b[6~": "page-down",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}
_MOST = 64


def is_foreground(descriptor: int) -> bool:
    """Does this process have the terminal? A process in the background must not touch it: it would
    be stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def keys_of(text: str) -> list[str]:
    """The keys that were pressed: characters, and names for others. Unknown sequences are dropped.

    >>> keys_of("p"), keys_of("\\x1b[A"), keys_of("ab"), keys_of("\\x1b[15~")
    (['p'], ['up'], ['a', 'b'], [])
    """
    if text in _SEQUENCES:
        return [_SEQUENCES[text]]
    if text.startswith("\x1b"):
        return []
    return [_SEQUENCES.get(character, character) for character in text]


class Keyboard:
    """The terminal's keys. `suspend` and `proceed` are called around a Ctrl-Z, from the main
    thread: they take a screen away and bring it back."""

    def __init__(
        self,
        descriptor: int,
        suspend: Callable[[], None] = lambda: None,
        proceed: Callable[[], None] = lambda: None,
    ) -> None:
        self._descriptor = descriptor
        self._suspend = suspend
        self._proceed = proceed
        # A signal may come while the main thread has it.
        self._lock = RLock()
        self._before: list[Any] | None = None
        self._wake_read, self._wake_write = os.pipe()
        self._handlers: dict[int, Any] = {}
        self._closed = False

    def open(self) -> None:
        """Take signals that would leave the terminal changed. Only the main thread can do that."""
        atexit.register(self.restore)
        if current_thread() is main_thread():
            for number, handler in ((signal.SIGTSTP, self._stop), (signal.SIGQUIT, self._quit)):
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._handlers[number] = signal.signal(number, handler)

    def close(self) -> None:
        """Restore the terminal and give the signals back."""
        self.restore()
        for number, handler in self._handlers.items():
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(number, handler)
        self._handlers = {}
        atexit.unregister(self.restore)
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Let a `read` that waits return."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def take(self) -> bool:
        """Have keys delivered one by one, where this process has the terminal. What was typed
        before is dropped: it was meant for somebody else."""
        with self._lock:
            if self._closed or not is_foreground(self._descriptor):
                return False
            if self._before is None:
                try:
                    self._before = termios.tcgetattr(self._descriptor)
                except termios.error:
                    return False
            # Again and again: a shell that brings us back may have set its own.
            now = termios.tcgetattr(self._descriptor)
            if now[3] & (termios.ICANON | termios.ECHO):
                now[3] &= ~(termios.ICANON | termios.ECHO)
                now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, now)
            return True

    def restore(self) -> None:
        """Set the terminal as it was before. Keys that nobody has read are dropped, so that the
        shell does not get them."""
        with self._lock:
            before, self._before = self._before, None
            if before is None or not is_foreground(self._descriptor):
                return
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, before)

    def drop(self) -> None:
        """Forget keys that were pressed before now."""
        with contextlib.suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def read(self, timeout_s: float) -> list[str]:
        """Wait for keys, at most so long. Raises EOFError where the terminal is gone."""
        mine = [self._descriptor] if self._before is not None else []
        ready, _, _ = select.select([*mine, self._wake_read], [], [], timeout_s)
        if self._wake_read in ready:
            os.read(self._wake_read, _MOST)
        if self._descriptor not in ready or not is_foreground(self._descriptor):
            return []
        try:
            data = os.read(self._descriptor, _MOST)
        except OSError:
            data = b""
        if not data:
            raise EOFError
        return keys_of(data.decode("utf-8", "ignore"))

    # --- signals --------------------------------------------------------------------------------

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: stop with the terminal as it was before, and take it again afterwards."""
        self._suspend()
        self.restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._stop)
        self._proceed()
        self.wake()

    def _quit(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-\\: end at once, as without us, but leave the terminal as it was."""
        self._suspend()
        self.restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
