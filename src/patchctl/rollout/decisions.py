"""Decide what follows an answer: pure rules from (host, policy, outcome) to the next state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models.policy import OnFailure, RebootPolicy, RingPolicy
from ..models.rollout import HostOutcome, HostState, OutcomeStatus, Stage
from ..models.states import DISRUPTIVE, HARMLESS, PUTS_OFF, SILENT, VERIFYING
from ..models.words import some
from .states import STATE_OF_STAGE, IllegalTransitionError
from .timers import Waited
from .view import HostView

# The controller asks again where it lost a stage or the host did not answer: all stages are
# idempotent for one transaction id. Nothing is changed before `drain`, so giving up there is cheap.
TRIES_BEFORE_CHANGE = 2
# For a lost host that is asked once more before its run is over.
TRIES_OF_A_LOOK = 3
RETRY_FIRST_MS = 1_000
RETRY_MOST_MS = 15_000
ATTACH_AGAIN_MS = 500
# Each try is a connection, and the package manager is seldom busy for a shorter time.
LOCKED_AGAIN_MS = 4_000
UNREACHABLE_S = 300
# The host limits the time of its own commands; the controller gives up only after the host must
# have given up.
GRACE_S = 300
UNDO_COMMANDS = 4
_NAMED = 4
NOT_BEGUN = "the run was aborted before its update began"
LOST_BEFORE = "it was lost before its update began"


@dataclass(frozen=True)
class Move:
    """The host goes to the state `to` and, where that state is work, begins `stage`."""

    to: HostState
    stage: Stage | None
    reason: str = ""


@dataclass(frozen=True)
class Again:
    """The host is asked for the same stage again, at the earliest `delay_ms` from now."""

    delay_ms: int


def after(
    host: HostView, policy: RingPolicy, unsafe: list[str], outcome: HostOutcome, waited: Waited
) -> Move | Again:
    """Return the step that follows this answer to `host.stage`. `unsafe` are the packages that must
    not be undone without a person."""
    stage = host.stage
    assert stage is not None
    match outcome.status:
        case OutcomeStatus.OK:
            return _forward(host, policy, stage, outcome)
        case OutcomeStatus.FAILED:
            return _failed(host, policy, unsafe, stage, outcome.reason)
        case OutcomeStatus.RUNNING:
            return _running(host, policy, unsafe, outcome, waited)
        case OutcomeStatus.LOCKED:
            return _locked(host, policy, unsafe, outcome, waited)
        case _:
            assert outcome.status in SILENT
            return _ask_again(host, policy, unsafe, outcome, waited)


def _running(
    host: HostView, policy: RingPolicy, unsafe: list[str], outcome: HostOutcome, waited: Waited
) -> Move | Again:
    stage = host.stage
    assert stage is not None
    if waited.stage_ms <= _limit_s(policy, stage) * 1000:
        return Again(ATTACH_AGAIN_MS)
    # The host answers, so it is known that it has not done its work.
    reason = f"still running after {_limit_s(policy, stage)} s"
    reason = f"{reason}: {outcome.reason}" if outcome.reason else reason
    return _failed(host, policy, unsafe, stage, reason)


def _locked(
    host: HostView, policy: RingPolicy, unsafe: list[str], outcome: HostOutcome, waited: Waited
) -> Move | Again:
    stage = host.stage
    assert stage is not None
    limit_s = _lock_limit_s(policy, stage)
    left_ms = limit_s * 1000 - waited.locked_ms
    if left_ms > 0:
        return Again(min(LOCKED_AGAIN_MS, left_ms))
    if stage in PUTS_OFF:
        return put_off(host, policy, outcome.reason)
    return _failed(host, policy, unsafe, stage, f"{outcome.reason}, for more than {limit_s} s")


def put_off(host: HostView, policy: RingPolicy, reason: str) -> Move:
    """Defer the host as it is: another process uses its package manager, and nothing of this
    attempt has begun there. A drained host goes back into service first."""
    if host.stage is Stage.APPLY and host.drained and policy.undrain:
        return Move(HostState.UNDRAIN, Stage.UNDRAIN, reason)
    return Move(HostState.DEFERRED, host.stage, reason)


def _lock_limit_s(policy: RingPolicy, stage: Stage) -> int:
    """Return how long to wait for a lock. A host that has been changed cannot be deferred: its
    reboot and its undo have the time that they have anyway."""
    match stage:
        case Stage.REBOOT:
            return max(policy.lock_wait_s, policy.reboot_timeout_s)
        case Stage.UNDO:
            return max(policy.lock_wait_s, policy.transaction_timeout_s)
        case _:
            return policy.lock_wait_s


def _forward(host: HostView, policy: RingPolicy, stage: Stage, outcome: HostOutcome) -> Move:
    match stage:
        case Stage.PREFLIGHT:
            return _work(Stage.PREPARE)
        case Stage.PREPARE:
            return _work(Stage.DRAIN if policy.drain else Stage.APPLY)
        case Stage.DRAIN:
            # In an undo by an operator, the host is drained before it is undone.
            return _work(Stage.UNDO if host.state is HostState.ROLLING_BACK else Stage.APPLY)
        case Stage.APPLY:
            needs_reboot = bool(outcome.evidence.get("reboot_required"))
            reboot = needs_reboot and policy.reboot is RebootPolicy.IF_REQUIRED
            return _work(Stage.REBOOT if reboot else Stage.RESTART)
        case Stage.RESTART:
            return _work(Stage.VERIFY)
        case Stage.REBOOT:
            return _work(Stage.VERIFY)
        case Stage.VERIFY:
            if host.drained and policy.undrain:
                return _work(Stage.UNDRAIN)
            return _succeeded(host, outcome.evidence)
        case Stage.UNDRAIN if host.deferring:
            return Move(HostState.DEFERRED, Stage.APPLY, host.reason)
        case Stage.UNDRAIN:
            if host.state is HostState.ROLLING_BACK:
                return Move(HostState.ROLLED_BACK, Stage.UNDRAIN, _with_edited(host, host.reason))
            return _succeeded(host, host.evidence.get(Stage.VERIFY.value, {}))
        case Stage.UNDO:
            return Move(HostState.ROLLING_BACK, Stage.VERIFY_UNDO, host.reason)
        case Stage.VERIFY_UNDO:
            if host.drained and policy.undrain:
                return Move(HostState.ROLLING_BACK, Stage.UNDRAIN, host.reason)
            return Move(HostState.ROLLED_BACK, Stage.VERIFY_UNDO, _with_edited(host, host.reason))
        case Stage.RELEASE:
            raise IllegalTransitionError(f"host {host.name}: {stage} moves nothing")


def _with_edited(host: HostView, reason: str) -> str:
    """Return the reason with the files that the undo kept because somebody edited them after the
    update: a service that does not run with them fails for that."""
    edited = host.evidence.get(Stage.UNDO.value, {}).get("edited", ())
    files = [file for file in edited if not file.get("gone")]
    if not files:
        return reason
    shown = [
        f"{file['path']} (as it was before: {file['copy']})" if file["copy"] else file["path"]
        for file in files
    ]
    note = f"edited after the update and left so: {some(shown, _NAMED)}"
    return f"{reason}; {note}" if reason else note


def _succeeded(host: HostView, verified: Mapping[str, Any]) -> Move:
    """Return the host's success, with what a reboot must still do. `verified` is the evidence of
    the stage verify."""
    pending = host.reboot_required and not host.rebooted
    reason = "pending reboot" if pending else _not_effective(verified)
    return Move(HostState.SUCCEEDED, Stage.VERIFY, reason)


def _not_effective(verified: Mapping[str, Any]) -> str:
    """Name what runs on with old code because its restart would take the system down (dbus,
    sessions): the update is installed, but has no effect there until a reboot."""
    names = old_code(verified)
    if not names:
        return ""
    return f"not effective until a reboot: {some(names, _NAMED)} on old code"


def old_code(verified: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sorted units, or commands without a unit, that ran on replaced files according to
    the evidence of verify."""
    return tuple(sorted({row["unit"] or row["command"] for row in verified.get("stale", ())}))


