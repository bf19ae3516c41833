"""Run a rollout: one loop that decides, writes the decision down, and only then acts.

Every decision is in the journal before the engine acts on it, and every answer before the next
decision; `RunView` is folded from the journal alone. Each host advances independently: the engine
hands a stage out in shards, and a host that answers goes on while others of its shard still work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..models.facts import Boot, PackageManager
from ..models.journal import (
    ControllerTook,
    Event,
    HostMoved,
    RunMoved,
    ShardOver,
    ShardProcess,
    ShardStarted,
    StageAnswered,
)
from ..models.plan import Plan
from ..models.rollout import (
    HostOutcome,
    HostState,
    HostWork,
    OutcomeStatus,
    ProcessIdentity,
    RunState,
    Shard,
    ShardEnded,
    Stage,
)
from ..models.states import GOES_ON, IN_FLIGHT, REPORTS_BOOT, TERMINAL, WAITING
from . import commands, decisions, progress, retry, states, undo
from .blockers import Proven, blockers, next_end
from .interfaces import Clock, EventSink, Executor, Journal, Mailbox
from .timers import STEP_BACK_MS, Timers
from .view import HostView, RunView

POLL_S = 0.2
# A host that answers early waits this long for the others of its shard, so that a wave needs one
# Ansible process for each stage, not one for each host.
LINGER_MS = 400
# Processes of Ansible; one may carry several shards.
MAX_SHARDS = 5
MAILBOX_MS = 1_000


@dataclass(frozen=True)
class Limits:
    """How the engine hands work out: hosts in a shard, processes at once, and waits."""

    shard_hosts: int = 200
    max_shards: int = MAX_SHARDS
    linger_ms: int = LINGER_MS
    poll_s: float = POLL_S


class Engine:
    """Carries one run forward until it is over or must wait."""

    def __init__(
        self,
        run: str,
        plan: Plan,
        *,
        executor: Executor,
        journal: Journal,
        mailbox: Mailbox,
        clock: Clock,
        sinks: Sequence[EventSink] = (),
        proven: Proven | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.view = RunView(run, plan)
        self._executor = executor
        self._journal = journal
        self._mailbox = mailbox
        self._clock = clock
        self._sinks = list(sinks)
        self._proven = proven or {}
        self._limits = limits or Limits()
        self._idle: dict[str, int] = {}
        self._busy: dict[str, str] = {}
        self._number = 0
        self._mail_at: int | None = None
        self._timers = Timers(clock)

    # --- beginning ------------------------------------------------------------------------------

    def acquire(self, fence: int, process: ProcessIdentity, by: str) -> None:
        """Read the journal, take control of the run, and end the shards of a dead controller."""
        self.view.replay(self._journal.read(self.view.run, self.view.seq))
        self._write(ControllerTook(fence=fence, process=process, by=by))
        for shard in list(self.view.shards.values()):
            ran = self._executor.reap(shard.id, shard.carrier)
            self._write(
                ShardOver(
                    shard=shard.id,
                    reason="ended by the next controller"
                    if ran
                    else "worker ended with its controller",
                )
            )
        due = [host.name for host in self.view.hosts.values() if _due(host) is not None]
        self._timers.restart(due)
        self._idle |= dict.fromkeys(due, self._timers.now)
        # Requests to the previous controller come before requests to this one.
        self._read_mail()

    # --- requests of the caller -----------------------------------------------------------------

    def resume(self, by: str, reason: str = "", *, accept_failures: bool = False) -> None:
        """Go on with a paused or halted run, and ask unknown hosts once more.

        Raises ConflictError for a run that is over, HaltedError where a budget is used up and
        `accept_failures` is False.
        """
        self._write(*commands.resume(self.view, by, reason, accept_failures=accept_failures))

    def roll_back(
        self, by: str, reason: str = "", *, hosts: Sequence[str] = (), force: bool = False
    ) -> None:
        """Open an undo attempt for every host that this run has changed (or for `hosts` of them).

        `force` also undoes what the plan calls unsafe to undo. Raises ConflictError where nothing
        may be undone now, NotFoundError for a host that is not in the run.
        """
        self._write(*undo.open_attempts(self.view, by, reason, hosts=hosts, force=force))

    def retry(self, by: str, reason: str = "", *, hosts: Sequence[str] = ()) -> None:
        """Open another attempt for every host that failed (or for `hosts` of them).

        Raises ConflictError where no attempt may be opened, NotFoundError for a host that is not in
        the run.
        """
        self._write(*retry.open_attempts(self.view, by, reason, hosts=hosts))

    # --- the loop -------------------------------------------------------------------------------

    def run(self, *, wait: bool = True) -> RunState:
        """Work until the run is over. With `wait` False, return as soon as it could only wait.

        Returns the state in which the run ended, or waits: waiting, paused or soaking.
        """
        while True:
            self._read_mail()
            self._watch_clock()
            self._progress()
            self._dispatch()
            if self._settled():
                return self.view.state
            if not self._busy and not self._idle:
                if not wait and self.view.state in WAITING:
                    return self.view.state
                if self.view.state in WAITING:
                    self._clock.sleep(self._pause_s())
                    continue
            self._collect()

    def stop(self) -> None:
        """End the executor's processes. Detached work on hosts goes on; the run can be resumed."""
        self._executor.stop()

    def _settled(self) -> bool:
        return (
            self.view.state in TERMINAL
            and not self._busy
            and not self._idle
            and not self.view.at_work()
        )

    def _pause_s(self) -> float:
        now = self._timers.run_time(self.view)
        until = next_end(blockers(self.view, now, self._proven))
        if until is None:
            return self._limits.poll_s * 5
        wait_s = (until - now) / 1000
        return max(0.01, min(wait_s, 1.0))

    def _progress(self) -> None:
        # Each pass may open the next step (ring done > next ring running > first wave).
        while events := progress.next_events(
            self.view, self._timers.run_time(self.view), self._proven
        ):
            self._write(*events)

    def _read_mail(self) -> None:
        now = self._timers.now
        if self._mail_at is not None and now - self._mail_at < MAILBOX_MS:
            return
        self._mail_at = now
        for command in self._mailbox.pending(self.view.run):
            self._write(*commands.take(self.view, command))
            self._mailbox.take(command)

    def _watch_clock(self) -> None:
        """Pause the run where the wall clock was set back: soaks and expiries of later processes
        and the order of the log would be wrong, so a person should know first."""
        back = self._timers.stepped_back_ms()
        if back > STEP_BACK_MS and RunState.PAUSED in states.RUN[self.view.state]:
            reason = f"the controller's clock went back by {back // 1000} s"
            self._write(RunMoved(to=RunState.PAUSED, reason=reason))

    # --- handing out ----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        if not self._idle:
            return
        now = self._timers.now
        # A ring may have hosts of several package managers, a shard only of one. The budget is that
        # of the ring.
        groups: dict[tuple[str, Stage, PackageManager], list[HostView]] = {}
        for name in self._idle:
            host = self.view.hosts[name]
            stage = _due(host)
            if self._timers.is_due(name) and stage is not None:
                groups.setdefault((host.ring, stage, self.view.manager(host)), []).append(host)
        for (ring, stage, manager), hosts in groups.items():
            if self._carriers() >= self._limits.max_shards:
                return
            youngest = max(self._idle[host.name] for host in hosts)
            if self._busy and now - youngest < self._limits.linger_ms:
                continue
            size = self._limits.shard_hosts
            for start in range(0, len(hosts), size):
                if self._carriers() >= self._limits.max_shards:
                    return
                self._hand_out(ring, stage, manager, hosts[start : start + size])

    def _carriers(self) -> int:
        """Count the processes that carry shards. One may carry many; a shard without a process
        counts as one."""
        shards = self.view.shards.values()
        carried = {repr(sorted(shard.carrier.items())) for shard in shards if shard.carrier}
        return len(carried) + sum(not shard.carrier for shard in shards)

    def _hand_out(
        self, ring: str, stage: Stage, manager: PackageManager, hosts: list[HostView]
    ) -> None:
        self._number += 1
        shard = Shard(
            id=f"{self.view.run}-{self.view.fence}-{self._number}",
            run=self.view.run,
            stage=stage,
            ring=ring,
            manager=manager,
            hosts=tuple(self._work(host) for host in hosts),
        )
        self._write(
            ShardStarted(shard=shard.id, stage=stage, hosts=tuple(host.name for host in hosts))
        )
        for host in hosts:
            del self._idle[host.name]
            self._busy[host.name] = shard.id
        carrier = self._executor.start(shard)
        if carrier is not None:
            self._write(ShardProcess(shard=shard.id, process=carrier))

    def _work(self, host: HostView) -> HostWork:
        # A reboot must replace the boot in which the update was made.
        boots = [host.evidence.get(stage.value, {}).get("boot") for stage in REPORTS_BOOT]
        boot = next((boot for boot in boots if boot), None)
        before = host.evidence.get(Stage.PREPARE.value, {}).get("before")
        return HostWork(
            host=host.name,
            attempt=host.attempt,
            transaction=host.transaction,
            fence=self.view.fence,
            boot=Boot(**boot) if isinstance(boot, dict) else None,
            before=before if isinstance(before, dict) else None,
            look=host.only_looked_at,
        )

    # --- answers --------------------------------------------------------------------------------

    def _collect(self) -> None:
        events: list[Event] = []
        for answer in self._executor.poll(self._limits.poll_s):
            if isinstance(answer, ShardEnded):
                events += self._missing(answer)
                events.append(ShardOver(shard=answer.shard, reason=answer.reason))
            else:
                events += self._on_outcome(answer)
        self._write(*events)

    def _missing(self, ended: ShardEnded) -> list[Event]:
        """Report as lost each host that the ended shard has no answer for, so that it is asked
        again."""
        events: list[Event] = []
        for name in [n for n, shard in self._busy.items() if shard == ended.shard]:
            events += self._on_outcome(
                HostOutcome(
                    shard=ended.shard,
                    host=name,
                    status=OutcomeStatus.LOST,
                    reason=ended.reason or "the run of Ansible ended without an answer",
                )
            )
        return events

    def _on_outcome(self, outcome: HostOutcome) -> list[Event]:
        host = self.view.hosts.get(outcome.host)
        if host is None:
            return []
        expected = self._busy.get(outcome.host) == outcome.shard
        shard = self.view.shards.get(outcome.shard)
        stage = shard.stage if shard else host.stage
        if stage is None:
            return []
        if not expected:
            return [_answered(host, stage, outcome, late=True)]
        del self._busy[outcome.host]
        if stage is Stage.RELEASE:
            return self._on_release(host, outcome)
        policy = self.view.policy(host)
        events: list[Event] = []
        if outcome.status in GOES_ON:
            events += self._on_wait(host, stage, outcome)
        else:
            events.append(_answered(host, stage, outcome))
        # A stage that touched nothing can always be undone.
        unsafe = [] if outcome.evidence.get("touched") is False else self.view.unsafe(host)
        step = decisions.after(host, policy, unsafe, outcome, self._timers.waited(host.name))
        held_back = None
        if self.view.state is RunState.ABORTING:
            if outcome.status is OutcomeStatus.LOCKED and stage is Stage.APPLY:
                step = decisions.put_off(host, policy, decisions.NOT_BEGUN)
            held_back = decisions.held_back(host, step)
        elif host.only_looked_at:
            held_back = decisions.held_back(host, step, decisions.LOST_BEFORE)
        step = held_back or step
        if isinstance(step, decisions.Again):
            self._timers.delay(host.name, step.delay_ms)
            self._idle[host.name] = self._timers.now
            return events
        events.append(_moved(host, step.to, step.stage, step.reason))
        if held_back is not None and held_back.to is HostState.FAILED:
            events.append(_moved(host, HostState.ROLLING_BACK, Stage.UNDO, step.reason))
        elif decisions.undo_follows(step, policy, unsafe):
            # Written together with the failure, so that a controller that dies here leaves no
            # failed host without its undo.
            events.append(_moved(host, HostState.ROLLING_BACK, Stage.UNDO, step.reason))
        return events

    def _on_wait(self, host: HostView, stage: Stage, outcome: HostOutcome) -> list[Event]:
        """Write down only when the lock that the host waits for changes: nothing else is decided by
        it, and a new controller starts the clocks again."""
        if outcome.status is OutcomeStatus.LOCKED:
            self._timers.note_locked(host.name)
            waits_for = outcome.reason
        else:
            self._timers.note_at_work(host.name)
            waits_for = ""
        return [_answered(host, stage, outcome)] if waits_for != host.waits_for else []

    def _on_release(self, host: HostView, outcome: HostOutcome) -> list[Event]:
        """Queue the host for another release; the view drops it once this answer is in it."""
        self._timers.delay(host.name, decisions.RETRY_FIRST_MS * 4**host.release_tries)
        self._idle[host.name] = self._timers.now
        if outcome.status is OutcomeStatus.RUNNING:  # the host's transaction goes on
            if self._timers.waited(host.name).stage_ms < decisions.GRACE_S * 1000:
                return []
            outcome = msgspec.structs.replace(outcome, status=OutcomeStatus.FAILED)
        return [_answered(host, Stage.RELEASE, outcome)]

    # --- journal --------------------------------------------------------------------------------

    def _write(self, *events: Event) -> None:
        if not events:
            return
        entries = self._journal.append(self.view.run, events)
        now = self._timers.now
        for entry in entries:
            self.view.apply(entry)
            self._timers.see(entry)
            if isinstance(entry.event, HostMoved | StageAnswered):
                self._queue(entry.event.host, now)
        for sink in list(self._sinks):
            try:
                for entry in entries:
                    sink.on_entry(entry)
            except OSError:
                # The reader of our progress is gone, which is no reason to stop patching.
                self._sinks.remove(sink)

    def _queue(self, name: str, now: int) -> None:
        if _due(self.view.hosts[name]) is None:
            self._idle.pop(name, None)
        elif name not in self._busy:
            self._idle[name] = now


def _due(host: HostView) -> Stage | None:
    """Return the stage that the host must do next, or None."""
    if host.state in IN_FLIGHT:
        return host.stage
    return Stage.RELEASE if host.owes_release else None


def _answered(
    host: HostView, stage: Stage, outcome: HostOutcome, *, late: bool = False
) -> StageAnswered:
    return StageAnswered(
        host=host.name,
        attempt=host.attempt,
        stage=stage,
        status=outcome.status,
        reason=outcome.reason,
        late=late,
        evidence=outcome.evidence,
    )


def _moved(host: HostView, to: HostState, stage: Stage | None, reason: str) -> HostMoved:
    return HostMoved(host=host.name, attempt=host.attempt, to=to, stage=stage, reason=reason)
