"""The live screen: a thread that shows pictures of a run four times a second and takes keys.

The thread gets pictures of the run, never the view that the run's thread goes on changing.
"""

import sys
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from ..models.journal import JournalEntry
from ..report.live_view import draw
from ..workflows.rollout.watching import Onlooker
from . import output
from .canvas import Canvas
from .keyboard import Keyboard, is_foreground
from .live_keys import Actions, Keys
from .progress import Follower

_TICK_S = 0.25
# With thousands of hosts a picture costs more: drawing gets this part of a core at most.
_SHARE = 20
# A terminal that takes nothing (Ctrl-S) must not keep the end of a run waiting.
_JOIN_S = 2.0


class Clock(Protocol):
    """The time for people."""

    def now_ms(self) -> int:
        """Epoch ms UTC."""


class LiveScreen(Follower):
    """Shows a run on the terminal at stderr. `actions` makes what keys do, for the run's id; None
    where there are no keys, because nobody could press them."""

    def __init__(
        self,
        onlooker: Onlooker,
        clock: Clock,
        *,
        color: bool,
        actions: Callable[[str], Actions] | None = None,
    ) -> None:
        super().__init__(onlooker)
        self._clock = clock
        self._make_actions = actions
        stream = sys.stderr
        self._descriptor = stream.fileno()
        self._canvas = Canvas(self._descriptor, color=color, encoding=stream.encoding)
        self._keyboard: Keyboard | None = None
        self._keys: Keys | None = None
        self._thread: Thread | None = None
        self._over = Event()
        self._next_draw = 0.0
        self._stopped = False
        self._held: list[str] = []
        self._error: Exception | None = None

    # --- the run's thread -----------------------------------------------------------------------

    def begin(self, run: str) -> None:
        super().begin(run)
        self._start(run)

    def on_entry(self, entry: JournalEntry) -> None:
        super().on_entry(entry)
        self._start(entry.run)

    def warn(self, message: str) -> None:
        """A warning, which would fall into the screen: it is told when the screen is gone."""
        if self._thread is None or self._over.is_set():
            output.error(message)
        else:
            self._held.append(message)

    def close(self) -> None:
        """Take the screen away, restore the terminal, tell what was held back."""
        if self._thread is None or self._over.is_set():
            return
        self._over.set()
        if self._keyboard is not None:
            self._keyboard.wake()
        try:
            self._thread.join(_JOIN_S)
        finally:
            self._canvas.leave()
            if self._keyboard is not None:
                self._keyboard.close()
        for message in self._held:
            output.error(message)
        if self._error is not None:
            output.error(f"the live screen stopped, the run did not: {self._error!r}")

    def _start(self, run: str) -> None:
        if self._thread is not None:
            return
        if self._make_actions is not None:
            self._keyboard = Keyboard(sys.stdin.fileno(), self._suspend, self._proceed)
            self._keyboard.open()
            self._keys = Keys(self._make_actions(run), self.onlooker.picture, self._keyboard.drop)
        self._thread = Thread(target=self._show, name="live screen", daemon=True)
        self._thread.start()

    def _suspend(self) -> None:
        self._stopped = True
        self._canvas.leave()

    def _proceed(self) -> None:
        self._stopped = False
        self._next_draw = 0.0

    # --- the screen's thread --------------------------------------------------------------------

    def _show(self) -> None:
        try:
            while not self._over.is_set():
                self._tick()
        except Exception as error:
            # Not the run's fault, and no reason to stop it.
            self._error = error
            self._canvas.leave()
            if self._keyboard is not None:
                self._keyboard.restore()

    def _tick(self) -> None:
        mine = not self._stopped and is_foreground(self._descriptor)
        keyboard = self._keyboard
        if mine and keyboard is not None and not keyboard.take():
            keyboard = None
        if mine and time.monotonic() >= self._next_draw:
            before = time.thread_time()
            self._draw()
            self._next_draw = time.monotonic() + _SHARE * (time.thread_time() - before)
        if keyboard is None or self._keys is None or not mine:
            self._over.wait(_TICK_S)
            return
        try:
            for key in keyboard.read(_TICK_S):
                self._keys.press(key)
                self._next_draw = 0.0
                if self._keys.asks:  # what was pressed before it is no answer
                    break
        except EOFError:
            self._keyboard, self._keys = None, None
            keyboard.restore()

    def _draw(self) -> None:
        picture = self.onlooker.picture()
        if picture is None:
            return
        size = self._canvas.size
        now = self._clock.now_ms()
        if self._keys is not None:
            lines = self._keys.view(picture, size.columns, size.lines, now, output.clean)
        else:
            lines = draw(picture, size.columns, size.lines, now, clean=output.clean)
        if not self._stopped and not self._over.is_set():
            self._canvas.show(lines, size)
