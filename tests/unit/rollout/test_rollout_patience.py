"""How the engine waits for hosts, dead controllers and people, and what may be done afterwards."""

import pytest
from rollout_world import (
    FAILED,
    RUN,
    SIX,
    World,
    cohort,
    fails,
    killed_at,
    plan,
    ring,
    states_of,
    three_rings,
)

from patchctl.errors import ConflictError
from patchctl.executors.simulated import Behaviour
from patchctl.models.journal import Command, CommandKind
from patchctl.models.plan import Undo
from patchctl.models.policy import Amount, Promote
from patchctl.models.rollout import OutcomeStatus, RunState, Stage
from patchctl.rollout.status import exit_code


def test_rollback_waits_for_hosts_that_are_still_at_work() -> None:
    world = World(plan(three_rings(), SIX))
    engine = world.engine()
    engine._progress()
    with pytest.raises(ConflictError, match="still works on 2 hosts"):
        world.engine().roll_back("ops")


def test_a_maintainer_script_that_hangs_is_left_to_the_hosts_own_limit_first() -> None:
    """The host ends the stage after transaction_timeout_s and reports it; only then its undo
    begins."""

    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if stage is not Stage.APPLY or host != "s1":
            return Behaviour()
        if asked < 180:  # an hour of attaching
            return Behaviour(status=OutcomeStatus.RUNNING, after_ms=20_000)
        return Behaviour(status=FAILED, reason="ended after 3600 s")

    world = World(plan(three_rings(), SIX), script)
    world.run()
    assert states_of(world)["s1"] == "rolled_back"


def test_a_verification_that_never_ends_is_a_failure_and_undone() -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        stuck = stage is Stage.VERIFY and host == "s1"
        return Behaviour(status=OutcomeStatus.RUNNING if stuck else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), script)
    world.run()
    assert states_of(world)["s1"] == "rolled_back"


def test_single_silences_with_answers_between_them_do_not_add_up() -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if stage is not Stage.APPLY or asked >= 60:
            return Behaviour()
        silent = asked % 8 == 0
        return Behaviour(
            status=OutcomeStatus.UNREACHABLE if silent else OutcomeStatus.RUNNING, after_ms=10_000
        )

    world = World(plan(three_rings(), SIX), script)
    assert world.run().state is RunState.DONE


def test_a_long_pause_between_two_controllers_is_not_the_hosts_fault() -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        shy = stage is Stage.VERIFY and asked == 0
        return Behaviour(status=OutcomeStatus.UNREACHABLE if shy else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), script)
    killed_at(world, Stage.VERIFY)
    world.clock.advance(6 * 3600 * 1000)
    engine = world.engine()
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.DONE


def test_abort_of_a_run_whose_controller_died_ends_what_is_in_flight_only() -> None:
    world = World(plan(three_rings(), SIX))
    killed_at(world, Stage.APPLY)
    world.mailbox.commands.append(Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops"))
    assert world.run().state is RunState.ABORTED
    assert world.hosts["k1"].changes == 0
    assert states_of(world)["s1"] == "succeeded"


def test_a_part_of_a_run_may_be_undone_and_the_rest_later() -> None:
    world = World(plan(three_rings(), SIX))
    world.run()
    engine = world.engine()
    engine.roll_back("ops", hosts=["p1"])
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert "5 hosts keep what it brought" in engine.view.reason
    assert [name for name, host in world.hosts.items() if host.undone] == ["p1"]
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert all(host.undone for host in world.hosts.values())


def test_resuming_an_undo_patches_no_host() -> None:
    lost = True

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        gone = lost and host == "p2" and stage is Stage.APPLY
        return Behaviour(status=OutcomeStatus.UNREACHABLE if gone else OutcomeStatus.OK)

    rings = three_rings(budget=Amount(hosts=1))
    world = World(plan(rings, SIX), script)
    assert world.run().state is RunState.DONE
    lost = False
    engine = world.engine()
    engine.roll_back("ops", hosts=["s1"])
    engine = world.engine()
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert world.hosts["p2"].changes == 0
    assert states_of(world)["p2"] == "unknown"


def test_nothing_is_moved_where_nothing_is_safe_to_undo() -> None:
    world = World(plan(three_rings(), SIX, cohorts=[cohort(undo=Undo.UNSAFE)]))
    world.run()
    with pytest.raises(ConflictError, match="--force"):
        world.engine().roll_back("ops")
    assert world.view().state is RunState.DONE
    engine = world.engine()
    engine.roll_back("ops", force=True)
    assert engine.run(wait=False) is RunState.ROLLED_BACK


def test_a_run_that_needs_a_person_can_be_let_go() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.UNDO, "p1"))
    world.run()
    engine = world.engine()
    engine.roll_back("ops")
    engine.run(wait=False)
    world.mailbox.commands.append(Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops"))
    assert world.run().state is RunState.ABORTED


def test_an_approval_without_a_ring_is_for_the_one_that_waits() -> None:
    rings = [ring("staging"), ring("canary", promote=Promote.MANUAL)]
    rings.append(ring("production", promote=Promote.MANUAL))
    world = World(plan(rings, SIX))
    world.run()
    world.mailbox.commands.append(Command(id=1, run=RUN, command=CommandKind.APPROVE, by="boss"))
    view = world.run()
    assert view.state is RunState.WAITING
    assert "production" in view.reason
    assert states_of(world)["k1"] == "succeeded"


def test_a_pause_that_was_asked_before_is_lifted_by_a_later_resume() -> None:
    world = World(plan(three_rings(), SIX))
    killed_at(world, Stage.APPLY)
    world.mailbox.commands.append(Command(id=1, run=RUN, command=CommandKind.PAUSE, by="ops"))
    engine = world.engine()
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.DONE


def test_a_reader_that_goes_away_does_not_stop_a_run() -> None:
    class Gone:
        def on_entry(self, entry: object) -> None:
            raise BrokenPipeError

    world = World(plan(three_rings(), SIX), sinks=[Gone()])
    assert world.run().state is RunState.DONE


def test_a_lost_host_of_a_run_that_is_done_is_asked_once_more() -> None:
    lost = True

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        gone = lost and host == "p2" and stage is Stage.APPLY
        return Behaviour(status=OutcomeStatus.UNREACHABLE if gone else OutcomeStatus.OK)

    world = World(plan(three_rings(budget=Amount(hosts=1)), SIX), script)
    assert exit_code(world.run()) == 4
    lost = False
    engine = world.engine()
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.DONE
    assert states_of(world)["p2"] == "succeeded"
    assert exit_code(engine.view) == 0
    assert engine.view.rings["production"].counted == 1
    with pytest.raises(ConflictError, match="is done"):
        world.engine().resume("ops")
