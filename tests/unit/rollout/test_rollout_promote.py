"""`rollout promote`: a soak that an operator ends early, and nothing else that it lifts."""

import pytest
from rollout.test_rollout_crash import ControllerDied, Deadly
from rollout_world import RUN, SIX, World, fails, plan, ring

from patchctl.errors import ConflictError
from patchctl.models.journal import Command, CommandKind, CommandTaken, RingMoved, RunMoved
from patchctl.models.policy import Promote
from patchctl.models.rollout import HostState, RingState, RunState, Stage
from patchctl.models.run_status import BlockerKind
from patchctl.models.words import moment
from patchctl.rollout import soak
from patchctl.rollout.blockers import blockers
from patchctl.rollout.status import status

SOAK_S = 86_400
WHY = "exploited in the wild"


def soaking(promote: Promote = Promote.AUTO) -> World:
    """A run whose canary soaks for a day."""
    rings = [
        ring("staging"),
        ring("canary", soak_s=SOAK_S),
        ring("production", promote=promote),
    ]
    world = World(plan(rings, SIX))
    assert world.run().state is RunState.SOAKING
    return world


def ask(world: World, command: CommandKind, of: str = "") -> None:
    world.mailbox.commands.append(
        Command(id=1, run=RUN, command=command, by="ann", ring=of, reason=WHY)
    )


def reason(world: World) -> str:
    return status(world.view(), now=world.clock.now_ms()).reason


def test_a_promoted_ring_soaks_no_more_and_the_run_goes_on() -> None:
    world = soaking()
    ask(world, CommandKind.PROMOTE, "canary")
    assert world.run().state is RunState.DONE
    (taken,) = (e.event for e in world.entries if isinstance(e.event, CommandTaken))
    assert (taken.command, taken.by, taken.ring, taken.reason) == (
        CommandKind.PROMOTE,
        "ann",
        "canary",
        WHY,
    )
    early = f"ann ended the soak of canary early: {WHY}"
    reasons = [e.event.reason for e in world.entries if isinstance(e.event, RingMoved | RunMoved)]
    assert reasons.count(early) == 2


def test_a_controller_that_waits_for_the_soak_takes_it_and_goes_on() -> None:
    world = soaking()
    engine = world.engine()
    began = world.clock.now_ms()

    def sleep(seconds: float) -> None:
        world.clock.advance(int(seconds * 1000))
        if not world.mailbox.commands:
            ask(world, CommandKind.PROMOTE, "canary")

    world.clock.sleep = sleep  # type: ignore[method-assign]
    assert engine.run(wait=True) is RunState.DONE
    assert world.clock.now_ms() - began < SOAK_S * 100


def test_it_lifts_the_soak_alone() -> None:
    world = soaking(Promote.MANUAL)
    ask(world, CommandKind.PAUSE)
    world.run()
    ask(world, CommandKind.PROMOTE, "canary")
    assert world.run().state is RunState.PAUSED
    left = [blocker.kind for blocker in blockers(world.view(), world.clock.now_ms(), {})]
    assert left == [BlockerKind.OPERATOR, BlockerKind.APPROVAL]
    ask(world, CommandKind.RESUME)
    assert world.run().state is RunState.WAITING


def test_a_request_that_names_no_ring_means_the_one_that_soaks() -> None:
    world = soaking()
    ask(world, CommandKind.PROMOTE)
    assert world.run().state is RunState.DONE


def test_one_that_comes_too_late_is_only_recorded() -> None:
    world = soaking(Promote.MANUAL)
    world.clock.advance(SOAK_S * 1000)
    assert world.run().state is RunState.WAITING
    ask(world, CommandKind.PROMOTE, "canary")
    assert world.run().state is RunState.WAITING
    assert all(not each.promoted_by for each in world.view().rings.values())


