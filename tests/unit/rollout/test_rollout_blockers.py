"""The blockers of a run: all of them are listed, and each ends in its own way."""

from collections.abc import Mapping

import pytest
from rollout_world import RUN, SIX, World, cohort, plan, ring, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.journal import Command, CommandKind, RunMoved
from patchctl.models.plan import Plan, proof_key
from patchctl.models.policy import Amount, Promote, UnprovenPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.models.run_status import Blocker, BlockerKind
from patchctl.models.states import GOES_FORWARD
from patchctl.rollout.blockers import blockers, held_hosts, next_end
from patchctl.rollout.view import RunView

K = BlockerKind
SOAK_S = 3600


def careful(unproven: UnprovenPolicy = UnprovenPolicy.APPROVE) -> Plan:
    """Canary soaks; production waits for an approval and has an unproven transition."""
    rings = [
        ring("staging"),
        ring("canary", soak_s=SOAK_S),
        ring("production", promote=Promote.MANUAL),
    ]
    return plan(
        rings,
        SIX,
        cohorts=[cohort(), cohort("c-2", to="3")],
        cohort_of=lambda name: "c-2" if name in ("p2", "p3") else "c-1",
        unproven=unproven,
    )


def blockers_of(
    world: World, proven: Mapping[str, frozenset[str]] | None = None
) -> tuple[Blocker, ...]:
    return blockers(world.view(), world.clock.now_ms(), proven or {})


def kinds(world: World) -> list[tuple[BlockerKind, str]]:
    return [(blocker.kind, blocker.what) for blocker in blockers_of(world)]


def ask(world: World, command: CommandKind, ring_name: str = "") -> None:
    world.mailbox.commands.append(
        Command(id=1, run=RUN, command=command, by="ops", ring=ring_name, reason="lunch")
    )


def fails(stage: Stage) -> Script:
    return lambda host, asked, _: Behaviour(
        status=OutcomeStatus.FAILED if asked is stage else OutcomeStatus.OK
    )


def test_all_that_stands_before_the_next_ring_is_said_while_the_one_before_soaks() -> None:
    world = World(careful())
    assert world.run().state is RunState.SOAKING
    soak, approval, unproven = blockers_of(world)
    began = world.view().rings["canary"].since
    assert (soak.kind, soak.what, soak.since) == (K.SOAK, "canary", began)
    assert soak.until == began + SOAK_S * 1000
    assert (approval.kind, approval.what, approval.since) == (K.APPROVAL, "production", None)
    assert (unproven.kind, unproven.details) == (K.UNPROVEN, ("web",))
    assert next_end([soak, approval, unproven]) == soak.until


def test_a_pause_is_said_beside_what_it_hides() -> None:
    world = World(careful())
    world.run()
    ask(world, CommandKind.PAUSE)
    assert world.run().state is RunState.PAUSED
    assert kinds(world) == [
        (K.OPERATOR, RUN),
        (K.SOAK, "canary"),
        (K.APPROVAL, "production"),
        (K.UNPROVEN, "production"),
    ]
    assert blockers_of(world)[0].reason == "lunch"


def test_a_pause_of_the_system_is_told_from_a_persons() -> None:
    world = World(careful())
    engine = world.engine()
    world.clock.wall_is_off_ms = -3_600_000
    assert engine.run(wait=False) is RunState.PAUSED
    (blocker,) = blockers_of(world)
    assert blocker.kind is K.CLOCK and "clock went back" in blocker.reason
    assert blocker.since == next(
        entry.at
        for entry in world.entries
        if isinstance(entry.event, RunMoved) and entry.event.to is RunState.PAUSED
    )


def test_a_pause_that_came_too_late_does_not_make_a_later_one_a_persons() -> None:
    world = World(careful())
    ask(world, CommandKind.PAUSE)
    world.run()
    ask(world, CommandKind.PAUSE)  # it is paused already: recorded, no more
    ask(world, CommandKind.RESUME)
    engine = world.engine()
    world.clock.wall_is_off_ms = -3_600_000
    assert engine.run(wait=False) is RunState.PAUSED
    assert [blocker.kind for blocker in blockers_of(world)] == [K.CLOCK]


def test_time_lifts_a_soak_and_nothing_else() -> None:
    world = World(careful())
    world.run()
    world.clock.advance(SOAK_S * 1000)
    assert kinds(world) == [(K.APPROVAL, "production"), (K.UNPROVEN, "production")]
    assert world.run().state is RunState.WAITING
    assert kinds(world) == [(K.APPROVAL, "production"), (K.UNPROVEN, "production")]
    waits = world.view().rings["production"].since
    assert [blocker.since for blocker in blockers_of(world)] == [waits, waits]


