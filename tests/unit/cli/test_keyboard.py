"""Keys and lines on a terminal, by themselves."""

import os
import pty
import select
import termios
from collections.abc import Iterator

import pytest

from patchctl.cli.canvas import Canvas
from patchctl.cli.keyboard import Keyboard, is_foreground, keys_of
from patchctl.report.live_text import Span


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


class TestKeys:
    @pytest.mark.parametrize(
        ("sent", "keys"),
        [
            ("p", ["p"]),
            ("\x1b[A", ["up"]),
            ("\x1b[6~", ["page-down"]),
            ("\r", ["enter"]),
            ("\x7f", ["backspace"]),
            ("\x1b", ["escape"]),
            ("\x1b[15~", []),  # F5
            ("\x1b[200~y\x1b[201~", []),  # pasted
            ("ab\r", ["a", "b", "enter"]),
        ],
    )
    def test_are_told_by_name(self, sent: str, keys: list[str]) -> None:
        assert keys_of(sent) == keys

    def test_a_terminal_of_others_is_not_touched(self, pair: tuple[int, int]) -> None:
        _, theirs = pair
        before = termios.tcgetattr(theirs)
        keyboard = Keyboard(theirs)
        assert not is_foreground(theirs)
        assert not keyboard.take()
        assert keyboard.read(0) == []
        assert termios.tcgetattr(theirs) == before


class TestCanvas:
    SIZE = os.terminal_size((20, 5))

    def written(self, ours: int) -> str:
        data = b""
        while select.select([ours], [], [], 0)[0]:
            data += os.read(ours, 100_000)
        return data.decode()

    def test_only_lines_that_changed_are_sent(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        canvas = Canvas(theirs, color=True)
        canvas.show([(Span("one host"),), (Span("failed", "red"),)], self.SIZE)
        first = self.written(ours)
        assert "\x1b[?1049h" in first
        assert "\x1b[31mfailed\x1b[0m" in first
        canvas.show([(Span("one host"),), (Span("done"),)], self.SIZE)
        assert self.written(ours) == "\x1b[2;1H\x1b[2Kdone"

    def test_lines_that_are_no_more_are_cleared(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        canvas = Canvas(theirs, color=True)
        canvas.show([(Span("a"),), (Span("b"),)], self.SIZE)
        self.written(ours)
        canvas.show([(Span("a"),)], self.SIZE)
        assert self.written(ours) == "\x1b[2;1H\x1b[2K"

    def test_without_colours_weights_stay(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        Canvas(theirs, color=False).show([(Span("a", "red"), Span("b", "bold"))], self.SIZE)
        assert "\x1b[31m" not in (text := self.written(ours))
        assert "\x1b[1mb\x1b[0m" in text

    def test_what_the_terminal_cannot_show_is_one_column(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        Canvas(theirs, color=True, encoding="ascii").show([(Span("cut…"),)], self.SIZE)
        assert "cut?" in self.written(ours)

    def test_it_is_left_once(self, pair: tuple[int, int]) -> None:
        ours, theirs = pair
        canvas = Canvas(theirs, color=True)
        canvas.leave()  # nothing to leave yet
        canvas.show([()], self.SIZE)
        canvas.leave()
        canvas.leave()
        assert self.written(ours).count("\x1b[?1049l") == 1

    def test_a_terminal_that_tells_no_size_is_of_the_usual_one(self, pair: tuple[int, int]) -> None:
        assert Canvas(pair[1], color=True).size == (80, 24)
