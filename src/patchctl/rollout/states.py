"""The tables of all states and their steps. Any other step is a bug and raises."""

from ..models.rollout import HostState, Result, RingState, RunState, Stage
from ..models.states import WORKING


class IllegalTransitionError(Exception):
    """The caller asked for a step that the tables do not have. Always a bug of the caller."""


R = RunState
RUN: dict[RunState, frozenset[RunState]] = {
    R.PLANNED: frozenset({R.RUNNING, R.WAITING, R.PAUSED, R.ABORTING, R.DONE}),
    # Halting: deferred or lost hosts of a ring that is done may still fail.
    R.WAITING: frozenset({R.RUNNING, R.PAUSED, R.HALTING, R.RETRYING, R.ABORTING, R.ROLLING_BACK}),
    R.RUNNING: frozenset(
        {R.WAITING, R.PAUSED, R.SOAKING, R.HALTING, R.ABORTING, R.DONE, R.ROLLING_BACK}
    ),
    R.PAUSED: frozenset(
        {
            R.RUNNING,
            R.SOAKING,
            R.WAITING,
            R.HALTING,
            R.RETRYING,
            R.ABORTING,
            R.ROLLING_BACK,
            R.DONE,
        }
    ),
    R.SOAKING: frozenset(
        {R.PROMOTING, R.PAUSED, R.HALTING, R.RETRYING, R.ABORTING, R.ROLLING_BACK}
    ),
    R.PROMOTING: frozenset(
        {R.RUNNING, R.WAITING, R.PAUSED, R.HALTING, R.ABORTING, R.ROLLING_BACK, R.DONE}
    ),
    R.HALTING: frozenset({R.HALTED, R.ABORTING, R.ROLLING_BACK}),
    R.HALTED: frozenset({R.RUNNING, R.RETRYING, R.ABORTING, R.ROLLING_BACK}),
    # Failed hosts are tried again; then the run is in its earlier state again.
    R.RETRYING: frozenset({R.WAITING, R.PAUSED, R.SOAKING, R.HALTED, R.ABORTING, R.DONE}),
    R.ABORTING: frozenset({R.ABORTED, R.ROLLING_BACK}),
    R.ABORTED: frozenset({R.ROLLING_BACK}),
    # Back to running only to ask lost hosts once more.
    R.DONE: frozenset({R.RUNNING, R.RETRYING, R.ROLLING_BACK}),
    R.ROLLING_BACK: frozenset({R.ROLLED_BACK, R.NEEDS_HUMAN}),
    # Some hosts may be undone now and the others later.
    R.ROLLED_BACK: frozenset({R.ROLLING_BACK}),
    R.NEEDS_HUMAN: frozenset({R.ROLLING_BACK, R.ABORTING}),
}

G = RingState
RING: dict[RingState, frozenset[RingState]] = {
    G.PENDING: frozenset({G.WAITING, G.RUNNING, G.DONE}),
    G.WAITING: frozenset({G.RUNNING}),
    G.RUNNING: frozenset({G.SOAKING, G.DONE, G.HALTED}),
    G.SOAKING: frozenset({G.DONE, G.HALTED}),
    G.HALTED: frozenset({G.RUNNING}),
    G.DONE: frozenset(),
}

