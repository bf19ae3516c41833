"""The interfaces that the engine needs: executor, journal, mailbox, clock and event sink."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ..models.journal import Command, Event, JournalEntry
from ..models.rollout import Carrier, HostOutcome, Shard, ShardEnded


class Executor(Protocol):
    """Runs a stage on hosts. Shards run at the same time; a host is in one shard at a time."""

    def start(self, shard: Shard) -> Carrier | None:
        """Begin the shard and return at once, with its process; None where it has none."""

    def poll(self, timeout_s: float) -> Sequence[HostOutcome | ShardEnded]:
        """Return new answers; wait at most `timeout_s` seconds for the first one."""

    def reap(self, shard: str, carrier: Carrier | None) -> bool:
        """End all processes that a dead controller left of a shard; True where one still ran.

        `carrier` is None where the controller died before it could write the process down.
        """

    def stop(self) -> None:
        """End the processes of this executor's shards. Detached transactions on hosts go on."""


class Journal(Protocol):
    """The only record of a run. An entry is durable when `append` returns."""

    def append(self, run: str, events: Sequence[Event]) -> Sequence[JournalEntry]:
        """Write all events in order, or none. Raises ConflictError where another controller has
        taken the fence."""

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        """Return the run's entries with a `seq` greater than `after`, oldest first."""


class Mailbox(Protocol):
    """Requests of operators, which may come from other processes at any time."""

    def pending(self, run: str) -> Sequence[Command]:
        """Return the requests that are not taken yet, oldest first."""

    def take(self, command: Command) -> None:
        """Mark a request as taken; called after the journal has its CommandTaken event."""


class Clock(Protocol):
    """The source of time."""

    def now_ms(self) -> int:
        """Return epoch milliseconds, UTC, for times that outlive the process."""

    def monotonic_ms(self) -> int:
        """Return milliseconds of a clock that nobody can set, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""


class EventSink(Protocol):
    """Receives every entry once it is durable. Must not fail and must not be slow."""

    def on_entry(self, entry: JournalEntry) -> None:
        """Receive one entry, in order."""
