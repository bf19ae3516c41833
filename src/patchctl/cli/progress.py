"""A run as it goes: a live table on a terminal, plain lines elsewhere. Both on stderr."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..models.rollout import (
    Entry,
    HostMoved,
    HostState,
    HostStatusLine,
    RingMoved,
    RunMoved,
    RunStatus,
    WaveStarted,
)
from ..models.states import COUNTED, IN_FLIGHT, SETTLED
from ..report import rollout_text
from ..workflows.rollout.watching import RunView
from ..workflows.rollout.watching import status as status_of
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
    """An EventSink that keeps a view of its own, so that it can join a run in its middle."""

    def __init__(self, load: Callable[[str], RunView]) -> None:
        self._load = load
        self.view: RunView | None = None

    def on_entry(self, entry: Entry) -> None:
        """Take one durable entry in and show it."""
        if self.view is None:
            self.view = self._load(entry.run)
        if entry.seq > self.view.seq:
            self.view.apply(entry)
        self.show(entry)

    def show(self, entry: Entry) -> None:
        """Show what the entry changed."""

    def close(self) -> None:
        """The run stands."""


class PlainLines(Follower):
    """One line for what a person would want to read in a pipeline's log."""

    def show(self, entry: Entry) -> None:
        assert self.view is not None
        event = entry.event
        text = ""
        match event:
            case HostMoved():
                few = len(self.view.hosts) <= FEW
                if few or event.to in SETTLED or event.to is HostState.ROLLING_BACK:
                    text = self._host(event)
            case WaveStarted():
                waves = len(self.view.rings[event.ring].waves)
                size = rollout_text.some(event.hosts, "host")
                text = f"{event.ring}: wave {event.wave} of {waves}, {size}"
            case RingMoved():
                why = f": {event.reason}" if event.reason else ""
                text = f"{event.ring}: {event.to.value}{why}"
            case RunMoved():
                why = f": {event.reason}" if event.reason else ""
                text = f"run {self.view.run}: {event.to.value.replace('_', ' ')}{why}"
            case _:
                pass
        if text:
            clock = time.strftime("%H:%M:%S", time.gmtime(entry.at / 1000))
            output.note(f"{clock} {text}")

    def _host(self, event: HostMoved) -> str:
        assert self.view is not None
        host = self.view.hosts[event.host]
        what = event.stage.value if event.to in IN_FLIGHT and event.stage else event.to.value
        why = f": {event.reason}" if event.reason else ""
        return f"{host.ring}: {host.name}: {rollout_text.word(what).replace('_', ' ')}{why}"


class LiveTable(Follower):
    """Rings and hosts, redrawn in place."""

    def __init__(self, load: Callable[[str], RunView], console: "Console") -> None:
        from rich.live import Live

        super().__init__(load)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True
        )
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> "RenderableType":
        from rich.text import Text

        if self.view is None:
            return Text("…")
        try:
            return _table(status_of(self.view), self.view)
        except RuntimeError:  # the engine changed the view while this thread walked it
            return Text("…")


def _table(status: RunStatus, view: RunView) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rings = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("RING", "STATE", "HOSTS"):
        rings.add_column(title, no_wrap=True)
    for ring in status.rings:
        rings.add_row(
            Text(ring.name), Text(ring.state.value), Text(rollout_text.counts(ring.hosts))
        )
    hosts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("HOST", "RING", "STAGE", "FOR", "REASON"):
        hosts.add_column(title, no_wrap=True, overflow="ellipsis")
    shown = _interesting(status)
    now = time.time_ns() // 1_000_000
    for line in shown:
        busy = line.state in IN_FLIGHT
        stage = line.stage if busy else rollout_text.word(line.state.value)
        since = f"{(now - view.hosts[line.name].since) // 1000} s" if busy else ""
        style = _STYLE.get(line.state.value, "cyan")
        hosts.add_row(
            Text(output.clean(line.name)),
            Text(line.ring),
            Text(stage.replace("_", " "), style=style),
            Text(since),
            Text(output.clean(line.reason)),
        )
    parts: list[RenderableType] = [
        Text(output.clean(rollout_text.headline(status)), style="bold"),
        rings,
        Text(""),
        hosts,
    ]
    if len(shown) < len(status.hosts):
        parts.append(Text(f"… and {len(status.hosts) - len(shown)} more hosts", style="dim"))
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