H = HostState
HOST: dict[HostState, frozenset[HostState]] = {
    H.PENDING: frozenset({H.PREFLIGHT, H.SKIPPED, H.DEFERRED, H.ROLLING_BACK}),
    H.DEFERRED: frozenset({H.PENDING}),
    # Nothing is changed on the host before `drain`, so a host lost here has simply failed.
    # Skipped: the run was aborted.
    # Deferred: somebody else worked with the package manager for too long.
    H.PREFLIGHT: frozenset({H.PREPARE, H.FAILED, H.SKIPPED, H.DEFERRED}),
    H.PREPARE: frozenset({H.DRAIN, H.APPLY, H.FAILED, H.SKIPPED, H.DEFERRED}),
    H.DRAIN: frozenset({H.APPLY, H.FAILED, H.UNKNOWN}),
    # Deferred: nothing has begun. A drained host goes by UNDRAIN, back into service.
    H.APPLY: frozenset({H.RESTART, H.REBOOT, H.FAILED, H.UNKNOWN, H.UNDRAIN, H.DEFERRED}),
    H.RESTART: frozenset({H.VERIFY, H.FAILED, H.UNKNOWN}),
    H.REBOOT: frozenset({H.VERIFY, H.FAILED, H.UNKNOWN}),
    H.VERIFY: frozenset({H.UNDRAIN, H.SUCCEEDED, H.FAILED, H.UNKNOWN}),
    H.UNDRAIN: frozenset({H.SUCCEEDED, H.FAILED, H.UNKNOWN, H.DEFERRED}),
    H.FAILED: frozenset({H.ROLLING_BACK}),
    H.ROLLING_BACK: frozenset({H.ROLLED_BACK, H.ROLLBACK_FAILED, H.UNKNOWN}),
    # Asked again once for the stage in which the host was lost.
    H.UNKNOWN: frozenset(
        {H.DRAIN, H.APPLY, H.RESTART, H.REBOOT, H.VERIFY, H.UNDRAIN, H.ROLLING_BACK}
    ),
    H.SUCCEEDED: frozenset(),
    H.ROLLED_BACK: frozenset(),
    H.ROLLBACK_FAILED: frozenset(),
    H.SKIPPED: frozenset(),
}

STATE_OF_STAGE: dict[Stage, HostState] = {
    Stage.PREFLIGHT: H.PREFLIGHT,
    Stage.PREPARE: H.PREPARE,
    Stage.DRAIN: H.DRAIN,
    Stage.APPLY: H.APPLY,
    Stage.RESTART: H.RESTART,
    Stage.REBOOT: H.REBOOT,
    Stage.VERIFY: H.VERIFY,
    Stage.UNDRAIN: H.UNDRAIN,
    Stage.UNDO: H.ROLLING_BACK,
    Stage.VERIFY_UNDO: H.ROLLING_BACK,
}

# What came of a run or a ring: `rollout.results` decides, the first that is true counts.
RESULT: dict[Result, str] = {
    Result.HALTED: "too many hosts did not succeed: a person decides how it goes on",
    Result.NEEDS_HUMAN: "hosts could not be undone",
    Result.ABORTED: "the run was aborted; its hosts are as their states say",
    Result.ROLLED_BACK: "what it changed was undone",
    Result.NOTHING_TO_DO: "it has no hosts",
    Result.SUCCEEDED: "all its hosts succeeded, and the plan held none back",
    Result.PARTIAL: "some hosts succeeded; others failed, were skipped, deferred or held back",
    Result.FAILED: "no host succeeded, and some failed or were lost",
    Result.SKIPPED: "no host was changed: all were skipped, deferred or not begun",
}

# The counters of `status`: every host is in exactly one of them.
COUNTERS = (
    "pending",
    "running",
    "succeeded",
    "failed",
    "unknown",
    "rolling_back",
    "rolled_back",
    "rollback_failed",
    "skipped",
    "deferred",
)


def counter(state: HostState) -> str:
    """Return the counter of `status` that counts a host in this state."""
    return "running" if state in WORKING else state.value


def check_run(old: RunState, new: RunState) -> None:
    """Raise IllegalTransitionError unless the table has this step."""
    if new not in RUN[old]:
        raise IllegalTransitionError(f"run: {old} > {new}")


def check_ring(ring: str, old: RingState, new: RingState) -> None:
    """Raise IllegalTransitionError unless the table has this step."""
    if new not in RING[old]:
        raise IllegalTransitionError(f"ring {ring}: {old} > {new}")


def check_host(host: str, old: HostState, new: HostState) -> None:
    """Raise IllegalTransitionError unless the table has this step."""
    if new not in HOST[old]:
        raise IllegalTransitionError(f"host {host}: {old} > {new}")