def _failed(
    host: HostView, policy: RingPolicy, unsafe: list[str], stage: Stage, reason: str
) -> Move:
    if host.state is HostState.ROLLING_BACK:
        if stage is Stage.UNDRAIN:
            reason = f"undone, but still drained: {reason}"
        return Move(HostState.ROLLBACK_FAILED, stage, _with_edited(host, reason))
    if stage not in DISRUPTIVE:
        return Move(HostState.FAILED, stage, reason)
    if policy.on_failure is OnFailure.STOP:
        return Move(HostState.FAILED, stage, f"{reason}; left as it is (on_failure: stop)")
    if unsafe and host.touched and stage is not Stage.DRAIN:
        return Move(
            HostState.FAILED, stage, f"{reason}; not undone, unsafe to undo: {', '.join(unsafe)}"
        )
    return Move(HostState.FAILED, stage, reason)


def held_back(host: HostView, step: Move | Again, reason: str = NOT_BEGUN) -> Move | None:
    """Return the step to take instead in an aborted run, or for a lost host that is asked only for
    its state; None where `step` may be taken.

    A host that has not begun its update does not begin it any more. A host that was drained for it
    goes through an undo, which puts it back into service; no package of it was changed.
    """
    if host.stage in HARMLESS:
        if isinstance(step, Again) or step.to is not HostState.FAILED:
            return Move(HostState.SKIPPED, host.stage, reason)
    elif isinstance(step, Move) and step.to is HostState.APPLY:
        return Move(HostState.FAILED, host.stage, reason)
    return None


