"""What workflows need from outside. Adapters satisfy these, and wiring hands them over.

All methods raise PatchctlError: ConflictError where another process writes for too long,
AdapterError where the disk is full or not readable, IntegrityError where what is kept is damaged.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..audit.interfaces import AuditState, JournalSource
from ..models.advisory import Advisory, BadRecord, FeedKind, FeedRecord
from ..models.feeds import FeedInfo
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
        """Replace the file's content whole or not at all; durable when it returns."""

    def private_folder(self, path: Path) -> Path:
        """The folder with mode 0700, made with its parents where it is missing."""

    def locked(self, path: Path) -> AbstractContextManager[None]:
        """Hold an exclusive lock between processes."""


class Incoming(Protocol):
    """A file that is being received; pieces may come in any order."""

    path: Path

    def write(self, offset: int, data: bytes) -> None:
        """Put a piece in its place."""


class ContentStore(Protocol):
    """The package files of plans, by hash."""

    def holds(self, file: Artifact) -> bool:
        """Is the file there with its right content?"""

    def receive(self) -> AbstractContextManager[Incoming]:
        """A new file under way; gone at the end of the block unless `keep` took it."""

    def keep(self, incoming: Path, file: Artifact) -> Path:
        """Verify what came to that path and put it in its place; IntegrityError where it is not the
        file."""


class FeedStore(Protocol):
    """The vulnerability data that is held, each feed whole."""

    def list(self) -> tuple[FeedInfo, ...]:
        """What is held, by name."""

    def get(self, name: str) -> FeedInfo | None:
        """One feed."""

    def bad(self, name: str) -> tuple[BadRecord, ...]:
        """The first thousand unusable records of a feed. Raises NotFoundError."""

    def ids(self, name: str) -> set[str]:
        """Ids of all advisories of the feed. Raises NotFoundError."""

    def advisories_of(self, name: str) -> Iterable[Advisory]:
        """All advisories of the feed, in parts by ecosystem. Raises NotFoundError."""

    def cves_of(self, name: str) -> set[str]:
        """The CVEs of which the feed has a record. Raises NotFoundError."""

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
        """Hold these records as the feed, instead of what it was before."""

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
        """Put changed advisories in, take those with the ids `gone` out, keep the rest."""

    def unchanged(self, name: str) -> FeedInfo:
        """Note that the feed's address still has this content. Raises NotFoundError."""

    def remove(self, name: str) -> None:
        """Forget a feed. Raises NotFoundError."""


# --- the state ------------------------------------------------------------------------------------


class Plans(Protocol):
    """Plans that this state made or ran."""

    def save(self, plan: Plan) -> None:
        """Keep the plan."""

    def load(self, digest: str) -> Plan | None:
        """The plan of that digest or of a unique prefix."""

    def latest(self) -> Plan | None:
        """The newest."""


class Runs(Protocol):
    """Runs of this state."""

    def create(self, run_id: str, plan: str, hosts: int, created: int, by: str) -> RunSummary:
        """Enter a new run."""

    def get(self, run_id: str) -> RunSummary:
        """Raises NotFoundError."""

    def list(self, limit: int | None = None) -> Sequence[RunSummary]:
        """The newest first."""

    def latest(self) -> RunSummary | None:
        """The newest."""

    def resolve(self, prefix: str) -> RunSummary:
        """Raises NotFoundError, and InvalidInputError where several begin so."""


class Leases(Protocol):
    """Who carries which run, and which run has which host."""

    def take(
        self,
        run: str,
        process: ProcessIdentity,
        alive: Callable[[ProcessIdentity], bool],
        by: str,
    ) -> int:
        """Become the controller of the run; the answer is the fence, one more at each take.

        Raises ConflictError while the present controller is alive, NotFoundError.
        """

    def drop(self, run: str, fence: int) -> None:
        """The controller ends; nothing happens where another one has taken over."""

    def controller(self, run: str) -> tuple[ProcessIdentity, str] | None:
        """Who carries the run."""

    def claim_hosts(self, run: str, hosts: Iterable[str]) -> None:
        """Take all these hosts or none."""

    def release_hosts(self, run: str, hosts: Iterable[str] | None = None) -> None:
        """Give hosts back, all with None."""

    def held(self, hosts: Iterable[str]) -> dict[str, str]:
        """Host -> the run that has it."""

    def hosts(self, run: str) -> Sequence[str]:
        """The hosts that the run has."""


class Proofs(Protocol):
    """Which transitions which ring has proven."""

    def record(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Ring -> transitions that the run proved."""

    def withdraw(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Ring -> transitions that the run disproved."""

    def by_ring(self) -> Mapping[str, frozenset[str]]:
        """Ring -> transitions."""


class Snapshots(Protocol):
    """What discovery found."""

    def load(self, snapshot_id: str | None = None) -> Snapshot | None:
        """The snapshot, the newest with None."""


class Mailbox(rollout.Mailbox, Protocol):
    """Requests of operators; the engine takes them out."""

    def send(
        self, run: str, command: CommandKind, by: str, ring: str = "", reason: str = ""
    ) -> Command:
        """Leave a request. Raises NotFoundError where there is no such run."""


class JournalReader(JournalSource, Protocol):
    """The journal for everybody who does not carry the run."""

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        """Entries of a run with `seq` greater than `after`, oldest first."""


class State(AuditState, Protocol):
    """The state database. Every change is one transaction: whole or not at all."""

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

    def journal_reader(self) -> JournalReader:
        """The journal, to read."""

    def journal(self, run: str, fence: int) -> rollout.Journal:
        """The journal for the controller that holds the run with this fence."""

    def now_s(self) -> int:
        """Epoch seconds, UTC."""

    def write(self) -> AbstractContextManager[object]:
        """One transaction around steps of several stores: whole or not at all."""