def test_an_approval_ahead_of_time_lifts_what_asks_for_one_and_no_soak() -> None:
    world = World(careful())
    world.run()
    ask(world, CommandKind.APPROVE, "production")
    world.run()
    assert kinds(world) == [(K.SOAK, "canary")]


def test_a_ring_that_asked_a_person_waits_for_one_though_another_run_has_proven_it() -> None:
    rings = three_rings()
    world = World(
        plan(
            rings,
            SIX,
            cohorts=[cohort(), cohort("c-2", to="3")],
            cohort_of=lambda name: "c-2" if name == "p3" else "c-1",
            unproven=UnprovenPolicy.APPROVE,
        )
    )
    assert world.run().state is RunState.WAITING
    assert [blocker.kind for blocker in blockers_of(world)] == [K.UNPROVEN]
    keys = frozenset(proof_key(t) for t in world.plan.body.cohorts[1].transitions)
    world.proven = {"canary": keys}
    (blocker,) = blockers_of(world, world.proven)
    assert (blocker.kind, blocker.what) == (K.APPROVAL, "production")
    assert world.run().state is RunState.WAITING


def test_a_used_up_budget_is_said_with_its_numbers_until_failures_are_accepted() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT))
    assert world.run().state is RunState.HALTED
    (blocker,) = blockers_of(world)
    assert (blocker.kind, blocker.what, blocker.since) == (
        K.BUDGET,
        "staging",
        world.view().rings["staging"].since,
    )
    assert blocker.reason == "ring staging: 2 of 2 hosts did not succeed, the budget is 0"
    world.script = lambda *_: Behaviour()
    engine = world.engine()
    engine.resume("ops", accept_failures=True)
    assert blockers_of(world) == ()


def test_what_is_over_or_called_off_waits_for_nothing() -> None:
    world = World(plan([ring("staging", promote=Promote.MANUAL)], {"staging": [["s1"]]}))
    assert kinds(world) == [(K.APPROVAL, "staging")]  # planned, and nobody has begun it
    ask(world, CommandKind.ABORT)
    assert world.run().state is RunState.ABORTED
    assert blockers_of(world) == ()
    well = World(plan(three_rings(), SIX))
    assert well.run().state is RunState.DONE
    assert blockers_of(well) == ()


def test_hosts_that_policy_holds_back_are_named_and_their_ring_goes_on() -> None:
    rings = [ring("staging"), ring("canary"), ring("production")]
    world = World(
        plan(
            rings,
            SIX,
            cohorts=[cohort(), cohort("c-2", to="3")],
            cohort_of=lambda name: "c-2" if name == "p3" else "c-1",
        )
    )
    before = world.view()
    held = held_hosts(before, before.rings["production"], {})
    assert {blocker.what for blocker in held} >= {"p3"}
    assert world.run().state is RunState.DONE
    after = world.view().hosts["p3"]
    assert (after.state, after.reason) == (
        HostState.SKIPPED,
        "no earlier ring has proven: web",
    )


@pytest.mark.parametrize("policy", UnprovenPolicy)
def test_a_run_moves_on_exactly_where_nothing_blocks_it(policy: UnprovenPolicy) -> None:
    """The list has a blocker exactly where a controller leaves a run waiting."""
    world = World(careful(policy))
    for lifting in ("time", "approval"):
        view = world.run()
        assert view.state in (RunState.SOAKING, RunState.WAITING)
        assert blockers_of(world), view.state
        if lifting == "time":
            world.clock.advance(SOAK_S * 1000)
        else:
            ask(world, CommandKind.APPROVE, "production")
    assert world.run().state is RunState.DONE


def test_whatever_budget_is_left_the_list_is_empty_while_hosts_are_at_work() -> None:
    seen: list[RunView] = []
    world = World(plan(three_rings(budget=Amount(hosts=1)), SIX))

    class Check:
        def on_entry(self, entry: object) -> None:
            if seen[0].in_flight():
                assert seen[0].state in GOES_FORWARD
                assert blockers(seen[0], world.clock.now_ms(), {}) == ()

    engine = world.engine()
    seen.append(engine.view)
    world.sinks = [Check()]
    again = world.engine()
    seen[0] = again.view
    assert again.run(wait=False) is RunState.DONE