def test_a_ring_that_soaks_again_after_a_halt_has_its_whole_soak() -> None:
    world = soaking()
    ask(world, CommandKind.PROMOTE, "canary")
    world.engine()  # takes the request, and dies before it goes on
    view = world.view()
    assert soak.ends(view.rings["canary"]) is None
    events = (
        RunMoved(to=RunState.HALTING),
        RingMoved(ring="canary", to=RingState.HALTED),
        RunMoved(to=RunState.HALTED),
        RingMoved(ring="canary", to=RingState.RUNNING),
        RunMoved(to=RunState.RUNNING),
        RingMoved(ring="canary", to=RingState.SOAKING),
    )
    world.journal().append(RUN, events)
    assert soak.ends(world.view().rings["canary"]) == world.clock.now_ms() + SOAK_S * 1000


@pytest.mark.parametrize("after", [False, True])
def test_a_controller_killed_at_any_write_of_a_promotion_leaves_the_same_end(after: bool) -> None:
    died, at = True, 0
    while died:
        at += 1
        world = soaking()
        ask(world, CommandKind.PROMOTE, "canary")
        plain, deadly = world.journal, Deadly(world, at, after=after)
        world.journal = lambda deadly=deadly: deadly  # type: ignore[method-assign,misc]
        try:
            world.run()
            died = False
        except ControllerDied:
            world.journal = plain  # type: ignore[method-assign]
            world.run()
        view = world.view()
        assert view.state is RunState.DONE, at
        assert {host.state for host in view.hosts.values()} == {HostState.SUCCEEDED}, at
        assert all(host.changes == 1 for host in world.hosts.values()), at
    assert at > 20


@pytest.mark.parametrize("state", ["planned", "waiting", "halted", "done", "promoted", "over"])
def test_where_nothing_soaks_it_is_refused_in_one_line(state: str) -> None:
    hint = ""
    match state:
        case "planned":
            world, why = World(plan([ring("staging")], {"staging": [["s1"]]})), "it is planned"
        case "waiting":
            world = World(plan([ring("staging", promote=Promote.MANUAL)], {"staging": [["s1"]]}))
            world.run()
            why = "it is waiting"
        case "halted":
            world = World(plan([ring("staging")], {"staging": [["s1"]]}), fails(Stage.APPLY))
            world.run()
            why = "it is halted"
        case "done":
            world = World(plan([ring("staging")], {"staging": [["s1"]]}))
            world.run()
            why = "it is done"
        case "promoted":
            world = soaking()
            ask(world, CommandKind.PROMOTE, "canary")
            world.engine()
            why = f"ann ended the soak of canary early: {WHY}"
        case _:
            world = soaking()
            world.clock.advance(SOAK_S * 1000)
            why = f"the soak of canary ended {moment(world.clock.now_ms() // 1000)}"
            hint = f"go on with `patchctl rollout resume {RUN}`"
    with pytest.raises(ConflictError) as caught:
        soak.soaking(world.view(), world.clock.now_ms())
    assert (caught.value.message, caught.value.hint) == (f"nothing soaks in run {RUN}: {why}", hint)
    assert caught.value.exit_code == 2


def test_a_soak_says_until_when_and_how_long() -> None:
    world = soaking()
    end = world.view().rings["canary"].since // 1000 + SOAK_S
    world.clock.advance(60_000)
    told = f"canary soaks until {moment(end)} (23h59m left)"
    assert reason(world) == told
    (blocker,) = blockers(world.view(), world.clock.now_ms(), {})
    assert (blocker.reason, blocker.until) == (told, end * 1000)
    world.clock.advance(SOAK_S * 1000)
    assert reason(world) == f"the soak of canary ended {moment(end)}"
    assert soak.told(world.view().rings["canary"], 0) == f"canary soaks until {moment(end)}"
    in_journal = {e.event.reason for e in world.entries if isinstance(e.event, RingMoved)}
    assert f"canary soaks for 1d, until {moment(end)}" in in_journal
