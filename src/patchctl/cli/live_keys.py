"""What keys do while a run is on the screen, and what the screen shows then.

A key does what its verb does, with the same checks. An approval shows what it approves and asks; so
does leaving, where this process carries the run.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import PatchctlError
from ..models.rollout import RunState
from ..models.run_picture import Approval, Picture
from ..models.states import TERMINAL
from ..models.words import some
from ..report.live_hosts import in_order
from ..report.live_text import Line, Span, cut
from ..report.live_view import Clean, approval_lines, draw, foot_lines, page

_SAID_S = 10.0
_NAMES_SHOWN = 5
_YES = "y yes   any other key: no"


class Actions(Protocol):
    """What keys may ask for. Each returns what to tell; all raise PatchctlError."""

    def pause(self) -> str:
        """Ask the run to begin no new hosts."""

    def resume(self) -> str:
        """Ask a paused run to go on."""

    def approve(self, ring: str) -> str:
        """Approve the ring."""

    def log(self, host: str) -> list[str]:
        """Return what the run knows of the host."""

    def leaving(self) -> Sequence[str]:
        """What to ask before leaving; nothing where it can be done at once."""

    def leave(self) -> None:
        """Leave the run."""


class Keys:
    """The state between keys: a question, a host's name, a log that is read."""

    def __init__(
        self, actions: Actions, picture: Callable[[], Picture | None], drop: Callable[[], None]
    ) -> None:
        self._actions = actions
        self._picture = picture
        # Forgets keys that were pressed before a question was shown.
        self._drop = drop
        self._said: tuple[float, str] = 0.0, ""
        self._question: Sequence[str] = ()
        self._yes: Callable[[], None] = lambda: None
        self._asked_fits = False
        self._typed: str | None = None
        self._log: tuple[str, list[str]] | None = None
        self._offset = 0
        self._page = 1

    @property
    def asks(self) -> bool:
        """Is there a question that wants an answer?"""
        return bool(self._question)

    # --- keys -----------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        """Do what the key is for now."""
        self._said = 0.0, ""
        try:
            if self._question:
                self._answer(key)
            elif self._typed is not None:
                self._type(key)
            elif self._log is not None:
                self._read(key)
            else:
                self._command(key)
        except PatchctlError as error:
            self._tell("; ".join(error.lines()))

    def _command(self, key: str) -> None:
        picture = self._picture()
        match key:
            case "p" if picture is not None:
                self._pause(picture)
            case "a" if picture is not None:
                self._approve(picture)
            case "l" if picture is not None:
                self._typed = ""
            case "q":
                self._leave()
            case _:
                pass

    def _pause(self, picture: Picture) -> None:
        state = picture.status.state
        if state in TERMINAL:
            self._tell("the run has ended")
        elif state is RunState.PAUSED:
            self._tell(self._actions.resume())
        else:
            self._tell(self._actions.pause())

    def _approve(self, picture: Picture) -> None:
        asked = picture.approval
        if asked is None:
            self._tell("no ring waits for an approval now")
            return
        self._ask(approval_lines(picture.status.run, asked), lambda: self._approved(asked))

    def _approved(self, asked: Approval) -> None:
        picture = self._picture()
        if picture is None or picture.approval != asked:
            self._tell("nothing was approved: the run has changed meanwhile; look again")
        else:
            self._tell(self._actions.approve(asked.ring))

    def _leave(self) -> None:
        question = self._actions.leaving()
        if question:
            self._ask(question, self._actions.leave)
        else:
            self._actions.leave()

    def _ask(self, question: Sequence[str], yes: Callable[[], None]) -> None:
        self._question, self._yes, self._asked_fits = question, yes, False
        self._drop()

    def _answer(self, key: str) -> None:
        fits, yes = self._asked_fits, self._yes
        self._question, self._yes = (), lambda: None
        if key != "y":
            self._tell("nothing was done")
        elif not fits:
            self._tell("nothing was done: the terminal is too small to show the whole question")
        else:
            yes()

    def _type(self, key: str) -> None:
        typed = self._typed or ""
        match key:
            case "enter":
                names = self._matching(typed)
                if names:
                    self._typed = None
                    self._open(names[0])
                else:
                    self._tell(f"no host of the run has {typed} in its name")
            case "escape":
                self._typed = None
            case "backspace":
                self._typed = typed[:-1]
            case _ if len(key) == 1 and key.isprintable():
                self._typed = typed + key
            case _:
                pass

    def _matching(self, typed: str) -> list[str]:
        """Hosts with that in their name: the very one first, then failed ones and those at work."""
        picture = self._picture()
        names = [host.name for host in in_order(picture)] if picture is not None else []
        matching = [name for name in names if typed in name]
        return sorted(matching, key=lambda name: (name != typed, not name.startswith(typed)))

    def _open(self, host: str) -> None:
        self._log = host, self._actions.log(host)
        self._offset = 1_000_000  # its end

    def _read(self, key: str) -> None:
        assert self._log is not None
        match key:
            case "q" | "l" | "escape":
                self._log = None
            case "r":
                self._open(self._log[0])
            case "up" | "k":
                self._offset -= 1
            case "down" | "j" | "enter":
                self._offset += 1
            case "page-up" | "b":
                self._offset -= self._page
            case "page-down" | " ":
                self._offset += self._page
            case _:
                pass

    def _tell(self, text: str) -> None:
        self._said = time.monotonic() + _SAID_S, text

    # --- what is shown --------------------------------------------------------------------------

    def view(self, picture: Picture, width: int, height: int, now: int, clean: Clean) -> list[Line]:
        """The screen as it is now."""
        until, said = self._said
        fresh = [said] if said and time.monotonic() < until else []
        told = foot_lines(fresh, width, clean, "yellow")
        if self._log is not None:
            return self._log_view(width, height, clean, told)
        if self._question:
            foot = foot_lines([*self._question, _YES], width, clean, "bold")
            self._asked_fits = len(foot) < height
        elif self._typed is not None:
            foot = self._name_view(width, clean)
        else:
            foot = [_keys(picture, width)]
        return draw(picture, width, height, now, clean=clean, foot=[*told, *foot])

    def _log_view(self, width: int, height: int, clean: Clean, told: Sequence[Line]) -> list[Line]:
        assert self._log is not None
        host, rows = self._log
        hint = f"log of {host}   up, down, space, b   r read again   q back"
        foot = [*told, *foot_lines([hint], width, clean, "bold")]
        self._page = max(1, height - len(foot) - 1)
        lines, self._offset = page(rows, width, height, self._offset, clean, foot)
        return lines

    def _name_view(self, width: int, clean: Clean) -> list[Line]:
        typed = self._typed or ""
        names = self._matching(typed)
        shown = some(names, _NAMES_SHOWN) or "no host has that in its name"
        rows = [
            f"log of which host? {typed}_",
            f"  {shown}",
            "Enter takes the first   Esc back",
        ]
        return foot_lines(rows, width, clean, "bold")


def _keys(picture: Picture, width: int) -> Line:
    pause = "p go on" if picture.status.state is RunState.PAUSED else "p pause"
    text = f"{pause}   a approve   l a host's log   q leave"
    return (Span(cut(text, width), "bold" if picture.approval else "dim"),)
