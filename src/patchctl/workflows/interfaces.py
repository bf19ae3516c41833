"""The interfaces that workflows need. Adapters implement them, and wiring hands them over.

All methods raise PatchctlError: ConflictError where another process writes for too long,
AdapterError where the disk is full or not readable, IntegrityError where stored data is damaged.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..audit.interfaces import AuditState, JournalSource
from ..models.advisory import Advisory, BadRecord, FeedKind, FeedRecord
from ..models.feeds import FeedInfo
from ..models.history import Changes, Known
from ..models.journal import Command, CommandKind, JournalEntry
from ..models.plan import Artifact, Plan
from ..models.rollout import ProcessIdentity
from ..models.snapshot import Snapshot
from ..models.state import RunSummary
from ..rollout import interfaces as rollout

# --- files ----------------------------------------------------------------------------------------


class Files(Protocol):
    """Files of the workspace and of the state."""

    def write_atomic(self, path: Path, data: bytes, *, mode: int = ...) -> None:
        """Replace the file's content completely or not at all; durable when it returns."""

    def private_folder(self, path: Path) -> Path:
        """Return the folder, with mode 0700; make it and its parents where they are missing."""

    def locked(self, path: Path) -> AbstractContextManager[None]:
        """Hold an exclusive lock against other processes within the block."""


class Incoming(Protocol):
    """A file that is being received; its pieces may come in any order."""

    path: Path

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece at its offset in bytes."""


class ContentStore(Protocol):
    """The package files of plans, by hash."""

    def holds(self, file: Artifact) -> bool:
        """Return whether the store has the file with the right content."""

    def receive(self) -> AbstractContextManager[Incoming]:
        """Open a new file; it is removed at the end of the block unless `keep` took it."""

    def keep(self, incoming: Path, file: Artifact) -> Path:
        """Verify the received file and move it into the store. Raises IntegrityError where it is
        another file."""


class FeedStore(Protocol):
    """The stored vulnerability feeds, each one complete."""

    def list(self) -> tuple[FeedInfo, ...]:
        """Return all stored feeds, by name."""

    def get(self, name: str) -> FeedInfo | None:
        """Return one feed, None where it is not stored."""

    def bad(self, name: str) -> tuple[BadRecord, ...]:
        """Return the first thousand unusable records of a feed. Raises NotFoundError."""

    def ids(self, name: str) -> set[str]:
        """Return the ids of all advisories of the feed. Raises NotFoundError."""

    def advisories_of(self, name: str) -> Iterable[Advisory]:
        """Return all advisories of the feed, in parts by ecosystem. Raises NotFoundError."""

    def cves_of(self, name: str) -> set[str]:
        """Return the CVEs that have a record in the feed. Raises NotFoundError."""

    def replace(
        self,
        name: str,
        kind: FeedKind,
        records: Iterable[FeedRecord],
        *,
        dated: Callable[[], int] = ...,
        address: str = ...,
        public: bool = ...,
        etag: str = ...,
        last_modified: str = ...,
        check: Callable[[FeedInfo], None] = ...,
    ) -> FeedInfo:
        """Store these records as the feed, in place of its earlier ones."""

    def merge(
        self,
        name: str,
        changed: Iterable[FeedRecord],
        gone: Collection[str],
        *,
        dated: Callable[[], int] = ...,
        etag: str = ...,
        last_modified: str = ...,
    ) -> FeedInfo:
        """Add changed advisories, remove those with the ids `gone`, keep the others."""

    def unchanged(self, name: str) -> FeedInfo:
        """Record that the feed's address still has this content. Raises NotFoundError."""

    def remove(self, name: str) -> None:
        """Remove a feed. Raises NotFoundError."""


# --- the state ------------------------------------------------------------------------------------


class Plans(Protocol):
    """The plans that were made or run with this state."""

    def save(self, plan: Plan) -> None:
        """Store the plan."""

    def load(self, digest: str) -> Plan | None:
        """Return the plan of that digest or unique prefix, or None."""

    def latest(self) -> Plan | None:
        """Return the newest plan."""


