"""Sets of states that decisions ask for, each by its name.

A question such as "is the run over" has its answer here and nowhere else; which step may follow
which stands in `rollout.states`.
"""

from .rollout import HostState, OutcomeStatus, RingState, RunState, Stage

R, H = RunState, HostState

# --- runs ---------------------------------------------------------------------------------------

# The run is over: nothing goes on by itself, its hosts are free for other runs, and nobody pauses,
# aborts or approves it any more. A rollback may still open it again.
OVER = frozenset({R.DONE, R.ABORTED, R.ROLLED_BACK})
# Over by somebody's word, so lost hosts are not asked again either.
CALLED_OFF = frozenset({R.ABORTED, R.ROLLED_BACK})
# Hosts of it that failed may be tried again; a run that is on its way goes on by `resume`.
MAY_RETRY = frozenset({R.WAITING, R.SOAKING, R.HALTED, R.DONE})
# A person must act before anything goes on; the run keeps its hosts.
NEEDS_PERSON = frozenset({R.HALTED, R.NEEDS_HUMAN})
# No controller works on it.
TERMINAL = OVER | NEEDS_PERSON
# `rollout resume` cannot carry it on.
NOT_RESUMABLE = OVER | {R.NEEDS_HUMAN}
# Without a host in flight a controller of it only waits: for time, or for a person.
WAITING = frozenset({R.PLANNED, R.WAITING, R.PAUSED, R.SOAKING, R.PROMOTING})
# What is in flight goes on to its end, and nothing new is begun on a host.
BEGINS_NOTHING = frozenset({R.HALTING, R.ABORTING})
# It was stopped before its end (exit code 3).
STOPPED = frozenset({R.HALTING, R.HALTED, R.ABORTING, R.ABORTED})
# The run still has its way before it, or what is left of it after a halt.
GOES_FORWARD = frozenset(R) - OVER - {R.ABORTING, R.ROLLING_BACK, R.NEEDS_HUMAN}
# Undone on an operator's word: how a host ends then is no use of the budget.
UNDOING = frozenset({R.ROLLING_BACK, R.ROLLED_BACK, R.NEEDS_HUMAN})

# --- rings --------------------------------------------------------------------------------------

# Its first host was let go: the run has begun it.
RING_BEGUN = frozenset(RingState) - {RingState.PENDING, RingState.WAITING}
# All its hosts have had their turn.
RING_WALKED = frozenset({RingState.SOAKING, RingState.DONE})
# Its hosts are being patched, or have just been: its budget counts.
RING_ACTIVE = frozenset({RingState.RUNNING, RingState.SOAKING})

# --- hosts --------------------------------------------------------------------------------------

# A stage of the attempt is under way.
WORKING = frozenset(
    {H.PREFLIGHT, H.PREPARE, H.DRAIN, H.APPLY, H.RESTART, H.REBOOT, H.VERIFY, H.UNDRAIN}
)
# A stage is under way, of the attempt or of its undo.
IN_FLIGHT = WORKING | {H.ROLLING_BACK}
# The attempt has come to an end.
SETTLED = frozenset(HostState) - IN_FLIGHT - {H.PENDING, H.DEFERRED}
# The attempt has come to an end that is known.
KNOWN_END = SETTLED - {H.UNKNOWN}
# No stage is under way: settled, or put off until later.
AT_REST = SETTLED | {H.DEFERRED}
# So what the run took on the host is given back.
LET_GO = KNOWN_END | {H.DEFERRED}
# A run that is over may be opened again for them.
ASKED_AGAIN = frozenset({H.UNKNOWN, H.DEFERRED})
# Ended otherwise than succeeded; the place in the budget is kept for good.
COUNTED = frozenset({H.FAILED, H.UNKNOWN, H.ROLLED_BACK, H.ROLLBACK_FAILED, H.ROLLING_BACK})
# Nothing is changed on the host yet, and not all of the plan's files are there.
UNTOUCHED = frozenset({H.PENDING, H.DEFERRED, H.PREFLIGHT, H.PREPARE})
# Begun, and its update is not.
BEFORE_UPDATE = frozenset({H.PREFLIGHT, H.PREPARE, H.DRAIN})
# The attempt has perhaps left something there that nobody has verified.
UNSURE = IN_FLIGHT | {H.FAILED, H.UNKNOWN, H.ROLLBACK_FAILED}
# The host may be otherwise than before the run, by the attempt or by a part of it.
MAY_BE_CHANGED = frozenset({H.SUCCEEDED, H.UNKNOWN, H.ROLLBACK_FAILED})
# The attempt broke off; the stage in which it did is remembered.
BROKEN_OFF = frozenset({H.FAILED, H.UNKNOWN})
# Failed, undone, lost or put off: it may be tried again.
RETRIED = frozenset({H.FAILED, H.ROLLED_BACK, H.UNKNOWN, H.DEFERRED})
# A person wants to read why.
TROUBLE = SETTLED - {H.SUCCEEDED} | {H.DEFERRED}

