"""A rollout: its states, the work it hands out, what comes back, and the journal's events.

The tables of legal transitions stand in `rollout.states`.
"""

from enum import StrEnum
from typing import Any

from .base import Model, Record
from .exclusions import Exclusion
from .facts import Boot, PackageManager
from .plan import CouldNotLook


class RunState(StrEnum):
    """Where a run is. Terminal: done, rolled_back, aborted."""

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
    """Where a ring is inside a run."""

    PENDING = "pending"
    WAITING = "waiting"
    RUNNING = "running"
    SOAKING = "soaking"
    DONE = "done"
    HALTED = "halted"


class HostState(StrEnum):
    """Where a host's attempt is. `status` folds preflight … undrain into "running"."""

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
    """One piece of work on a host. Each is idempotent for one transaction id."""

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
    # Not a step of an attempt: what the run took on a host is given back once the host has settled.
    RELEASE = "release"


class OutcomeStatus(StrEnum):
    """What came back from a host.

    `running`: the detached transaction goes on, ask again. `locked`: somebody else works with the
    package manager there, so nothing was begun; ask again. `lost`: the controller's process ended
    without an answer for this host; nothing is known.
    """

    OK = "ok"
    FAILED = "failed"
    RUNNING = "running"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    LOST = "lost"


class HostWork(Record):
    """What one host is to do. `transaction` is the idempotency key on the host.

    `fence` rises with every controller that takes the run over; the host refuses a lower one.
    `boot` is the identity that a reboot must replace. `before` is how much of the host's state
    before the update prepare wrote down, by list: verify must have compared all of it. None: the
    host was prepared by a patchctl that did not count. `look`: only find out; begin nothing that
    was not begun.
    """

    host: str
    attempt: int
    transaction: str
    fence: int
    boot: Boot | None = None
    before: dict[str, int] | None = None
    look: bool = False


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
    """Names one process for ever: pids are reused, (boot, start) is not. `start` in clock ticks."""

    pid: int
    pgid: int
    start: int
    boot_id: str


# Names what carries a shard, a process or something far away: JSON builtins that only the executor
# understands. A later controller ends by it what an earlier one left running.
Carrier = dict[str, Any]


class HostOutcome(Record):
    """The answer of one host to one stage. `evidence` is JSON builtins without floats."""

    shard: str
    host: str
    status: OutcomeStatus
    reason: str = ""
    evidence: dict[str, Any] = {}


class ShardEnded(Record):
    """The shard's process is over; hosts without an outcome before this one are lost."""

    shard: str
    reason: str = ""


# --- journal ------------------------------------------------------------------------------------


class PlanTrust(StrEnum):
    """Why a plan might run: this state made it, git had it at HEAD, or the caller named its digest
    with --trust-plan."""

    STATE = "state"
    GIT = "git"
    NAMED = "named"


class RunCreated(Record, tag_field="kind", tag="run-created"):
    """The first event of a run. `trust` is None in runs from before it was asked."""

    plan: str
    by: str
    comment: str = ""
    trust: PlanTrust | None = None


class RunMoved(Record, tag_field="kind", tag="run-moved"):
    """The run changes state."""

    to: RunState
    reason: str = ""


class RingMoved(Record, tag_field="kind", tag="ring-moved"):
    """A ring changes state."""

    ring: str
    to: RingState
    reason: str = ""


class WaveStarted(Record, tag_field="kind", tag="wave-started"):
    """Hosts of a wave may start from now on."""

    ring: str
    wave: int
    hosts: int


class HostMoved(Record, tag_field="kind", tag="host-moved"):
    """A host's attempt changes state. For a state that is work, this is written before the work.

    `stage` is the stage that is begun, or that led to a final state. `look`: a lost host is only
    looked at; nothing is begun there that had not begun.
    """

    host: str
    attempt: int
    to: HostState
    stage: Stage | None = None
    transaction: str = ""
    reason: str = ""
    look: bool = False


class StageAnswered(Record, tag_field="kind", tag="stage-answered"):
    """A host's answer that does not by itself move it: evidence, an undo stage, a late result, whom
    it waits for (`locked`) and that it waits no more (`running`)."""

    host: str
    attempt: int
    stage: Stage
    status: OutcomeStatus
    reason: str = ""
    late: bool = False
    evidence: dict[str, Any] = {}


class ShardStarted(Record, tag_field="kind", tag="shard-started"):
    """Work is handed to the executor. Written before the process exists."""

    shard: str
    stage: Stage
    hosts: tuple[str, ...]


class ShardProcess(Record, tag_field="kind", tag="shard-process"):
    """What carries a shard, so that a later controller can end it."""

    shard: str
    process: Carrier


