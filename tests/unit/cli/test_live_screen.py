"""The live screen in a real terminal: what stands on it, what keys do, what is left behind."""

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from live_world import LONG, approved, at, now_of, world
from rollout_world import RUN

from patchctl.protocol.cleaning import on_screen
from patchctl.report.live_text import plain
from patchctl.report.live_view import draw

UNIT = Path(__file__).parents[1]
SIZES = [(80, 24), (120, 40), (200, 60)]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
KEYS = "p pause   a approve   l a host's log   q leave"

# hosts, seq (from the end), how it ends
PROGRAM = """
import signal, sys, time
from live_world import LONG, approved, now_of, timed, world
from rollout_world import RUN
from patchctl.cli import output
from patchctl.cli.app import end_by_signals
from patchctl.cli.live import LiveScreen
from patchctl.errors import ConflictError
from patchctl.rollout.picture import Onlooker

hosts, back, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
run = world(hosts, failing=LONG)
(run.run if kind == "waits" else lambda: approved(run))()
seq = len(run.entries) - back

class Clock:
    def now_ms(self):
        return now_of(run, seq)

class Actions:
    left = False
    def pause(self):
        print("DID pause", file=log, flush=True)
        return "pause: asked for"
    def resume(self): ...
    def approve(self, ring):
        print("DID approve", ring, file=log, flush=True)
        raise ConflictError("no ring waits any more")
    def log(self, host):
        return [f"{host} says {number}" for number in range(50)]
    def leaving(self):
        return ("Leave it?",) if kind == "carries" else ()
    def leave(self):
        self.left = True

log = open(sys.argv[4], "w")
actions = Actions()
end_by_signals()
screen = LiveScreen(
    Onlooker(lambda _: timed(run, seq)), Clock(), color=True, actions=lambda _: actions
)
screen.begin(RUN)
try:
    while not actions.left:
        time.sleep(0.05)
        if kind == "warns":
            screen.warn("the log is behind")
            kind = ""
        if kind == "breaks":
            time.sleep(1)
            raise RuntimeError("broken")
finally:
    screen.close()
print("THE END")
"""


class Terminal:
    """A terminal with a program in it, as a person sees it."""

    def __init__(self, child: Any, width: int, height: int, log: Path) -> None:
        self.child = child
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)
        self._log = log

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def did(self) -> list[str]:
        """The actions that were called."""
        return self._log.read_text().split("\n")[:-1]

    def feed(self, seconds: float) -> bool:
        """Take what the program writes; False at its end."""
        try:
            self._stream.feed(self.child.read_nonblocking(65_536, timeout=seconds))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            return False
        return True

    def until(self, wanted: str, seconds: float = 30) -> None:
        """Wait until the screen has that text."""
        end = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < end, f"{wanted!r} is not on the screen:\n{self.text}"
            if not self.feed(0.2) and wanted not in self.text:
                raise AssertionError(f"it ended without {wanted!r}:\n{self.text}")

    def end(self) -> None:
        """Wait until the program has ended."""
        end = time.monotonic() + 30
        while self.feed(5):
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        self.child.close()

    @property
    def is_raw(self) -> bool:
        """Are keys delivered one by one, without an echo?"""
        flags = termios.tcgetattr(self.child.child_fd)[3]
        return not flags & termios.ICANON and not flags & termios.ECHO

    def press(self, keys: str) -> None:
        self.child.send(keys)