# --- stages -------------------------------------------------------------------------------------

# Nothing is changed on the host before and during them, so an answer that got lost is a failure.
HARMLESS = frozenset({Stage.PREFLIGHT, Stage.PREPARE})
# From here on the host may have been changed, so a failure is undone.
DISRUPTIVE = frozenset(
    {Stage.DRAIN, Stage.APPLY, Stage.RESTART, Stage.REBOOT, Stage.VERIFY, Stage.UNDRAIN}
)
# The run takes the host: it claims it, and may stop updaters there.
TAKING = frozenset({Stage.PREFLIGHT, Stage.UNDO})
# Their good answers say whether the run holds the host.
CLAIM_TOLD = frozenset({Stage.PREFLIGHT, Stage.VERIFY, Stage.VERIFY_UNDO})
# Whose answers of any kind say so.
HOLDS_TOLD = CLAIM_TOLD | {Stage.RELEASE}
# Their good answers say that it does.
MUST_HOLD = frozenset({Stage.PREFLIGHT, Stage.PREPARE})
# Done by a job on the host that goes on alone and records its result there.
JOBS = frozenset({Stage.APPLY, Stage.UNDO})
# Their call begins a job on the host or attaches to it, and ends with it.
ATTACHING = JOBS | {Stage.RESTART}
# Their answers name the boot that they ran in, the latest first.
BOOT_TOLD = (Stage.APPLY, Stage.PREFLIGHT)
# The host is touched from the decision to begin one of these on.
TOUCHING = frozenset({Stage.DRAIN, Stage.APPLY})
# They may meet somebody else at work with the package manager, and wait for that.
LOCKABLE = frozenset(
    {
        Stage.PREFLIGHT,
        Stage.PREPARE,
        Stage.APPLY,
        Stage.REBOOT,
        Stage.VERIFY,
        Stage.UNDO,
        Stage.VERIFY_UNDO,
    }
)
# Nothing is changed yet, so the host may as well be updated later.
PUTS_OFF = frozenset({Stage.PREFLIGHT, Stage.PREPARE, Stage.APPLY})
# The operator's own tasks.
HOOKS = frozenset({Stage.DRAIN, Stage.UNDRAIN})
# The host is compared with the plan, or with what it was before.
VERIFYING = frozenset({Stage.VERIFY, Stage.VERIFY_UNDO})

# A good answer gives the host back.
GIVING_BACK = VERIFYING | {Stage.RELEASE}

# --- answers ------------------------------------------------------------------------------------

# No answer came from the host itself: it is asked again.
SILENT = frozenset({OutcomeStatus.LOST, OutcomeStatus.UNREACHABLE})
# The host answers, and its stage has not come to an end.
GOES_ON = frozenset({OutcomeStatus.RUNNING, OutcomeStatus.LOCKED})
# The host itself says how its stage ended.
ANSWERED = frozenset({OutcomeStatus.OK, OutcomeStatus.FAILED})
