"""Fold the entries of a run's journal into one mutable view.

Only `apply` changes a view, so a new controller sees what the old one saw. How often and how long a
controller has waited for a host is in `timers`, and ends with the controller.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..models.facts import PackageManager
from ..models.journal import (
    CommandKind,
    CommandTaken,
    ControllerTook,
    HostMoved,
    JournalEntry,
    RingMoved,
    RunCreated,
    RunMoved,
    ShardOver,
    ShardProcess,
    ShardStarted,
    StageAnswered,
    WaveStarted,
)
from ..models.plan import Plan, Undo, proof_key
from ..models.policy import RingPolicy
from ..models.rollout import (
    Carrier,
    HostState,
    OutcomeStatus,
    ProcessIdentity,
    RingState,
    RunState,
    Stage,
)
from ..models.run_status import LeaseKind
from ..models.states import (
    AT_REST,
    BROKEN_OFF,
    COUNTED,
    IN_FLIGHT,
    LET_GO,
    OVER,
    REPORTS_CLAIM,
    RING_BEGUN,
    SILENT,
    TAKING,
    TOUCHING,
    UNDOING,
)
from . import states

# How often a host is asked to release what the run holds there, if it does not answer or cannot.
RELEASE_TRIES = 3


@dataclass
class HostView:
    """One host's present attempt. Times are epoch milliseconds."""

    name: str
    ring: str
    wave: int
    cohort: str
    state: HostState = HostState.PENDING
    stage: Stage | None = None
    attempt: int = 1
    transaction: str = ""
    reason: str = ""
    since: int = 0
    counted: bool = False
    reconciled: bool = False
    touched: bool = False
    touched_before: bool = False
    drained: bool = False
    undoing: bool = False
    # The attempt was opened to undo the previous one, not to try again.
    undo_asked: bool = False
    reboot_required: bool = False
    rebooted: bool = False
    # The run holds, or may hold, something on the host: its claim, updaters that it stopped.
    holding: bool = False
    release_tries: int = 0
    # The host was lost and is asked once more: unless it answers, it gets few tries...
    looking: bool = False
    # ...and only work that had begun there goes on.
    only_looked_at: bool = False
    # The process that keeps the host from its stage, as the host reported last.
    waits_for: str = ""
    # Deferred before its packages were touched, so it only goes back into service...
    deferring: bool = False
    # ...and it was asked once more since.
    asked_again: bool = False
    # When this attempt began to work, and when it came to rest; 0 while it did not.
    started: int = 0
    ended: int = 0
    final_stage: Stage | None = None
    failed_stage: Stage | None = None
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def owes_release(self) -> bool:
        """Whether the host is at rest but has not released what the run holds there."""
        return self.state in LET_GO and self.holding and self.release_tries < RELEASE_TRIES


@dataclass
class RingView:
    """One ring: its waves, its counters and its budget. `since` is epoch milliseconds."""

    name: str
    policy: RingPolicy
    waves: list[list[str]]
    state: RingState = RingState.PENDING
    reason: str = ""
    wave: int = 0
    since: int = 0
    approved: bool = False
    accepted: int = 0
    counted: int = 0
    # How many of the counted hosts have succeeded since.
    fixed: int = 0
    # When its first host was released, and when it was done; 0 while that did not happen.
    started: int = 0
    ended: int = 0
    # Who ended its soak early, and why.
    promoted_by: str = ""
    promoted_why: str = ""
    counters: Counter[HostState] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return sum(len(wave) for wave in self.waves)

    @property
    def budget(self) -> int:
        """How many hosts may end without success; at least as many as an operator accepted."""
        return max(self.policy.budget.of(self.size), self.accepted)

    @property
    def over_budget(self) -> bool:
        return self.counted > self.budget

    def in_flight(self) -> int:
        return sum(self.counters[state] for state in IN_FLIGHT)


@dataclass
class ShardView:
    """A shard that the engine has handed out and that is not over yet."""

    id: str
    stage: Stage
    hosts: tuple[str, ...]
    carrier: Carrier | None = None


