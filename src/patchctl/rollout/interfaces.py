"""What the engine needs from outside. Each interface is small; its errors stand beside it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ..models.journal import Command, Event, JournalEntry
from ..models.rollout import Carrier, HostOutcome, Shard, ShardEnded


class Executor(Protocol):
    """Brings a stage to hosts. Shards run side by side; a host is in one shard at a time."""

    def start(self, shard: Shard) -> Carrier | None:
        """Begin and return at once. None where nothing of its own carries the shard."""

    def poll(self, timeout_s: float) -> Sequence[HostOutcome | ShardEnded]:
        """Answers that came in, waiting at most `timeout_s` seconds for the first one."""

    def reap(self, shard: str, carrier: Carrier | None) -> bool:
        """End what a dead controller left of a shard, whole. True where something still ran.

        `carrier` is None where the controller died before it could write the identity down.
        """

    def stop(self) -> None:
        """End own shards' processes. Detached transactions on hosts go on."""


class Journal(Protocol):
    """The one truth. An entry is durable when `append` returns."""

    def append(self, run: str, events: Sequence[Event]) -> Sequence[JournalEntry]:
        """Write all or nothing, in order. Raises ConflictError when the fence was taken over."""

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        """Entries of a run with `seq` greater than `after`, oldest first."""


class Mailbox(Protocol):
    """Requests of operators, which may come from other processes at any time."""

    def pending(self, run: str) -> Sequence[Command]:
        """Not yet taken, oldest first."""

    def take(self, command: Command) -> None:
        """Mark as taken; called after the journal has the CommandTaken event."""


class Clock(Protocol):
    """Time, injected."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC, for what outlives the process."""

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment, for durations; nobody can set it."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class EventSink(Protocol):
    """Is told of every entry after it is durable. Must not fail and must not be slow."""

    def on_entry(self, entry: JournalEntry) -> None:
        """One entry, in order."""