class ShardOver(Record, tag_field="kind", tag="shard-over"):
    """The process of a shard has ended or was ended."""

    shard: str
    reason: str = ""


class ControllerTook(Record, tag_field="kind", tag="controller-took"):
    """A controller process holds the run from now on, with this fence."""

    fence: int
    process: ProcessIdentity
    by: str = ""


class CommandKind(StrEnum):
    """What an operator may ask of a run from another process."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    APPROVE = "approve"
    ROLLBACK = "rollback"
    RETRY = "retry"


class CommandTaken(Record, tag_field="kind", tag="command-taken"):
    """An operator's request takes effect.

    `force`: for `resume`, failures so far are accepted; for `rollback`, unsafe undos are wanted.
    `hosts`: for `retry`, those that get another attempt.
    """

    command: CommandKind
    by: str
    ring: str = ""
    reason: str = ""
    force: bool = False
    hosts: tuple[str, ...] = ()


Event = (
    RunCreated
    | RunMoved
    | RingMoved
    | WaveStarted
    | HostMoved
    | StageAnswered
    | ShardStarted
    | ShardProcess
    | ShardOver
    | ControllerTook
    | CommandTaken
)


class JournalEntry(Model):
    """One journal entry. `seq` rises by one over the whole database; `at` is epoch ms UTC."""

    seq: int
    run: str
    at: int
    event: Event


class Command(Model):
    """A request of an operator that waits in the mailbox of a run."""

    id: int
    run: str
    command: CommandKind
    by: str
    ring: str = ""
    reason: str = ""


# --- what users and scripts see -----------------------------------------------------------------


class BlockerKind(StrEnum):
    """What keeps something from going on, by what lifts it."""

    OPERATOR = "operator"  # a person paused the run; `rollout resume`
    CLOCK = "clock"  # the controller's clock was set back; `rollout resume`
    BUDGET = "budget"  # too many hosts did not succeed; `rollout resume --accept-failures`
    SOAK = "soak"  # time alone
    APPROVAL = "approval"  # `rollout approve`
    UNPROVEN = "unproven"  # proof in an earlier ring, or `rollout approve` where policy says so


class LeaseKind(StrEnum):
    """How a run has a host: held, where it has begun the host's ring or works on the host, or only
    reserved, so that nobody else patches it before the run comes there."""

    HELD = "held"
    RESERVED = "reserved"


class Blocker(Model):
    """One reason why a run, a ring or a host (`what`) may not go on yet.

    `reason` is a line for people, `details` names what it is about, such as packages. `since` and
    `until` are epoch ms UTC where known; with `until` it ends by itself.
    """

    kind: BlockerKind
    what: str
    reason: str
    details: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


class RingStatus(Model):
    """Counters by folded host state; they sum to the ring's size.

    `approved`: somebody let the ring go on; without a controller it waits all the same.
    """

    name: str
    state: RingState
    hosts: dict[str, int]
    reason: str = ""
    approved: bool = False


class EditedFile(Record):
    """A configuration file that somebody edited after the update, so that the undo left it alone.

    `copy` is where it lies on the host as it was before the update, empty where it was not there.
    `gone`: it came with a new package and went with it; `copy` is the edited file.
    """

    path: str
    copy: str = ""
    gone: bool = False


class ConfigFile(Model):
    """A configuration file that the update changed or, where `beside` is given, left as it was: the
    package's own version lies there."""

    path: str
    beside: str = ""


class HostStatusLine(Model):
    """One host in `rollout status`.

    `edited`: files that an undo did not touch. `holds`: the run has settled this host, but its
    claim could not be given back there. `lease`: how the run keeps the host from other runs, None
    where it does not. `attempt`: above 1 where it was tried again, or undone later.
    `config`: files that the update kept or changed. `reboot_required`: the host waits for a reboot;
    `old_code`: units, or commands of no unit, that go on with replaced files.
    """

    name: str
    ring: str
    state: HostState
    stage: str = ""
    reason: str = ""
    edited: tuple[EditedFile, ...] = ()
    holds: bool = False
    lease: LeaseKind | None = None
    attempt: int = 1
    config: tuple[ConfigFile, ...] = ()
    reboot_required: bool = False
    old_code: tuple[str, ...] = ()


class RunStatus(Model):
    """`rollout status -o json`. `reason` is why the run is in its state, `blockers` is all that
    keeps it from going on, `could_not_look` what its plan could not tell, `exclusions` the rules
    that held when its plan was made."""

    run: str
    plan: str
    state: RunState
    reason: str
    rings: tuple[RingStatus, ...]
    hosts: tuple[HostStatusLine, ...]
    controller: str = ""
    blockers: tuple[Blocker, ...] = ()
    could_not_look: tuple[CouldNotLook, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
