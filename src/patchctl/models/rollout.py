"""The states of a rollout, the work that it gives to hosts, and the outcomes of this work.

The tables of legal transitions are in `rollout.states`.
"""

from enum import StrEnum
from typing import Any

from .base import Record
from .facts import Boot, PackageManager


class RunState(StrEnum):
    """The state of a run. Terminal: done, rolled_back, aborted."""

    PLANNED = "planned"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    SOAKING = "soaking"
    PROMOTING = "promoting"
    HALTING = "halting"
    HALTED = "halted"
    RETRYING = "retrying"
    ABORTING = "aborting"
    ABORTED = "aborted"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    NEEDS_HUMAN = "needs_human"
    DONE = "done"


class RingState(StrEnum):
    """The state of a ring in a run."""

    PENDING = "pending"
    WAITING = "waiting"
    RUNNING = "running"
    SOAKING = "soaking"
    DONE = "done"
    HALTED = "halted"


class Result(StrEnum):
    """What came of a run or a ring, once it ended or stands; `rollout.states` says of each what it
    means. State and result are two things: a run that is `done` may have skipped a ring."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOTHING_TO_DO = "nothing_to_do"
    HALTED = "halted"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"
    NEEDS_HUMAN = "needs_human"


class HostState(StrEnum):
    """The state of a host's attempt. `status` shows preflight … undrain as "running"."""

    PENDING = "pending"
    PREFLIGHT = "preflight"
    PREPARE = "prepare"
    DRAIN = "drain"
    APPLY = "apply"
    RESTART = "restart"
    REBOOT = "reboot"
    VERIFY = "verify"
    UNDRAIN = "undrain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    DEFERRED = "deferred"


class Stage(StrEnum):
    """A kind of work on a host. Each is idempotent for a transaction id."""

    PREFLIGHT = "preflight"
    PREPARE = "prepare"
    DRAIN = "drain"
    APPLY = "apply"
    RESTART = "restart"
    REBOOT = "reboot"
    VERIFY = "verify"
    UNDRAIN = "undrain"
    UNDO = "undo"
    VERIFY_UNDO = "verify_undo"
    # Not a step of an attempt: it releases what the run holds on a host that has settled.
    RELEASE = "release"


class OutcomeStatus(StrEnum):
    """The result of a stage on a host.

    `running`: the detached transaction has not ended; ask again. `locked`: somebody else uses the
    package manager there, so nothing was begun; ask again. `lost`: the controller's process ended
    without an answer for this host, so its state is unknown.
    """

    OK = "ok"
    FAILED = "failed"
    RUNNING = "running"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    LOST = "lost"


class HostWork(Record):
    """The work for one host. `transaction` is the idempotency key on the host.

    `fence` rises with every controller that takes the run over; the host refuses a lower one.
    `boot` is the boot that a reboot must end. `before` is list name -> number of entries that
    prepare recorded of the host's state before the update: verify must compare all of them; it is
    None where a patchctl that did not count prepared the host. `look`: only find out the state;
    begin nothing new. `check`: only preflight, without taking the host; nothing there changes.
    """

    host: str
    attempt: int
    transaction: str
    fence: int
    boot: Boot | None = None
    before: dict[str, int] | None = None
    look: bool = False
    check: bool = False


class Shard(Record):
    """A stage for some hosts of one ring and one package manager, given to the executor as one
    unit."""

    id: str
    run: str
    stage: Stage
    ring: str
    manager: PackageManager
    hosts: tuple[HostWork, ...]


class ProcessIdentity(Record):
    """Identifies a process for ever: a pid is used again, but not with the same boot and start.
    `start` is in clock ticks."""

    pid: int
    pgid: int
    start: int
    boot_id: str


# Identifies the process, local or remote, that runs a shard: JSON builtins that only the executor
# understands. With it a later controller can end what an earlier one left running.
Carrier = dict[str, Any]


class HostOutcome(Record):
    """The answer of one host to one stage. `evidence` has JSON builtins without floats."""

    shard: str
    host: str
    status: OutcomeStatus
    reason: str = ""
    evidence: dict[str, Any] = {}


class ShardEnded(Record):
    """The shard's process has ended; hosts of it without an outcome until now are lost."""

    shard: str
    reason: str = ""
