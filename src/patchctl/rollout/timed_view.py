"""A view of a run that also knows how long things took, for people who watch it. No decision is
made by it."""

from collections.abc import Iterable

from ..models.journal import HostMoved, JournalEntry, RunMoved
from ..models.plan import Plan
from ..models.rollout import HostState, RunState
from ..models.states import AT_REST, ENDED_WELL, IN_FLIGHT, OTHER_WORK, OVER
from .view import RunView

# A wave takes as long as its slowest host; one host in ten may be slower than what is expected.
_SLOWEST = 0.9
# Hosts that are remembered: the newest tell most of what comes.
_REMEMBERED = 500


class Pace:
    """How long hosts take from their first stage to a good end, in ms: a success, or an undo."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}
        self._took: dict[HostState, list[int]] = {state: [] for state in ENDED_WELL}

    def note(self, entry: JournalEntry) -> None:
        """Take one entry in."""
        event = entry.event
        if not isinstance(event, HostMoved):
            return
        if event.to in IN_FLIGHT:
            self._began.setdefault(event.host, entry.at)
        elif event.to in AT_REST:
            began = self._began.pop(event.host, None)
            if began is not None and event.to in ENDED_WELL:
                took = self._took[event.to][-_REMEMBERED:]
                self._took[event.to] = [*took, max(1, entry.at - began)]
        else:
            self._began.pop(event.host, None)

    def forget(self) -> None:
        """Begin anew: other work than before follows, such as an undo."""
        self._began, self._took = {}, {state: [] for state in ENDED_WELL}

    @property
    def wave_ms(self) -> int:
        """How long a wave is expected to take; 0 where no host has succeeded."""
        return self._slowest(HostState.SUCCEEDED)

    @property
    def undo_ms(self) -> int:
        """How long a wave of undos is expected to take; 0 where no host is undone."""
        return self._slowest(HostState.ROLLED_BACK)

    def _slowest(self, state: HostState) -> int:
        took = sorted(self._took[state])
        return took[int(len(took) * _SLOWEST)] if took else 0

    @property
    def working_since(self) -> int | None:
        """When the first of the hosts at work began; None where none is at work."""
        return min(self._began.values(), default=None)


def pace_of(entries: Iterable[JournalEntry]) -> Pace:
    """Return the pace of an earlier run."""
    pace = Pace()
    for entry in entries:
        pace.note(entry)
    return pace


class TimedView(RunView):
    """A `RunView` with the times that its journal has. `began` is when the run began, or the undo
    or retry that it is in, in epoch ms."""

    def __init__(self, run: str, plan: Plan) -> None:
        super().__init__(run, plan)
        self.began = 0
        self.pace = Pace()

    def apply(self, entry: JournalEntry) -> None:
        """Apply one entry, as `RunView` does, and note its time."""
        before = self.state
        super().apply(entry)
        if not self.began:
            self.began = entry.at
        if isinstance(entry.event, RunMoved) and _begins(before, entry.event.to):
            self.began = entry.at
            self.pace.forget()
        self.pace.note(entry)


def _begins(before: RunState, to: RunState) -> bool:
    """Does other work begin with this step?"""
    if before is RunState.PAUSED:
        return False
    return before in OVER or to in OTHER_WORK