def _heeds_signals() -> None:
    """Stop ignoring signals: the caller of the tests may ignore them (nohup, a background job), and
    programs that are started would inherit that."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def terminal(
    tmp_path: Path, width: int = 80, height: int = 24, *, hosts: int = 6, back: int = 0,
    kind: str = "watches",
) -> Iterator[Terminal]:  # fmt: skip
    log = tmp_path / "did"
    log.touch()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(UNIT), "PYTHONUTF8": "1"}
    child = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, str(hosts), str(back), kind, str(log)],
        env=environment, encoding="utf-8", timeout=30, dimensions=(height, width),
        preexec_fn=_heeds_signals,
    )  # fmt: skip
    try:
        yield Terminal(child, width, height, log)
    finally:
        child.close(force=True)


class TestTheScreen:
    @pytest.mark.parametrize("hosts", [6, 500])
    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_shows_the_picture_line_by_line(
        self, tmp_path: Path, width: int, height: int, hosts: int
    ) -> None:
        with terminal(tmp_path, width, height, hosts=hosts, back=5) as shown:
            shown.until(KEYS)
            run = approved(world(hosts, failing=LONG))
            seq = len(run.entries) - 5
            lines = draw(at(run, seq), width, height - 1, now_of(run, seq), clean=on_screen)
            expected = [plain(line).rstrip() for line in lines]
            assert shown.rows[: len(expected)] == expected
            assert shown.rows[-1] == KEYS
            assert LONG in shown.text
            assert "dpkg: \\x1b[31merror" in shown.text

    def test_follows_a_change_of_size(self, tmp_path: Path) -> None:
        with terminal(tmp_path, 120, 40, hosts=500) as shown:
            shown.until(KEYS)
            shown.child.setwinsize(20, 70)
            shown.screen.resize(20, 70)
            shown.screen.reset()
            shown.until(KEYS)
            assert shown.rows[0].startswith(f"run {RUN}: ")
            assert shown.rows[19] == KEYS

    def test_is_gone_at_the_end_and_warnings_come_after_it(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="warns") as shown:
            shown.until(KEYS)
            shown.press("q")
            shown.end()
            assert [row for row in shown.rows if row] == [
                "patchctl: the log is behind",
                "THE END",
            ]


class TestTheTerminalIsAsBefore:
    def test_after_a_usual_end(self, tmp_path: Path) -> None:
        with terminal(tmp_path) as shown:
            shown.until(KEYS)
            assert shown.is_raw
            shown.press("q")
            shown.until("THE END")
            assert not shown.is_raw

    def test_after_an_error(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="breaks") as shown:
            shown.until(KEYS)
            shown.until("RuntimeError: broken")
            assert not shown.is_raw

    @pytest.mark.parametrize("number", SIGNALS)
    def test_after_a_signal(self, tmp_path: Path, number: signal.Signals) -> None:
        with terminal(tmp_path) as shown:
            shown.until(KEYS)
            assert shown.is_raw
            shown.child.kill(number)
            end = time.monotonic() + 30
            while shown.feed(5) and shown.is_raw:
                assert time.monotonic() < end, "the signal has no effect"
            assert not shown.is_raw

    def test_while_it_is_stopped_and_then_the_screen_comes_back(self, tmp_path: Path) -> None:
        # Without a shell the process group is an orphan, which the kernel does not stop by
        # SIGTSTP, so what the handler does is seen, not the stop itself.
        with terminal(tmp_path) as shown:
            shown.until(KEYS)
            shown.child.send("\x1a")
            shown.screen.reset()
            shown.until(KEYS)
            assert shown.is_raw
            shown.press("q")
            shown.until("THE END")
            assert not shown.is_raw


class TestKeys:
    def test_p_pauses(self, tmp_path: Path) -> None:
        with terminal(tmp_path, back=30) as shown:
            shown.until(KEYS)
            shown.press("p")
            shown.until("pause: asked for")
            assert shown.did == ["DID pause"]

    def test_a_shows_what_it_approves_and_asks(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="waits") as shown:
            shown.until(KEYS)
            shown.press("a")
            shown.until("y yes   any other key: no")
            assert re.search(r"Approve ring production of run r-1: 3 hosts in 1 wave", shown.text)
            assert "1 package update: web 2" in shown.text
            assert shown.did == []
            shown.press("y")
            shown.until("no ring waits any more")  # what the verb says
            assert shown.did == ["DID approve production"]

    def test_any_other_key_approves_nothing(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="waits") as shown:
            shown.until(KEYS)
            shown.press("a")
            shown.until("any other key")
            shown.press("\r")
            shown.until("nothing was done")
            assert shown.did == []

    def test_what_was_typed_before_the_question_is_no_answer(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="waits") as shown:
            shown.until(KEYS)
            shown.press("ay")
            shown.until("any other key")
            assert shown.did == []

    def test_l_shows_the_log_of_a_host(self, tmp_path: Path) -> None:
        with terminal(tmp_path) as shown:
            shown.until(KEYS)
            shown.press("l")
            shown.until("log of which host?")
            for key in "web-003":
                shown.press(key)
            shown.press("\r")
            shown.until("web-003.example.org says 49")
            shown.press("b")
            shown.until("web-003.example.org says 20")
            shown.press("q")
            shown.until(KEYS)

    def test_q_asks_where_leaving_changes_something(self, tmp_path: Path) -> None:
        with terminal(tmp_path, kind="carries") as shown:
            shown.until(KEYS)
            shown.press("q")
            shown.until("Leave it?")
            shown.press("n")
            shown.until("nothing was done")
            shown.press("q")
            shown.until("Leave it?")
            shown.press("y")
            shown.until("THE END")
