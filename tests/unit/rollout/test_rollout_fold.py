"""The view is the fold of the journal and nothing else, whatever happens in a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout.test_rollout_crash import ControllerDied, Deadly
from rollout_world import RUN, MemoryJournal, World, plan, ring

from patchctl.errors import PatchctlError
from patchctl.executors.simulated import Behaviour, Script, VirtualClock
from patchctl.models.journal import Command, CommandKind, Event, JournalEntry
from patchctl.models.policy import Amount, OnFailure, Promote, RebootPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, Stage
from patchctl.rollout.decisions import TRIES_OF_A_LOOK
from patchctl.rollout.engine import Engine
from patchctl.rollout.view import RunView

HOSTS = {"staging": [["s1"]], "canary": [["k1"]], "production": [["p1", "p2"], ["p3"]]}
NAMES = [name for waves in HOSTS.values() for wave in waves for name in wave]
SOAK_S = 60
decoder = msgspec.json.Decoder(Event)


def whole(view: RunView) -> dict[str, Any]:
    """Return all attributes of a view; hosts, rings and shards compare by their fields."""
    return vars(view)


def stored(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """Return the entries as a database would."""
    return [
        msgspec.structs.replace(entry, event=decoder.decode(msgspec.json.encode(entry.event)))
        for entry in entries
    ]


def from_scratch(world: World) -> RunView:
    """Return a view of the whole journal."""
    return RunView(RUN, world.plan).replay(stored(world.entries))


@dataclass
class Watched(World):
    """Compares the engine's view with a fold of its own after each write, and whenever time passes,
    that is when hosts are asked for answers. The first controller dies at a write."""

    dies_at: int = 0
    compared: int = 0
    engine_at_work: Engine | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sinks = [self]
        self.clock = Ticking(self.compare)
        self._fold = RunView(RUN, self.plan)

    def journal(self) -> MemoryJournal:
        if len(self.executors) == 1 and self.dies_at:
            return Deadly(self, self.dies_at, after=self.dies_at % 2 == 0, fence=self.fence)
        return super().journal()

    def engine(self) -> Engine:
        self.engine_at_work = None  # until it has taken the run, its view is on the way
        self.engine_at_work = super().engine()
        return self.engine_at_work

    def on_entry(self, entry: JournalEntry) -> None:
        self.compare()

    def compare(self) -> None:
        if self.engine_at_work is not None:
            view = self.engine_at_work.view
            new = self.entries[self._fold.seq : view.seq]
            assert whole(view) == whole(self._fold.replay(stored(new)))
            self.compared += 1


class Ticking(VirtualClock):
    """A clock that reports when time passes."""

    def __init__(self, on_tick: Callable[[], None]) -> None:
        super().__init__()
        self._on_tick = on_tick

    def advance(self, milliseconds: int) -> None:
        self._on_tick()
        super().advance(milliseconds)


def answers(outcomes: dict[tuple[str, Stage], list[OutcomeStatus]]) -> Script:
    """Make hosts answer with these statuses, one after another, and then with OK."""

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        statuses = outcomes.get((host, stage), [])
        status = statuses[asked] if asked < len(statuses) else OutcomeStatus.OK
        return Behaviour(status=status, after_ms=15_000, reboot_required=stage is Stage.APPLY)

    return script


def drive(world: Watched) -> None:
    """Run a controller that is killed at a write, the next ones, and an undo of what they did."""
    try:
        world.engine().run(wait=False)
    except ControllerDied:
        world.engine_at_work = None
    for accept in (False, True):
        world.clock.advance(SOAK_S * 1000)
        world.mailbox.commands.append(
            Command(id=9, run=RUN, command=CommandKind.APPROVE, by="boss", ring="production")
        )
        engine = world.engine()
        try:
            engine.resume("ops", accept_failures=accept)
        except PatchctlError:
            continue
        engine.run(wait=False)
    engine = world.engine()
    try:
        engine.roll_back("ops", force=True)
    except PatchctlError:
        return
    engine.run(wait=False)


@settings(max_examples=80, deadline=None)
@given(
    outcomes=st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(Stage)),
        st.lists(st.sampled_from(OutcomeStatus), max_size=9),
        max_size=8,
    ),
    commands=st.lists(st.sampled_from(CommandKind), max_size=2),
    dies_at=st.integers(2, 60),
    budget=st.integers(0, 3),
    promote=st.sampled_from(Promote),
    on_failure=st.sampled_from(OnFailure),
)
def test_the_live_view_is_the_fold_of_the_journal_at_every_moment(
    outcomes: dict[tuple[str, Stage], list[OutcomeStatus]],
    commands: list[CommandKind],
    dies_at: int,
    budget: int,
    promote: Promote,
    on_failure: OnFailure,
) -> None:
    rings = [
        ring("staging", soak_s=SOAK_S, reboot=RebootPolicy.IF_REQUIRED, on_failure=on_failure),
        ring("canary", budget=Amount(hosts=budget), drain="d.yml", undrain="u.yml"),
        ring("production", budget=Amount(hosts=budget), promote=promote),
    ]
    world = Watched(plan(rings, HOSTS), answers(outcomes), dies_at=dies_at)
    world.mailbox.commands = [
        Command(id=number, run=RUN, command=kind, by="ops") for number, kind in enumerate(commands)
    ]
    drive(world)
    assert world.compared
    assert world.engine_at_work is not None
    assert whole(world.engine_at_work.view) == whole(from_scratch(world))


def test_a_host_that_is_at_work_when_it_is_looked_at_gets_patience_again() -> None:
    """Only this controller knows that the host is at work: the journal does not have it."""
    policy, hosts = [ring("staging")], {"staging": [["s1"]]}
    gone = [OutcomeStatus.UNREACHABLE]
    never = World(plan(policy, hosts), answers({("s1", Stage.APPLY): gone * 500}))
    assert never.run().hosts["s1"].state is HostState.UNKNOWN
    asked = sum(shard.stage is Stage.APPLY for shard in never.executors[0].started)
    until_look = asked - TRIES_OF_A_LOOK

    def ended(in_the_look: list[OutcomeStatus]) -> HostState:
        statuses = gone * until_look + in_the_look + gone * TRIES_OF_A_LOOK
        world = World(plan(policy, hosts), answers({("s1", Stage.APPLY): statuses}))
        return world.run().hosts["s1"].state

    assert ended([]) is HostState.UNKNOWN
    assert ended([OutcomeStatus.RUNNING]) is HostState.SUCCEEDED
