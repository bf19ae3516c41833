"""Every end of a host releases what the run holds there; lost hosts are asked a last time."""

import msgspec
import pytest
from rollout_world import RUN, SIX, World, cohort, plan, ring, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.journal import Command, CommandKind, StageAnswered
from patchctl.models.plan import Undo
from patchctl.models.policy import Amount, OnFailure, RebootPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.models.states import TERMINAL
from patchctl.rollout import commands
from patchctl.rollout.decisions import LOST_BEFORE
from patchctl.rollout.status import status
from patchctl.rollout.view import RELEASE_TRIES

OK, FAILED = OutcomeStatus.OK, OutcomeStatus.FAILED
ABORT = Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops")
STAGES = [stage for stage in Stage if stage is not Stage.RELEASE]


def one_ring(on_failure: OnFailure) -> World:
    policy = ring("staging", on_failure=on_failure, drain="drain.yml", undrain="undrain.yml")
    return World(plan([policy], {"staging": [["s1", "s2"]]}))


def answering(stage: Stage, answer: OutcomeStatus, *, also: Stage | None = None) -> Script:
    """Make s1 answer the stage with this status; a failed verify leads to an undo."""

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        if host == "s1" and asked is stage:
            return Behaviour(status=answer, reason="x")
        if host == "s1" and asked is also:
            return Behaviour(status=FAILED, reason="x")
        return Behaviour()

    return script


def leads_to(stage: Stage) -> Stage | None:
    """Return the stage whose failure leads to this one."""
    return Stage.VERIFY if stage in (Stage.UNDO, Stage.VERIFY_UNDO) else None


