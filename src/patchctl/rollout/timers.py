"""Measure how often and how long this process has waited for hosts, by the monotonic clock: a wall
clock may be set.

A new controller gives every host its whole time again: it is not the host's fault that nobody
asked meanwhile. A soak outlives the process, so the journal's wall time tells it as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..models.journal import HostMoved, JournalEntry, RingMoved, StageAnswered
from ..models.rollout import RingState
from ..models.states import SILENT
from .interfaces import Clock
from .view import RunView

# How far the wall clock may go back before the run is paused for it.
STEP_BACK_MS = 60_000


@dataclass(frozen=True)
class Waited:
    """How long a host has been in its stage, has been silent there, and has waited there for a
    lock, in ms. `silences` counts the tries since its last answer; `at_work` tells whether it has
    reported there that it works, which the journal does not have.
    """

    stage_ms: int = 0
    silent_ms: int = 0
    silences: int = 0
    at_work: bool = False
    locked_ms: int = 0


class Timers:
    """The timers of all hosts and rings. Journal entries start them as they are written."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: dict[str, int] = {}
        # Host -> since when it is silent, and how often it was asked since.
        self._silent: dict[str, tuple[int, int]] = {}
        self._at_work: set[str] = set()
        self._locked: dict[str, int] = {}
        self._not_before: dict[str, int] = {}
        self._soaks: dict[str, int] = {}
        self._wall = clock.now_ms(), clock.monotonic_ms()

    @property
    def now(self) -> int:
        """The monotonic clock in ms."""
        return self._clock.monotonic_ms()

    def restart(self, hosts: Iterable[str]) -> None:
        """Give these hosts their whole time again."""
        for host in hosts:
            self._begin(host)

    def see(self, entry: JournalEntry) -> None:
        """Start or end timers by an entry that was just written."""
        match entry.event:
            case HostMoved(host=host):
                self._begin(host)
            case StageAnswered(host=host, status=status, late=False):
                if status in SILENT:
                    since, times = self._silent.get(host, (self.now, 0))
                    self._silent[host] = since, times + 1
                else:
                    self._silent.pop(host, None)
            case RingMoved(ring=ring, to=RingState.SOAKING):
                self._soaks[ring] = self.now
            case _:
                pass

    def _begin(self, host: str) -> None:
        self._began[host] = self.now
        self._silent.pop(host, None)
        self._at_work.discard(host)
        self._locked.pop(host, None)
        self._not_before.pop(host, None)

    def note_at_work(self, host: str) -> None:
        """Note that the host works: its earlier silence does not count any more."""
        self._silent.pop(host, None)
        self._locked.pop(host, None)
        self._at_work.add(host)

    def note_locked(self, host: str) -> None:
        """Note that the host waits for a lock of another process, so it is not silent."""
        self._silent.pop(host, None)
        self._locked.setdefault(host, self.now)

    def waited(self, host: str) -> Waited:
        """Return how long this host has been in its stage."""
        now = self.now
        since, silences = self._silent.get(host, (now, 0))
        return Waited(
            stage_ms=now - self._began.get(host, now),
            silent_ms=now - since,
            silences=silences,
            at_work=host in self._at_work,
            locked_ms=now - self._locked.get(host, now),
        )

    def delay(self, host: str, delay_ms: int) -> None:
        """Do not ask the host again before `delay_ms` have passed."""
        self._not_before[host] = self.now + delay_ms

    def is_due(self, host: str) -> bool:
        """Return whether the host may be asked now."""
        return self._not_before.get(host, 0) <= self.now

    def run_time(self, view: RunView) -> int:
        """Return the time by which the run goes on, in epoch ms. A soak that began in this process
        has its whole time even where the wall clock is set."""
        ring = view.current_ring()
        if ring is not None and ring.name in self._soaks:
            return ring.since + self.now - self._soaks[ring.name]
        return self._clock.now_ms()

    def stepped_back_ms(self) -> int:
        """Return how many ms the wall clock went back since the last call, else 0."""
        wall, steady = self._wall
        self._wall = self._clock.now_ms(), self.now
        expected = wall + self._wall[1] - steady
        return max(0, expected - self._wall[0])
