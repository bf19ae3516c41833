"""The journal of a run: its events, the entries around them, and the commands of operators."""

from enum import StrEnum
from typing import Any

from .base import Model, Record
from .rollout import Carrier, HostState, OutcomeStatus, ProcessIdentity, RingState, RunState, Stage


class PlanTrust(StrEnum):
    """Why a plan was allowed to run: this state made it, git had it at HEAD, or the caller named
    its digest with --trust-plan."""

    STATE = "state"
    GIT = "git"
    NAMED = "named"


class RunCreated(Record, tag_field="kind", tag="run-created"):
    """The first event of a run. `trust` is None in runs from before plans were checked for it."""

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

    `stage` is the stage that begins, or that led to a final state. `look`: a lost host is only
    asked for its state, and nothing new begins there.
    """

    host: str
    attempt: int
    to: HostState
    stage: Stage | None = None
    transaction: str = ""
    reason: str = ""
    look: bool = False


class StageAnswered(Record, tag_field="kind", tag="stage-answered"):
    """A host's answer that does not change its state: evidence, a stage of an undo, a late result,
    or the start (`locked`) and end (`running`) of a wait for another user of the package manager.
    """

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
    """The process that carries a shard, so that a later controller can end it."""

    shard: str
    process: Carrier


class ShardOver(Record, tag_field="kind", tag="shard-over"):
    """The process of a shard has ended or was ended."""

    shard: str
    reason: str = ""


class ControllerTook(Record, tag_field="kind", tag="controller-took"):
    """A controller process takes over the run, with this fence."""

    fence: int
    process: ProcessIdentity
    by: str = ""


class CommandKind(StrEnum):
    """The commands that an operator may send to a run from another process."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    APPROVE = "approve"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETRY = "retry"


class CommandTaken(Record, tag_field="kind", tag="command-taken"):
    """An operator's request takes effect.

    `force`: for `resume`, the failures so far are accepted; for `rollback`, unsafe undos are
    included. `hosts`: for `retry`, the hosts that get another attempt.
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
    """An operator's request that waits in the mailbox of a run."""

    id: int
    run: str
    command: CommandKind
    by: str
    ring: str = ""
    reason: str = ""