@pytest.mark.parametrize("on_failure", list(OnFailure))
@pytest.mark.parametrize(
    "answer", [FAILED, OutcomeStatus.UNREACHABLE, OutcomeStatus.LOST, OutcomeStatus.RUNNING]
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_host_that_ended_holds_nothing(
    stage: Stage, answer: OutcomeStatus, on_failure: OnFailure
) -> None:
    world = one_ring(on_failure)
    world.script = answering(stage, answer, also=leads_to(stage))
    view = world.run()
    assert view.state in TERMINAL
    for name, host in world.hosts.items():
        # A host that does not answer cannot be released, and is not reported as released.
        unknown = view.hosts[name].state is HostState.UNKNOWN
        assert host.held == (unknown and host.held), (name, view.hosts[name].state)
        assert unknown or not view.hosts[name].holding


@pytest.mark.parametrize("stage", STAGES)
def test_an_abort_at_any_stage_leaves_nothing_held_or_drained(stage: Stage) -> None:
    world = one_ring(OnFailure.ROLLBACK)
    bad = leads_to(stage)

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        if asked is stage and not world.mailbox.commands:
            world.mailbox.commands.append(ABORT)
        failed = host == "s1" and asked is bad
        return Behaviour(status=FAILED if failed else OK, after_ms=2000)

    world.script = script
    world.run()
    assert [name for name, host in world.hosts.items() if host.held or host.drained] == []


def test_what_cannot_be_given_back_is_tried_again_and_then_said() -> None:
    world = one_ring(OnFailure.STOP)
    asked = 0

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        nonlocal asked
        if stage is Stage.RELEASE:
            asked += 1
            return Behaviour(status=OutcomeStatus.UNREACHABLE)
        return Behaviour(status=FAILED if host == "s1" and stage is Stage.VERIFY else OK)

    world.script = script
    view = world.run()
    assert asked == RELEASE_TRIES
    assert view.state is RunState.HALTED
    assert {host.name: host.holds for host in status(view).hosts} == {"s1": True, "s2": False}


def test_a_release_that_waits_for_its_transaction_is_no_failure() -> None:
    world = one_ring(OnFailure.STOP)

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if stage is Stage.RELEASE and asked < 3 * RELEASE_TRIES:
            return Behaviour(status=OutcomeStatus.RUNNING)
        return Behaviour(status=FAILED if host == "s1" and stage is Stage.VERIFY else OK)

    world.script = script
    world.run()
    assert not world.hosts["s1"].held


# --- lost hosts ----------------------------------------------------------------------------------


def lost_in(stage: Stage, until: int, then: OutcomeStatus = OK) -> Script:
    """Make s1 not answer the stage so many times, and then answer with this status."""

    def script(host: str, asked_stage: Stage, asked: int) -> Behaviour:
        if host == "s1" and asked_stage is stage:
            return Behaviour(status=OutcomeStatus.UNREACHABLE if asked < until else then)
        return Behaviour()

    return script


def tries_until_lost(stage: Stage) -> int:
    """Return how often a host that never answers is asked before it counts as lost."""
    world = World(plan(three_rings(), SIX), lost_in(stage, 10_000))
    world.run()
    first = [s for e in world.executors for s in e.started if s.stage is stage]
    return sum(work.host == "s1" for shard in first for work in shard.hosts)


@pytest.mark.parametrize("stage", [Stage.APPLY, Stage.RESTART, Stage.VERIFY])
def test_a_lost_host_that_comes_back_before_the_end_gets_its_real_state(stage: Stage) -> None:
    world = World(plan(three_rings(), SIX), lost_in(stage, tries_until_lost(stage) - 1))
    view = world.run()
    # It stays counted in the budget, whatever its real state is.
    assert (view.hosts["s1"].state, view.state) == (HostState.SUCCEEDED, RunState.HALTED)
    assert view.rings["staging"].counted == 1
    assert world.hosts["s1"].changes == 1


def test_one_that_is_bad_then_is_undone() -> None:
    stage = Stage.VERIFY
    world = World(plan(three_rings(), SIX), lost_in(stage, tries_until_lost(stage) - 1, FAILED))
    view = world.run()
    assert view.hosts["s1"].state is HostState.ROLLED_BACK
    assert world.hosts["s1"].undone


def test_a_look_begins_no_update_where_the_run_halts() -> None:
    world = World(plan(three_rings(), SIX), lost_in(Stage.APPLY, 10_000))
    world.run()
    asked = [s for e in world.executors for s in e.started if s.stage is Stage.APPLY]
    works = [work for shard in asked for work in shard.hosts if work.host == "s1"]
    assert works[-1].look and not works[0].look


def test_a_lost_host_within_the_budget_is_looked_at_before_the_run_is_done() -> None:
    rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
    tries = tries_until_lost(Stage.APPLY)
    world = World(plan(rings, SIX), lost_in(Stage.APPLY, tries - 1))
    view = world.run()
    assert (view.hosts["s1"].state, view.state) == (HostState.SUCCEEDED, RunState.DONE)


def test_an_undo_that_was_lost_is_looked_at_before_somebody_is_called() -> None:
    asked_before = 0

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        gone = host == "s1" and stage is Stage.UNDO and asked < asked_before
        return Behaviour(status=OutcomeStatus.UNREACHABLE if gone else OK)

    world = World(plan(three_rings(), SIX), script)
    world.run()
    asked_before = 10_000
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.NEEDS_HUMAN
    undos = [s for s in world.executors[-1].started if s.stage is Stage.UNDO]
    lost = sum(work.host == "s1" for shard in undos for work in shard.hosts)

    asked_before = lost - 1
    world = World(plan(three_rings(), SIX), script)
    world.run()
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.ROLLED_BACK


def test_a_person_may_ask_a_lost_host_as_often_as_they_like() -> None:
    world = World(plan(three_rings(), SIX), lost_in(Stage.APPLY, 10_000))
    view = world.run()
    for _ in range(2):
        assert view.hosts["s1"].state is HostState.UNKNOWN and view.hosts["s1"].reconciled
        events = commands.resume(view, "ops", "", accept_failures=True)
        assert [e for e in events if getattr(e, "host", "") == "s1"]
        engine = world.engine()
        engine.resume("ops", accept_failures=True)
        engine.run(wait=False)
        view = engine.view
        if view.state is RunState.DONE:
            break


class TestALookBeginsNothing:
    def test_a_host_that_was_lost_in_its_drain_is_put_back(self) -> None:
        policy = ring("staging", drain="drain.yml", undrain="undrain.yml")
        hosts = {"staging": [["s1", "s2"]]}
        world = World(plan([policy], hosts), lost_in(Stage.DRAIN, 10_000))
        world.run()
        asked = [s for e in world.executors for s in e.started if s.stage is Stage.DRAIN]
        lost = sum(work.host == "s1" for shard in asked for work in shard.hosts)

        world = World(plan([policy], hosts), lost_in(Stage.DRAIN, lost - 1))
        view = world.run()
        assert view.hosts["s1"].state is HostState.ROLLED_BACK
        assert view.hosts["s1"].reason == LOST_BEFORE
        assert (world.hosts["s1"].changes, world.hosts["s1"].drained) == (0, False)

    def test_not_at_the_end_of_a_run_that_goes_on_either(self) -> None:
        rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
        world = World(plan(rings, SIX), lost_in(Stage.APPLY, 10_000))
        world.run()
        asked = [s for e in world.executors for s in e.started if s.stage is Stage.APPLY]
        works = [work for shard in asked for work in shard.hosts if work.host == "s1"]
        assert works[-1].look

    def test_a_person_who_resumes_wants_it_begun(self) -> None:
        world = World(plan(three_rings(), SIX), lost_in(Stage.APPLY, 10_000))
        world.run()
        engine = world.engine()
        engine.resume("ops", accept_failures=True)
        engine.run(wait=False)
        works = [w for s in world.executors[-1].started for w in s.hosts if w.host == "s1"]
        assert not works[0].look

    def test_what_touched_nothing_can_be_undone_though_its_packages_are_unsafe(self) -> None:
        policy = ring("staging", drain="drain.yml", undrain="undrain.yml")
        world = World(
            plan([policy], {"staging": [["s1"]]}, cohorts=[cohort(undo=Undo.UNSAFE)]),
            lambda host, stage, _: Behaviour(
                status=FAILED if stage is Stage.APPLY else OK, more={"touched": False}
            ),
        )
        view = world.run()
        assert view.hosts["s1"].state is HostState.ROLLED_BACK
        assert not world.hosts["s1"].drained


def test_a_host_that_answers_in_the_look_and_is_never_well_is_undone() -> None:
    """A host that is reachable again but gives no answer is not well."""
    lost = tries_until_lost(Stage.VERIFY)

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if host != "s1" or stage is not Stage.VERIFY:
            return Behaviour()
        # The tries of the last look come after all others.
        first = lost - 3
        return Behaviour(
            status=OutcomeStatus.UNREACHABLE if asked < first else OutcomeStatus.LOST, reason="x"
        )

    view = World(plan(three_rings(), SIX), script).run()
    assert view.hosts["s1"].state is HostState.ROLLED_BACK


def test_the_undo_of_a_host_that_was_lost_gets_a_look_of_its_own() -> None:
    gone_in_undo = 0

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        gone = host == "s1" and (
            stage is Stage.APPLY or (stage is Stage.UNDO and asked < gone_in_undo)
        )
        return Behaviour(status=OutcomeStatus.UNREACHABLE if gone else OK)

    def undone(world: World) -> RunState:
        world.run()
        engine = world.engine()
        engine.roll_back("ops")
        return engine.run(wait=False)

    gone_in_undo = 10_000
    world = World(plan(three_rings(), SIX), script)
    assert undone(world) is RunState.NEEDS_HUMAN
    undos = [s for s in world.executors[-1].started if s.stage is Stage.UNDO]
    gone_in_undo = sum(work.host == "s1" for shard in undos for work in shard.hosts) - 1
    assert undone(World(plan(three_rings(), SIX), script)) is RunState.ROLLED_BACK


def test_an_attempt_of_an_older_journal_owes_nothing() -> None:
    """An older patchctl did not report `holds`: an abort of its run ends at once, as before."""

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        return Behaviour(status=FAILED if stage is Stage.VERIFY else OK)

    world = World(plan([ring("staging", on_failure=OnFailure.STOP)], {"staging": [["s1"]]}), script)
    world.run()
    for at, entry in enumerate(world.entries):
        if isinstance(entry.event, StageAnswered):
            evidence = {k: v for k, v in entry.event.evidence.items() if k != "holds"}
            event = msgspec.structs.replace(entry.event, evidence=evidence)
            world.entries[at] = msgspec.structs.replace(entry, event=event)
    assert not world.view().at_work()


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [2, -2])
@pytest.mark.parametrize("stage", [Stage.APPLY, Stage.VERIFY])
def test_a_clock_that_is_set_makes_no_stage_longer(stage: Stage, hours: int) -> None:
    def script(host: str, asked_stage: Stage, asked: int) -> Behaviour:
        slow = asked_stage is stage and asked < 3
        if slow and host == "s1":
            world.clock.wall_is_off_ms = hours * 3_600_000
        return Behaviour(status=OutcomeStatus.RUNNING if slow else OK)

    world = World(plan(three_rings(), SIX), script)
    engine = world.engine()
    engine.run(wait=False)
    if hours < 0:
        assert engine.view.state is RunState.PAUSED
        assert engine.view.reason == "the controller's clock went back by 7200 s"
        engine.resume("ops")
        engine.run(wait=False)
    assert engine.view.state is RunState.DONE
    assert {host.state for host in engine.view.hosts.values()} == {HostState.SUCCEEDED}


