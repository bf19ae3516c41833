"""A small world for the state machine's tests: a plan, simulated hosts, a journal in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from patchctl.errors import ConflictError
from patchctl.executors.simulated import (
    Behaviour,
    Script,
    SimulatedExecutor,
    SimulatedHost,
    VirtualClock,
    all_well,
)
from patchctl.models import canonical
from patchctl.models.canonical import digest
from patchctl.models.facts import PackageManager
from patchctl.models.journal import Command, Event, HostMoved, JournalEntry, RunCreated
from patchctl.models.plan import (
    Action,
    Artifact,
    Cohort,
    Plan,
    PlanAbout,
    PlanBody,
    PlannedHost,
    Selection,
    SelectionMode,
    Transition,
    Undo,
)
from patchctl.models.policy import (
    Amount,
    OnFailure,
    Promote,
    RebootPolicy,
    RingPolicy,
    RollbackReady,
    UnprovenPolicy,
    UpdaterPolicy,
)
from patchctl.models.rollout import OutcomeStatus, ProcessIdentity, RunState, Stage
from patchctl.rollout.engine import Engine, Limits
from patchctl.rollout.interfaces import EventSink
from patchctl.rollout.status import status
from patchctl.rollout.view import RunView

FAILED = OutcomeStatus.FAILED

RUN = "r-1"
ME = ProcessIdentity(pid=1, pgid=1, start=1, boot_id="b")


def ring(
    name: str,
    *,
    budget: Amount | None = None,
    max_concurrent: Amount | None = None,
    soak_s: int = 0,
    promote: Promote = Promote.AUTO,
    on_failure: OnFailure = OnFailure.ROLLBACK,
    reboot: RebootPolicy = RebootPolicy.NEVER,
    drain: str = "",
    undrain: str = "",
    lock_wait_s: int = 120,
) -> RingPolicy:
    """Return a ring's policy with careful defaults."""
    return RingPolicy(
        name=name,
        budget=budget or Amount(hosts=0),
        max_concurrent=max_concurrent or Amount(percent=100),
        soak_s=soak_s,
        promote=promote,
        reboot=reboot,
        on_failure=on_failure,
        rollback_ready=RollbackReady.REQUIRE,
        updaters=UpdaterPolicy.REFUSE,
        drain=drain,
        undrain=undrain,
        lock_wait_s=lock_wait_s,
    )


def cohort(ident: str = "c-1", *, to: str = "2", undo: Undo = Undo.SAFE) -> Cohort:
    """Return a cohort that upgrades one package."""
    return Cohort(
        id=ident,
        manager=PackageManager.APT,
        download_bytes=10,
        transitions=(
            Transition(
                package="web",
                arch="all",
                action=Action.UPGRADE,
                from_="1",
                to=to,
                file=Artifact(name=f"web_{to}_all.deb", size=10, sha256="ab" * 32),
                undo=undo,
                undo_reason="new upstream version" if undo is Undo.UNSAFE else "",
            ),
        ),
    )


def plan(
    rings: Sequence[RingPolicy],
    hosts: dict[str, list[list[str]]],
    *,
    cohorts: Sequence[Cohort] = (),
    cohort_of: Callable[[str], str] = lambda _: "c-1",
    unproven: UnprovenPolicy = UnprovenPolicy.HOLD,
) -> Plan:
    """Return a plan whose `hosts` are waves by ring."""
    body = PlanBody(
        version=1,
        as_of=1_750_000_000,
        expires=1_760_000_000,
        selection=Selection(mode=SelectionMode.SECURITY),
        fleet="sha256:0",
        policy="sha256:0",
        snapshots=(),
        rings=tuple(rings),
        unproven_policy=unproven,
        cohorts=tuple(cohorts) or (cohort(),),
        hosts=tuple(
            PlannedHost(name=name, ring=r, wave=number, cohort=cohort_of(name), machine_id="m")
            for r, waves in hosts.items()
            for number, wave in enumerate(waves, 1)
            for name in wave
        ),
        left_out=(),
        unproven=(),
    )
    return Plan(
        digest=digest(body), body=body, about=PlanAbout(created=0, author="a", tool="patchctl")
    )


