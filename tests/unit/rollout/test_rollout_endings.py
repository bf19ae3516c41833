"""Early ends of runs: an abort begins nothing, an approval stays, an undo tells what is left."""

import pytest
from rollout_world import RUN, SIX, World, killed_at, plan, ring, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.journal import Command, CommandKind, CommandTaken
from patchctl.models.policy import OnFailure, Promote, RingPolicy
from patchctl.models.rollout import OutcomeStatus, RunState, Stage
from patchctl.report import rollout_view
from patchctl.rollout import commands
from patchctl.rollout.decisions import NOT_BEGUN
from patchctl.rollout.status import exit_code, status

ABORT = Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops")


def drained(on_failure: OnFailure = OnFailure.ROLLBACK) -> RingPolicy:
    """The staging ring, with hosts that are drained first."""
    return ring("staging", on_failure=on_failure, drain="drain.yml", undrain="undrain.yml")


def aborted_at(world: World, stage: Stage, answer: OutcomeStatus = OutcomeStatus.OK) -> None:
    """Abort the run while a host works on this stage, which then ends with this status."""

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        if asked is stage and not world.mailbox.commands:
            world.mailbox.commands.append(ABORT)
        return Behaviour(after_ms=2000, status=answer if asked is stage else OutcomeStatus.OK)

    world.script = script


def host_of(world: World, name: str) -> tuple[str, str]:
    line = next(host for host in status(world.view()).hosts if host.name == name)
    return line.state.value, line.reason


@pytest.mark.parametrize("stage", [Stage.PREFLIGHT, Stage.PREPARE])
@pytest.mark.parametrize(
    "answer", [OutcomeStatus.OK, OutcomeStatus.RUNNING, OutcomeStatus.UNREACHABLE]
)
def test_a_host_that_was_only_prepared_is_not_begun_after_an_abort(
    stage: Stage, answer: OutcomeStatus
) -> None:
    world = World(plan(three_rings(), SIX))
    aborted_at(world, stage, answer)
    assert world.run().state is RunState.ABORTED
    assert host_of(world, "s1") == ("skipped", NOT_BEGUN)
    assert all(host.changes == 0 for host in world.hosts.values())


def test_a_failure_during_an_abort_stays_a_failure() -> None:
    world = World(plan(three_rings(), SIX))
    aborted_at(world, Stage.PREPARE, OutcomeStatus.FAILED)
    assert world.run().state is RunState.ABORTED
    assert host_of(world, "s1")[0] == "failed"


@pytest.mark.parametrize("stage", [Stage.PREFLIGHT, Stage.PREPARE])
def test_abort_then_resume_begins_no_host(stage: Stage) -> None:
    world = World(plan(three_rings(), SIX))
    killed_at(world, stage)
    asked = len(world.executors[-1].started)
    world.mailbox.commands.append(ABORT)
    engine = world.engine()
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.ABORTED
    assert host_of(world, "s1") == ("skipped", NOT_BEGUN)
    assert all(host.changes == 0 for host in world.hosts.values())
    # The host that may be claimed releases the claim; otherwise no host was asked any more.
    started = [shard for executor in world.executors for shard in executor.started]
    assert {shard.stage for shard in started[asked:]} == {Stage.RELEASE}
    assert [work.host for shard in started[asked:] for work in shard.hosts] == ["s1", "s2"]


@pytest.mark.parametrize("on_failure", list(OnFailure))
@pytest.mark.parametrize("dies", [False, True])
def test_a_host_that_was_drained_only_is_put_back_after_an_abort(
    on_failure: OnFailure, dies: bool
) -> None:
    rings = [drained(on_failure)]
    world = World(plan(rings, {"staging": [["s1"]]}))
    if dies:
        killed_at(world, Stage.DRAIN)
        world.mailbox.commands.append(ABORT)
    else:
        aborted_at(world, Stage.DRAIN)
    assert world.run().state is RunState.ABORTED
    assert host_of(world, "s1") == ("rolled_back", NOT_BEGUN)
    assert world.hosts["s1"].changes == 0
    assert not world.hosts["s1"].drained
    assert world.executors[-1].started[-1].stage is Stage.UNDRAIN


def test_a_host_that_has_begun_its_update_ends_it_after_an_abort() -> None:
    world = World(plan(three_rings(), SIX))
    killed_at(world, Stage.RESTART)
    world.mailbox.commands.append(ABORT)
    assert world.run().state is RunState.ABORTED
    assert host_of(world, "s1") == ("succeeded", "")
    assert host_of(world, "k1")[0] == "pending"


def test_after_an_approval_only_what_is_still_to_do_is_offered() -> None:
    world = World(plan(three_rings(promote=Promote.MANUAL), SIX))
    assert world.run().state is RunState.WAITING
    before = status(world.view())
    assert rollout_view.next_step(before) == (
        f"let it go on: patchctl rollout approve {RUN}, then patchctl rollout resume {RUN}"
    )
    approve = Command(id=1, run=RUN, command=CommandKind.APPROVE, by="ops")
    events = commands.take(world.view(), approve)
    assert [type(event) for event in events] == [CommandTaken]
    world.journal().append(RUN, events)
    after = status(world.view())
    assert after.state is RunState.WAITING
    assert after.reason == "ring production is approved"
    assert [ring.approved for ring in after.rings] == [False, False, True]
    assert rollout_view.next_step(after) == f"let it go on: patchctl rollout resume {RUN}"
    assert rollout_view.next_step(status(world.view(), "process 1")) == ""


def failing(stage: Stage, host: str) -> Script:
    def script(name: str, asked: Stage, _: int) -> Behaviour:
        bad = asked is stage and name == host
        return Behaviour(status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="no")

    return script


def test_an_undo_that_only_left_a_host_drained_says_so_and_can_be_tried_again() -> None:
    world = World(plan([drained()], {"staging": [["s1", "s2"]]}))
    world.run()
    world.script = failing(Stage.UNDRAIN, "s2")
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.NEEDS_HUMAN
    assert engine.view.reason == "1 host is undone but still drained: s2"
    assert exit_code(engine.view) == 4
    assert host_of(world, "s2") == ("rollback_failed", "undone, but still drained: no")
    assert f"`patchctl rollback {RUN}`" in rollout_view.next_step(status(engine.view))
    world.script = lambda host, stage, asked: Behaviour()
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert exit_code(engine.view) == 0
    assert [host.changes for host in world.hosts.values()] == [2, 2]  # updated and undone, once


def test_hosts_that_are_not_undone_are_told_from_those_that_are_only_drained() -> None:
    world = World(plan([drained()], {"staging": [["s1", "s2"]]}))
    world.run()

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        bad = (host, stage) in {("s1", Stage.UNDO), ("s2", Stage.UNDRAIN)}
        return Behaviour(status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="no")

    world.script = script
    engine = world.engine()
    engine.roll_back("ops")
    engine.run(wait=False)
    assert engine.view.reason == (
        "1 host is not undone: s1; 1 host is undone but still drained: s2"
    )