def undo_follows(step: Move, policy: RingPolicy, unsafe: list[str]) -> bool:
    """Return whether the undo of the host follows this step at once."""
    if step.to is not HostState.FAILED or step.stage not in DISRUPTIVE:
        return False
    if policy.on_failure is OnFailure.STOP:
        return False
    return step.stage is Stage.DRAIN or not unsafe


def _ask_again(
    host: HostView, policy: RingPolicy, unsafe: list[str], outcome: HostOutcome, waited: Waited
) -> Move | Again:
    stage, tries = host.stage, waited.silences + 1
    assert stage is not None
    reason = outcome.reason or outcome.status.value
    lost = outcome.status is OutcomeStatus.LOST
    if stage in HARMLESS:
        if tries >= TRIES_BEFORE_CHANGE and not (lost and tries < 4):
            return Move(HostState.FAILED, stage, reason)
    else:
        limit = policy.reboot_timeout_s if stage is Stage.REBOOT else UNREACHABLE_S
        patient = tries <= 3 or waited.silent_ms <= limit * 1000
        if host.looking and not waited.at_work:
            patient = tries < TRIES_OF_A_LOOK
        if not patient:
            if lost and stage in VERIFYING:
                # The host can be reached but never reports that it is well, so it is not.
                return _failed(host, policy, unsafe, stage, reason)
            return _lost(stage, reason)
    return Again(min(RETRY_FIRST_MS * 2 ** (tries - 1), RETRY_MOST_MS))


def _lost(stage: Stage, reason: str) -> Move:
    return Move(HostState.UNKNOWN, stage, f"{stage.value}: {reason}")


def _limit_s(policy: RingPolicy, stage: Stage) -> int:
    match stage:
        case Stage.REBOOT:
            return policy.reboot_timeout_s
        case _ if stage in VERIFYING:
            longest = max((probe.within_s for probe in policy.probes), default=0)
            return max(policy.verify_timeout_s, longest) + GRACE_S
        case Stage.UNDO:
            return UNDO_COMMANDS * policy.transaction_timeout_s + GRACE_S
        case _:
            return policy.transaction_timeout_s + GRACE_S


def _work(stage: Stage) -> Move:
    return Move(STATE_OF_STAGE[stage], stage)
