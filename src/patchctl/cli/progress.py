"""A run as it goes: a live table on a terminal, plain lines elsewhere. Both on stderr.

The table is drawn by a thread of its own, so it gets pictures of the run, never the view that the
run's thread goes on changing.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..models import words
from ..models.journal import (
    HostMoved,
    JournalEntry,
    RingMoved,
    RunMoved,
    StageAnswered,
    WaveStarted,
)
from ..models.rollout import HostState, OutcomeStatus
from ..models.run_status import HostStatusLine, RunStatus
from ..models.states import AT_REST, COUNTED, IN_FLIGHT
from ..report import rollout_view
from ..report.run_endings import ending_word
from ..report.state_words import run_word, state_word
from ..workflows.rollout.outcomes import of_ring, of_run
from ..workflows.rollout.watching import Onlooker, Picture, RunView
from . import output

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FEW = 24
_STYLE = {
    "succeeded": "green",
    "failed": "red",
    "unknown": "red",
    "rollback_failed": "bold red",
    "rolling_back": "yellow",
    "rolled_back": "yellow",
    "skipped": "dim",
    "pending": "dim",
}


class Follower:
    """An EventSink that folds the run for itself, so that it can join one in its middle."""

    def __init__(self, load: Callable[[str], RunView]) -> None:
        self.onlooker = Onlooker(load)

    def on_entry(self, entry: JournalEntry) -> None:
        """Take one durable entry in and show it."""
        self.show(entry, self.onlooker.take(entry))

    def show(self, entry: JournalEntry, view: RunView) -> None:
        """Show what the entry changed; `view` is the run after it."""

    def close(self) -> None:
        """The run stands."""


class PlainLines(Follower):
    """One line for what a person would want to read in a pipeline's log."""

    def show(self, entry: JournalEntry, view: RunView) -> None:
        event = entry.event
        text = ""
        match event:
            case HostMoved():
                few = len(view.hosts) <= FEW
                if few or event.to in AT_REST or event.to is HostState.ROLLING_BACK:
                    text = _host(event, view.hosts[event.host].ring)
            case StageAnswered(status=OutcomeStatus.LOCKED) if len(view.hosts) <= FEW:
                text = f"{view.hosts[event.host].ring}: {event.host}: waits: {event.reason}"
            case WaveStarted():
                waves = len(view.rings[event.ring].waves)
                size = words.count(event.hosts, "host")
                text = f"{event.ring}: wave {event.wave} of {waves}, {size}"
            case RingMoved():
                why = f": {event.reason}" if event.reason else ""
                word = ending_word(event.to, of_ring(view, view.rings[event.ring]))
                text = f"{event.ring}: {word}{why}"
            case RunMoved():
                why = f": {event.reason}" if event.reason else ""
                text = f"run {view.run}: {ending_word(event.to, of_run(view))}{why}"
            case _:
                pass
        if text:
            at = words.clock(entry.at / 1000)
            output.note(f"{at} {text}")


def _host(event: HostMoved, ring: str) -> str:
    what = event.stage if event.to in IN_FLIGHT and event.stage else event.to
    why = f": {event.reason}" if event.reason else ""
    return f"{ring}: {event.host}: {state_word(what)}{why}"


class LiveTable(Follower):
    """Rings and hosts, redrawn in place."""

    def __init__(self, load: Callable[[str], RunView], console: "Console") -> None:
        from rich.live import Live

        super().__init__(load)
        self._live = Live(
            console=console, get_renderable=self.renderable, refresh_per_second=4, transient=True
        )
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def renderable(self) -> "RenderableType":
        """The table as of the last entry; asked from the thread that draws it."""
        from rich.text import Text

        picture = self.onlooker.picture()
        return Text("…") if picture is None else _table(picture)


def _table(picture: Picture) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    status = picture.status
    since = {host.name: at for host, at in zip(status.hosts, picture.since, strict=True)}
    rings = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("RING", "STATE", "HOSTS"):
        rings.add_column(title, no_wrap=True)
    for ring in status.rings:
        rings.add_row(
            Text(ring.name), Text(ring.state.value), Text(rollout_view.counts(ring.hosts))
        )
    hosts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("HOST", "RING", "STAGE", "FOR", "REASON"):
        hosts.add_column(title, no_wrap=True, overflow="ellipsis")
    shown = _interesting(status)
    now = time.time_ns() // 1_000_000
    for line in shown:
        busy = line.state in IN_FLIGHT
        stage = run_word(line.stage) if busy else state_word(line.state)
        waited = f"{(now - since[line.name]) // 1000} s" if busy else ""
        style = _STYLE.get(line.state.value, "cyan")
        hosts.add_row(
            Text(output.clean(line.name)),
            Text(line.ring),
            Text(stage, style=style),
            Text(waited),
            Text(output.clean(line.reason)),
        )
    parts: list[RenderableType] = [
        Text(output.clean(rollout_view.headline(status)), style="bold"),
        rings,
        Text(""),
        hosts,
    ]
    if len(shown) < len(status.hosts):
        parts.append(Text(words.more(len(status.hosts) - len(shown), "host"), style="dim"))
    return Group(*parts)


def _interesting(status: RunStatus) -> list[HostStatusLine]:
    if len(status.hosts) <= FEW:
        return list(status.hosts)
    return sorted(status.hosts, key=_rank)[:FEW]


def _rank(line: HostStatusLine) -> int:
    if line.state in COUNTED:
        return 0
    if line.state in IN_FLIGHT:
        return 1
    return 2 if line.state is HostState.PENDING else 3