def test_a_clock_that_is_set_ahead_shortens_no_soak() -> None:
    rings = [ring("staging", soak_s=3600), *three_rings()[1:]]
    world = World(plan(rings, SIX))
    engine = world.engine()
    assert engine.run(wait=False) is RunState.SOAKING
    world.clock.wall_is_off_ms = 7_200_000
    assert engine.run(wait=False) is RunState.SOAKING
    world.clock.advance(3_600_000)
    assert engine.run(wait=False) is RunState.DONE


def test_requests_are_read_although_the_clock_went_back() -> None:
    world = World(plan([ring("staging", soak_s=3600), *three_rings()[1:]], SIX))
    engine = world.engine()
    engine.run(wait=False)
    world.clock.wall_is_off_ms = -30_000
    world.clock.advance(2_000)
    world.mailbox.commands.append(ABORT)
    assert engine.run(wait=False) is RunState.ABORTED


def test_a_reboot_must_replace_the_boot_of_the_update() -> None:
    boots = {Stage.PREFLIGHT: "a", Stage.APPLY: "b"}

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        boot = {"boot": {"boot_id": boots[stage], "pid1_start": 1}} if stage in boots else {}
        return Behaviour(reboot_required=stage is Stage.APPLY, more=boot)

    policy = ring("staging", reboot=RebootPolicy.IF_REQUIRED)
    world = World(plan([policy], {"staging": [["s1"]]}), script)
    world.run()
    (shard,) = [s for e in world.executors for s in e.started if s.stage is Stage.REBOOT]
    assert shard.hosts[0].boot is not None and shard.hosts[0].boot.boot_id == "b"
