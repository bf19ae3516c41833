"""How often and how long this process has waited for hosts. Times are by the monotonic clock: a
wall clock may be set.

A new controller gives every host its whole time again: that nobody asked meanwhile is not the
host's fault. What outlives a process (a soak) is told by the journal's wall time as well.
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
    """How long a host has been in its stage and how long it has been silent there, in ms; how often
    it was asked since without an answer; whether it has said there that it is at work, which the
    journal does not have; and how long it waits there for somebody else, in ms.
    """

    stage_ms: int = 0
    silent_ms: int = 0
    silences: int = 0
    at_work: bool = False
    locked_ms: int = 0


class Timers:
    """Started by journal entries as they are written."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: dict[str, int] = {}
        # Since when a host is silent, and how often it was asked since.
        self._silent: dict[str, tuple[int, int]] = {}
        self._at_work: set[str] = set()
        self._locked: dict[str, int] = {}
        self._not_before: dict[str, int] = {}
        self._soaks: dict[str, int] = {}
        self._wall = clock.now_ms(), clock.monotonic_ms()

    @property
    def now(self) -> int:
        """The monotonic clock, ms."""
        return self._clock.monotonic_ms()

    def restart(self, hosts: Iterable[str]) -> None:
        """Give these hosts their whole time."""
        for host in hosts:
            self._begin(host)

    def see(self, entry: JournalEntry) -> None:
        """Take an entry in that was just written."""
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

    def said_at_work(self, host: str) -> None:
        """The host said so: earlier silence does not count any more."""
        self._silent.pop(host, None)
        self._locked.pop(host, None)
        self._at_work.add(host)

    def said_locked(self, host: str) -> None:
        """The host said that it waits for somebody else: it is not silent."""
        self._silent.pop(host, None)
        self._locked.setdefault(host, self.now)

    def waited(self, host: str) -> Waited:
        """How long this host has been at its stage."""
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
        """Do not ask the host again before so many ms have passed."""
        self._not_before[host] = self.now + delay_ms

    def is_due(self, host: str) -> bool:
        """May the host be asked now?"""
        return self._not_before.get(host, 0) <= self.now

    def run_time(self, view: RunView) -> int:
        """The epoch ms by which the run goes on. A soak that began in this process has its whole
        time, whatever somebody does to the wall clock."""
        ring = view.current_ring()
        if ring is not None and ring.name in self._soaks:
            return ring.since + self.now - self._soaks[ring.name]
        return self._clock.now_ms()

    def stepped_back_ms(self) -> int:
        """How far the wall clock went back since this was asked last, 0 where it did not."""
        wall, steady = self._wall
        self._wall = self._clock.now_ms(), self.now
        expected = wall + self._wall[1] - steady
        return max(0, expected - self._wall[0])