class MemoryJournal:
    """rollout.interfaces.Journal in memory; entries live as long as the world.

    For the controller that took the run with `fence`; `newest` gives the fence of the last one
    that took it. `test_journal_contract.py` compares it with the database's.
    """

    def __init__(
        self,
        entries: list[JournalEntry],
        clock: VirtualClock,
        *,
        fence: int,
        newest: Callable[[], int],
        run: str = RUN,
    ) -> None:
        self.entries = entries
        self._clock = clock
        self._fence, self._newest, self._run = fence, newest, run

    def append(self, run: str, events: Sequence[Event]) -> Sequence[JournalEntry]:
        if run != self._run:
            raise ValueError(f"this journal is for run {self._run}, not {run}")
        if not events:
            return ()
        for event in events:
            canonical.encode(event)  # what cannot be written is refused, and all others with it
        if self._newest() != self._fence:
            raise ConflictError(f"run {run} was taken over")
        new = [
            JournalEntry(seq=len(self.entries) + n, run=run, at=self._clock.now_ms(), event=event)
            for n, event in enumerate(events, 1)
        ]
        self.entries += new
        return new

    def read(self, run: str, after: int = 0) -> Iterable[JournalEntry]:
        return [entry for entry in self.entries if entry.run == run and entry.seq > after]


class MemoryMailbox:
    """rollout.interfaces.Mailbox in memory."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def pending(self, run: str) -> Sequence[Command]:
        return [command for command in self.commands if command.run == run]

    def take(self, command: Command) -> None:
        self.commands.remove(command)


@dataclass
class World:
    """Everything that exists longer than a controller: plan, hosts, journal and mailbox."""

    plan: Plan
    script: Script = all_well
    clock: VirtualClock = field(default_factory=VirtualClock)
    entries: list[JournalEntry] = field(default_factory=list)
    mailbox: MemoryMailbox = field(default_factory=MemoryMailbox)
    fence: int = 0
    sinks: Sequence[EventSink] = ()
    proven: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.hosts = {h.name: SimulatedHost(h.name) for h in self.plan.body.hosts}
        self.executors: list[SimulatedExecutor] = []

    def engine(self) -> Engine:
        """Return a controller that takes the run."""
        self.fence += 1
        executor = SimulatedExecutor(self.hosts, self.clock, self.script)
        self.executors.append(executor)
        engine = Engine(
            RUN,
            self.plan,
            executor=executor,
            journal=self.journal(),
            mailbox=self.mailbox,
            clock=self.clock,
            sinks=self.sinks,
            proven=self.proven,
            limits=self.limits,
        )
        if not self.entries:
            self.journal().append(RUN, [RunCreated(plan=self.plan.digest, by="tester")])
        engine.acquire(self.fence, ME, "tester")
        return engine

    def journal(self) -> MemoryJournal:
        return MemoryJournal(self.entries, self.clock, fence=self.fence, newest=lambda: self.fence)

    def run(self) -> RunView:
        """Run a whole rollout with one controller."""
        engine = self.engine()
        engine.run(wait=False)
        return engine.view

    def view(self) -> RunView:
        """Return what a reader of the journal sees."""
        return RunView(RUN, self.plan).replay(self.journal().read(RUN))


def three_rings(**production: object) -> list[RingPolicy]:
    """Return staging, canary and production without soaks."""
    return [ring("staging"), ring("canary"), ring("production", **production)]  # type: ignore[arg-type]


SIX = {
    "staging": [["s1", "s2"]],
    "canary": [["k1"]],
    "production": [["p1", "p2"], ["p3"]],
}

__all__ = ["RUN", "SIX", "MemoryMailbox", "RunState", "World", "cohort", "plan", "ring"]


def fails(stage: Stage, *hosts: str, reason: str = "broken") -> Script:
    """Make these hosts (none named: all) fail at that stage."""

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        if asked is stage and (not hosts or host in hosts):
            return Behaviour(status=FAILED, reason=reason)
        return Behaviour()

    return script


def states_of(world: World) -> dict[str, str]:
    """Return host -> its state, as `status` shows it."""
    return {host.name: host.state.value for host in status(world.view()).hosts}


def killed_at(world: World, stage: Stage) -> None:
    """Run a controller that dies right after it decided to begin the stage."""

    class Dead(BaseException):
        pass

    class Killer:
        def on_entry(self, entry: JournalEntry) -> None:
            if isinstance(entry.event, HostMoved) and entry.event.stage is stage:
                raise Dead

    world.sinks = [Killer()]
    with pytest.raises(Dead):
        world.run()
    world.sinks = []