class Runs(Protocol):
    """The runs of this state."""

    def create(self, run_id: str, plan: str, hosts: int, created: int, by: str) -> RunSummary:
        """Store a new run; `created` is epoch seconds."""

    def get(self, run_id: str) -> RunSummary:
        """Return the run. Raises NotFoundError."""

    def list(self, limit: int | None = None) -> Sequence[RunSummary]:
        """Return runs, newest first."""

    def latest(self) -> RunSummary | None:
        """Return the newest run."""

    def resolve(self, prefix: str) -> RunSummary:
        """Return the run with this id, or the only one whose id begins or ends so. Raises
        NotFoundError, and InvalidInputError where several do."""


class Leases(Protocol):
    """The controller of each run, and the run that has each host."""

    def take(
        self,
        run: str,
        process: ProcessIdentity,
        alive: Callable[[ProcessIdentity], bool],
        by: str,
    ) -> int:
        """Become the controller of the run; return the fence, which grows by one at each take.

        Raises ConflictError while the present controller is alive, NotFoundError where there is no
        such run.
        """

    def drop(self, run: str, fence: int) -> None:
        """End control of the run; nothing happens where another controller has taken over."""

    def controller(self, run: str) -> tuple[ProcessIdentity, str] | None:
        """Return the run's controller and the name of who started it, or None."""

    def claim_hosts(self, run: str, hosts: Iterable[str]) -> None:
        """Take all these hosts or none."""

    def release_hosts(self, run: str, hosts: Iterable[str] | None = None) -> None:
        """Release these hosts of the run, all with None."""

    def held(self, hosts: Iterable[str]) -> dict[str, str]:
        """Return host -> the run that has it, for those that a run has."""

    def hosts(self, run: str) -> Sequence[str]:
        """Return the hosts that the run has."""


class Proofs(Protocol):
    """The transitions that each ring has proven."""

    def record(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Store ring -> transitions that the run proved."""

    def withdraw(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Remove ring -> transitions that the run disproved."""

    def by_ring(self) -> Mapping[str, frozenset[str]]:
        """Return ring -> proven transitions."""


class Snapshots(Protocol):
    """The stored results of discoveries."""

    def load(self, snapshot_id: str | None = None) -> Snapshot | None:
        """Return the snapshot, the newest with None."""


class Mailbox(rollout.Mailbox, Protocol):
    """Requests of operators; the engine takes them from here."""

    def send(
        self, run: str, command: CommandKind, by: str, ring: str = "", reason: str = ""
    ) -> Command:
        """Leave a request. Raises NotFoundError where there is no such run."""


class JournalReader(JournalSource, Protocol):
    """The journal for everybody but the run's controller."""

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        """Return the run's entries with a `seq` greater than `after`, oldest first."""

    def last(self, run: str) -> int:
        """Return the `seq` of the run's newest entry, 0 where it has none."""


class Meta(Protocol):
    """Small texts by key."""

    def get(self, key: str) -> str | None:
        """Return the text, None where there is none."""

    def set(self, key: str, value: str | None) -> None:
        """Replace the text; None removes it."""


class History(Protocol):
    """The stored history of findings."""

    def record(self, day: str, decide: Callable[[Known], Changes]) -> bool:
        """Store what `decide` makes of the history and the figures of the day, all of it or
        nothing. It may be asked twice."""

    def number(self, names: Collection[str]) -> Mapping[str, int]:
        """Return host -> its number; hosts that have none get one."""

    def generation(self) -> int:
        """Return how often the history was changed."""

    def looks(self) -> Mapping[str, int]:
        """Return snapshot -> its number, which grows whatever the clock does."""

    def runs_since(self) -> tuple[Sequence[str], int]:
        """Return the runs with journal entries that the history does not have yet, and the number
        of the last entry."""


class State(AuditState, Protocol):
    """The state database. Every change is one transaction: complete or not at all."""

    @property
    def plans(self) -> Plans: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def mailbox(self) -> Mailbox: ...
    @property
    def history(self) -> History: ...
    @property
    def meta(self) -> Meta: ...

    def journal_reader(self) -> JournalReader:
        """Return the journal, only to read."""

    def journal(self, run: str, fence: int) -> rollout.Journal:
        """Return the journal for the controller that holds the run with this fence."""

    def now_s(self) -> int:
        """Return the time as epoch seconds, UTC."""

    def write(self) -> AbstractContextManager[object]:
        """Open one transaction around steps of several stores: complete or not at all."""