class RunView:
    """A run, folded from its journal. `apply` refuses steps that the tables do not have."""

    def __init__(self, run: str, plan: Plan) -> None:
        self.run = run
        self.plan = plan
        self.state = RunState.PLANNED
        self.reason = ""
        self.created = False
        self.by = ""
        self.fence = 0
        self.controller: ProcessIdentity | None = None
        self.seq = 0
        # When the run entered its state, epoch ms.
        self.since = 0
        # When it was made, began to work and was over; 0 while that did not happen.
        self.created_at = self.started_at = self.ended_at = 0
        self.paused_from = RunState.RUNNING
        # Who paused the run; None where patchctl itself did.
        self.paused_by: str | None = None
        self._pause_asked: tuple[int, str] | None = None
        self.force_undo = False
        # Hosts that get another attempt, not begun and begun; the run's earlier state and reason.
        self.to_retry: set[str] = set()
        self.retried: set[str] = set()
        self.retried_from = RunState.HALTED, ""
        self.shards: dict[str, ShardView] = {}
        self.cohorts = {cohort.id: cohort for cohort in plan.body.cohorts}
        self.hosts: dict[str, HostView] = {}
        self.rings: dict[str, RingView] = {}
        waves: dict[str, dict[int, list[str]]] = {}
        for host in plan.body.hosts:
            waves.setdefault(host.ring, {}).setdefault(host.wave, []).append(host.name)
            self.hosts[host.name] = HostView(
                name=host.name, ring=host.ring, wave=host.wave, cohort=host.cohort
            )
        for policy in plan.body.rings:
            numbered = waves.get(policy.name, {})
            ring = RingView(
                name=policy.name,
                policy=policy,
                waves=[sorted(numbered[number]) for number in sorted(numbered)],
            )
            ring.counters[HostState.PENDING] = ring.size
            self.rings[policy.name] = ring

    # --- questions ------------------------------------------------------------------------------

    def current_ring(self) -> RingView | None:
        """Return the first ring that is not done, or None."""
        return next((r for r in self.rings.values() if r.state is not RingState.DONE), None)

    def policy(self, host: HostView) -> RingPolicy:
        """Return the policy of the host's ring."""
        return self.rings[host.ring].policy

    def manager(self, host: HostView) -> PackageManager:
        """Return the package manager of the host's transaction."""
        return self.cohorts[host.cohort].manager

    def unsafe(self, host: HostView) -> list[str]:
        """Return the packages of the host's cohort that must not be undone without a person."""
        return [
            f"{item.package} ({item.undo_reason})" if item.undo_reason else item.package
            for item in self.cohorts[host.cohort].transitions
            if item.undo is Undo.UNSAFE
        ]

    def proven(self) -> set[str]:
        """Return the transitions with which a host of this run has succeeded."""
        return set().union(*self.proven_by_ring().values())

    def proven_by_ring(self) -> dict[str, set[str]]:
        """Return ring -> the transitions with which a host of it has succeeded, and keeps them."""
        cohorts_by_ring: dict[str, set[str]] = {name: set() for name in self.rings}
        for host in self.hosts.values():
            if host.state is HostState.SUCCEEDED:
                cohorts_by_ring[host.ring].add(host.cohort)
        return {
            ring: {proof_key(t) for cohort in cohorts for t in self.cohorts[cohort].transitions}
            for ring, cohorts in cohorts_by_ring.items()
        }

    def disproven_by_ring(self) -> dict[str, set[str]]:
        """Return ring -> the planned transitions that no host of it has kept."""
        proven = self.proven_by_ring()
        cohorts_by_ring: dict[str, set[str]] = {name: set() for name in self.rings}
        for host in self.hosts.values():
            cohorts_by_ring[host.ring].add(host.cohort)
        return {
            ring: {proof_key(t) for cohort in cohorts for t in self.cohorts[cohort].transitions}
            - proven[ring]
            for ring, cohorts in cohorts_by_ring.items()
        }

    def lease(self, name: str) -> LeaseKind:
        """Return whether the run holds this host or only reserves it."""
        host = self.hosts.get(name)
        # On an unknown host something may have begun.
        begun = host is None or self.rings[host.ring].state in RING_BEGUN or host.state in IN_FLIGHT
        return LeaseKind.HELD if begun else LeaseKind.RESERVED

    def in_flight(self) -> int:
        return sum(ring.in_flight() for ring in self.rings.values())

    def at_work(self) -> bool:
        """Return whether a host is in flight or has not yet released what the run holds there."""
        return self.in_flight() > 0 or any(host.owes_release for host in self.hosts.values())

    # --- fold -----------------------------------------------------------------------------------

    def replay(self, entries: Iterable[JournalEntry]) -> "RunView":
        """Apply entries in order and return self."""
        for entry in entries:
            self.apply(entry)
        return self

    def apply(self, entry: JournalEntry) -> None:
        """Apply one entry. Raises IllegalTransitionError for a step that the tables do not have."""
        self.seq = entry.seq
        event = entry.event
        match event:  # nearly all events are of the first two kinds
            case HostMoved():
                self._move_host(event, entry.at)
            case StageAnswered():
                self._answer(event)
            case RunCreated():
                self.created = True
                self.created_at = entry.at
                self.by = event.by
            case RunMoved():
                self._move_run(event, entry.at)
            case RingMoved():
                self._move_ring(event, entry.at)
            case WaveStarted():
                self.rings[event.ring].wave = event.wave
            case ShardStarted():
                self.shards[event.shard] = ShardView(event.shard, event.stage, event.hosts)
            case ShardProcess():
                self.shards[event.shard].carrier = event.process
            case ShardOver():
                self.shards.pop(event.shard, None)
            case ControllerTook():
                self.fence = event.fence
                self.controller = event.process
                self._start_clocks(entry.at)
            case CommandTaken():
                self._command(event)

    def _start_clocks(self, at: int) -> None:
        """Give every host its whole time again under a new controller: it is not the host's fault
        that nobody asked meanwhile."""
        for host in self.hosts.values():
            if host.state in IN_FLIGHT:
                host.since = at

    def _move_run(self, event: RunMoved, at: int) -> None:
        states.check_run(self.state, event.to)
        if event.to is RunState.PAUSED:
            self.paused_from = self.state
            # A request that fits the state, and the pause that follows it, are written together.
            seq, by = self._pause_asked or (0, "")
            self.paused_by = by if seq == self.seq - 1 else None
        if event.to is RunState.RETRYING and self.state is not RunState.PAUSED:
            self.retried_from = self.state, self.reason
        self.state = event.to
        self.since = at
        self.reason = event.reason
        if event.to is RunState.RUNNING:
            self.started_at = self.started_at or at
        self.ended_at = at if event.to in OVER else 0

    def _move_ring(self, event: RingMoved, at: int) -> None:
        ring = self.rings[event.ring]
        states.check_ring(ring.name, ring.state, event.to)
        ring.state = event.to
        ring.reason = event.reason
        ring.since = at
        ring.ended = at if event.to is RingState.DONE else 0
        if event.to is RingState.RUNNING:
            ring.started = ring.started or at
        if event.to is RingState.SOAKING:  # a soak that begins anew has its whole time
            ring.promoted_by = ring.promoted_why = ""

    def _move_host(self, event: HostMoved, at: int) -> None:
        host = self.hosts[event.host]
        ring = self.rings[host.ring]
        old = host.state
        if event.attempt != host.attempt:
            if event.attempt != host.attempt + 1 or event.to is not HostState.PENDING:
                raise states.IllegalTransitionError(
                    f"host {host.name}: attempt {host.attempt} > {event.attempt} {event.to}"
                )
            self._open_attempt(host, event.attempt)
        elif event.to is not old:
            states.check_host(host.name, old, event.to)
        elif old is not HostState.ROLLING_BACK:  # only an undo has several stages in one state
            raise states.IllegalTransitionError(f"host {host.name}: {old} > {event.to}")
        if event.to is not old or event.stage is not host.stage:
            host.since = at
            host.looking = False
        if old is HostState.UNKNOWN and event.to in IN_FLIGHT:
            host.reconciled = True
            host.looking = host.only_looked_at = event.look
        host.state = event.to
        if self.state is RunState.RETRYING and event.host in self.to_retry:
            self.to_retry.remove(event.host)
            self.retried.add(event.host)
        if event.to in IN_FLIGHT:
            host.started = host.started or at
        host.ended = at if event.to in AT_REST else 0
        if event.to in AT_REST:
            host.final_stage = event.stage
            if event.to in BROKEN_OFF and not host.undoing:
                host.failed_stage = event.stage
            if event.to is not HostState.UNKNOWN:
                host.stage = None
        else:
            host.stage = event.stage
        host.transaction = event.transaction or host.transaction
        host.reason = event.reason
        host.waits_for = ""
        # Both are set with the decision, not with the answer, because the answer may be lost.
        if event.stage in TAKING and event.to in IN_FLIGHT:
            host.holding = True
            host.release_tries = 0
        host.touched = host.touched or event.stage in TOUCHING
        self._note_deferral(host, old)
        if event.stage is Stage.DRAIN:
            host.drained = True
        host.undoing = event.to is HostState.ROLLING_BACK or (
            host.undoing and event.to is HostState.UNKNOWN
        )
        if event.to is HostState.ROLLED_BACK:
            host.touched = False
        ring.counters[old] -= 1
        ring.counters[event.to] += 1
        if event.to in COUNTED and not host.counted and not self._operator_undo():
            host.counted = True
            ring.counted += 1
        if host.counted:
            ring.fixed += (event.to is HostState.SUCCEEDED) - (old is HostState.SUCCEEDED)

    def _open_attempt(self, host: HostView, attempt: int) -> None:
        host.attempt = attempt
        host.started = 0
        host.reconciled = host.only_looked_at = host.asked_again = False
        host.undo_asked = self.state is RunState.ROLLING_BACK
        if not host.undo_asked and not host.touched:
            # Another transaction: answers of the previous one do not count for it. Files that its
            # undo left there are still there.
            undo_stages = {Stage.UNDO.value, Stage.VERIFY_UNDO.value}
            host.evidence = {
                name: answer for name, answer in host.evidence.items() if name in undo_stages
            }
            host.reboot_required = host.rebooted = False
            host.failed_stage = None

    def _note_deferral(self, host: HostView, old: HostState) -> None:
        if host.state is HostState.PREFLIGHT:
            host.touched_before = host.touched
        if host.state is HostState.DEFERRED:  # its packages are as they were
            host.touched = host.touched_before
        if old is HostState.DEFERRED:
            host.asked_again = True
        if host.state is HostState.UNDRAIN:
            host.deferring = host.deferring or old is HostState.APPLY
        elif host.state is not HostState.UNKNOWN:  # a lost host may come back to its undrain
            host.deferring = False

    def _operator_undo(self) -> bool:
        return self.state in UNDOING

    def _answer(self, event: StageAnswered) -> None:
        if event.late:
            return
        host = self.hosts[event.host]
        ok = event.status is OutcomeStatus.OK
        host.waits_for = event.reason if event.status is OutcomeStatus.LOCKED else ""
        if "holds" in event.evidence:
            host.holding = bool(event.evidence["holds"])
        elif ok and event.stage in REPORTS_CLAIM:
            # From an older patchctl, which did not report `holds`: its verify released the claim,
            # and the next run takes over what its other endings left.
            host.holding = False
        if event.stage is Stage.RELEASE:
            host.release_tries += 0 if ok else 1
            return
        if event.status is OutcomeStatus.LOCKED:
            return
        if event.evidence:
            host.evidence[event.stage.value] = event.evidence
        if event.evidence.get("reboot_required"):
            host.reboot_required = True
        if event.stage is Stage.REBOOT and event.status is OutcomeStatus.OK:
            host.rebooted = True
        if event.stage is Stage.UNDRAIN and event.status is OutcomeStatus.OK:
            host.drained = False
        if event.status not in SILENT:
            host.looking = False

    def _command(self, event: CommandTaken) -> None:
        match event.command:
            case CommandKind.RESUME:
                for host in self.hosts.values():
                    host.asked_again = host.asked_again and host.state is not HostState.DEFERRED
                if event.force:
                    for ring in self.rings.values():
                        ring.accepted = ring.counted
            case CommandKind.APPROVE:
                self.rings[event.ring].approved = True
            case CommandKind.PROMOTE:
                ring = self.rings[event.ring]
                if ring.state is RingState.SOAKING:
                    ring.promoted_by, ring.promoted_why = event.by, event.reason
            case CommandKind.ROLLBACK:
                self.force_undo = event.force
            case CommandKind.RETRY:
                self.to_retry, self.retried = set(event.hosts), set()
            case CommandKind.PAUSE:
                self._pause_asked = self.seq, event.by
            case CommandKind.ABORT:
                pass
