"""Named sets of states for decisions.

A question such as "is the run over" is answered only here. `rollout.states` defines which state may
follow which.
"""

from .rollout import HostState, OutcomeStatus, RingState, RunState, Stage

R, H = RunState, HostState

# --- runs ---------------------------------------------------------------------------------------

# The run is over: nothing happens by itself, its hosts are free for other runs, and nobody can
# pause, abort or approve it any more. A rollback may still open it again.
OVER = frozenset({R.DONE, R.ABORTED, R.ROLLED_BACK})
# Ended by an operator's command, so lost hosts are not asked again.
CALLED_OFF = frozenset({R.ABORTED, R.ROLLED_BACK})
# Its failed hosts may be tried again. For a run that is under way there is `resume` instead.
MAY_RETRY = frozenset({R.WAITING, R.SOAKING, R.HALTED, R.DONE})
# A person must act before the run continues; the run keeps its hosts.
NEEDS_PERSON = frozenset({R.HALTED, R.NEEDS_HUMAN})
# No controller works on it.
TERMINAL = OVER | NEEDS_PERSON
# `rollout resume` cannot continue it.
NOT_RESUMABLE = OVER | {R.NEEDS_HUMAN}
# With no host in flight its controller only waits: for time, or for a person.
WAITING = frozenset({R.PLANNED, R.WAITING, R.PAUSED, R.SOAKING, R.PROMOTING})
# Work in flight continues to its end, and no new work begins on a host.
BEGINS_NOTHING = frozenset({R.HALTING, R.ABORTING})
# It was stopped before its end (exit code 3).
STOPPED = frozenset({R.HALTING, R.HALTED, R.ABORTING, R.ABORTED})
# The run still continues, or may continue after a halt.
GOES_FORWARD = frozenset(R) - OVER - {R.ABORTING, R.ROLLING_BACK, R.NEEDS_HUMAN}
# Hosts get other work than patching for the first time, which takes another time.
OTHER_WORK = frozenset({R.RETRYING, R.ROLLING_BACK})
# It is undone on an operator's command: how a host ends then does not use the budget.
UNDOING = frozenset({R.ROLLING_BACK, R.ROLLED_BACK, R.NEEDS_HUMAN})

# --- rings --------------------------------------------------------------------------------------

# The run has begun the ring: its first host may start.
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
# The attempt has ended, and its result is known.
KNOWN_END = SETTLED - {H.UNKNOWN}
# No stage is under way: settled, or put off until later.
AT_REST = SETTLED | {H.DEFERRED}
# The run then gives back what it took on the host.
LET_GO = KNOWN_END | {H.DEFERRED}
# A finished run may be opened again for them.
ASKED_AGAIN = frozenset({H.UNKNOWN, H.DEFERRED})
# Ended without success; it uses the budget for good.
COUNTED = frozenset({H.FAILED, H.UNKNOWN, H.ROLLED_BACK, H.ROLLBACK_FAILED, H.ROLLING_BACK})
# Undone, or being undone: no failure where an operator asked for it.
UNDONE = frozenset({H.ROLLING_BACK, H.ROLLED_BACK})
# Nothing has been changed on the host yet, and it may lack some of the plan's files.
UNTOUCHED = frozenset({H.PENDING, H.DEFERRED, H.PREFLIGHT, H.PREPARE})
# The attempt has begun, but its update has not.
BEFORE_UPDATE = frozenset({H.PREFLIGHT, H.PREPARE, H.DRAIN})
# The attempt may have left something on the host that nobody has verified.
UNSURE = IN_FLIGHT | {H.FAILED, H.UNKNOWN, H.ROLLBACK_FAILED}
# The host may differ from before the run, by the attempt or by a part of it.
MAY_BE_CHANGED = frozenset({H.SUCCEEDED, H.UNKNOWN, H.ROLLBACK_FAILED})
# The attempt ended too early; the stage in which it ended is recorded.
BROKEN_OFF = frozenset({H.FAILED, H.UNKNOWN})
# Failed, undone, lost or put off: it may be tried again.
RETRIED = frozenset({H.FAILED, H.ROLLED_BACK, H.UNKNOWN, H.DEFERRED})
# It ended as the run meant it to: patched, or undone.
ENDED_WELL = frozenset({H.SUCCEEDED, H.ROLLED_BACK})
# What the run did there is still to be undone, where it is to be undone.
NOT_YET_UNDONE = frozenset({H.PENDING, H.ROLLING_BACK})
# The summary of a run counts each of them by itself.
SUMMED_APART = frozenset({H.SUCCEEDED, H.SKIPPED})
# A host moves so while all goes as the plan says: no decision is made about it.
AS_PLANNED = WORKING | {H.PENDING, H.SUCCEEDED}
# An operator needs to read the reason.
TROUBLE = SETTLED - {H.SUCCEEDED} | {H.DEFERRED}

# --- stages -------------------------------------------------------------------------------------

# The host is not changed before and during them, so a lost answer is a failure.
HARMLESS = frozenset({Stage.PREFLIGHT, Stage.PREPARE})
# In and after these stages the host may have been changed, so a failure is undone.
DISRUPTIVE = frozenset(
    {Stage.DRAIN, Stage.APPLY, Stage.RESTART, Stage.REBOOT, Stage.VERIFY, Stage.UNDRAIN}
)
# The run takes the host: it claims it, and may stop updaters there.
TAKING = frozenset({Stage.PREFLIGHT, Stage.UNDO})
# Their good answers say whether the run holds the host.
REPORTS_CLAIM = frozenset({Stage.PREFLIGHT, Stage.VERIFY, Stage.VERIFY_UNDO})
# All their answers, good or bad, say whether the run holds the host.
ALWAYS_REPORTS_CLAIM = REPORTS_CLAIM | {Stage.RELEASE}
# Their good answers must say that the run holds the host.
MUST_HOLD = frozenset({Stage.PREFLIGHT, Stage.PREPARE})
# They run as a job on the host that continues without a connection and records its result there.
JOBS = frozenset({Stage.APPLY, Stage.UNDO})
# Their call begins a job on the host or attaches to it, and ends when the job ends.
ATTACHING = JOBS | {Stage.RESTART}
# Their answers name the boot in which they ran; the latest stage comes first.
REPORTS_BOOT = (Stage.APPLY, Stage.PREFLIGHT)
# From the decision to begin one of these on, the host counts as touched.
TOUCHING = frozenset({Stage.DRAIN, Stage.APPLY})
# They may find the package manager in use, and wait for that.
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
# The host is not changed yet, so it can be updated later.
PUTS_OFF = frozenset({Stage.PREFLIGHT, Stage.PREPARE, Stage.APPLY})
# The operator's own tasks.
HOOKS = frozenset({Stage.DRAIN, Stage.UNDRAIN})
# They compare the host with the plan, or with its state before.
VERIFYING = frozenset({Stage.VERIFY, Stage.VERIFY_UNDO})

# After a good answer the run does not hold the host any more.
GIVING_BACK = VERIFYING | {Stage.RELEASE}

# --- answers ------------------------------------------------------------------------------------

# The host itself did not answer: it is asked again.
SILENT = frozenset({OutcomeStatus.LOST, OutcomeStatus.UNREACHABLE})
# The host answers, but its stage has not ended.
GOES_ON = frozenset({OutcomeStatus.RUNNING, OutcomeStatus.LOCKED})
# The host itself says how its stage ended.
ANSWERED = frozenset({OutcomeStatus.OK, OutcomeStatus.FAILED})
