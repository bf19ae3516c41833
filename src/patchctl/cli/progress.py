"""A run as it goes, in plain lines on stderr: for logs, and where the terminal has no screen.

`live` has the screen.
"""

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
from ..models.states import AT_REST, IN_FLIGHT
from ..report import rollout_view
from ..report.run_endings import ending_word
from ..report.state_words import state_word
from ..workflows.rollout.outcomes import of_ring, of_run
from ..workflows.rollout.watching import Onlooker, TimedView
from . import output

FEW = 24


class Follower:
    """An EventSink that follows the run by itself, so that it can start in the middle of a run."""

    def __init__(self, onlooker: Onlooker) -> None:
        self.onlooker = onlooker

    def begin(self, run: str) -> None:
        """Show where the run stands, before it has news."""
        self.onlooker.open(run)

    def on_entry(self, entry: JournalEntry) -> None:
        """Add a stored journal entry and show it."""
        self.show(entry, self.onlooker.take(entry))

    def show(self, entry: JournalEntry, view: TimedView) -> None:
        """Show what the entry changed; `view` is the run after it."""

    def warn(self, message: str) -> None:
        """A warning that stops nothing."""
        output.error(message)

    def close(self) -> None:
        """The run is over or stopped: end the output."""


class PlainLines(Follower):
    """Prints a line for each event that matters to a reader of a pipeline's log."""

    def begin(self, run: str) -> None:
        super().begin(run)
        picture = self.onlooker.picture()
        if picture is not None:
            status = picture.status
            output.notes([rollout_view.headline(status), *rollout_view.blockers(status)])

    def show(self, entry: JournalEntry, view: TimedView) -> None:
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
