"""Deferred hosts are asked again after the end of their ring, and may still halt the run."""

import pytest
from rollout.test_rollout_locks import locked
from rollout_world import FAILED, RUN, World, plan, ring, states_of

from patchctl.errors import HaltedError
from patchctl.executors.simulated import Behaviour, Script, all_well
from patchctl.models.journal import Command, CommandKind, HostMoved, JournalEntry
from patchctl.models.policy import Amount, Promote
from patchctl.models.rollout import RunState, Stage
from patchctl.report import rollout_view
from patchctl.rollout.status import status
from patchctl.rollout.view import RunView

TWO_RINGS = {"staging": [["s1", "s2"]], "production": [["p1"], ["p2"]]}


def waits_for_approval() -> World:
    """s1 of staging (budget 0) is deferred; the run waits before production."""
    rings = [ring("staging"), ring("production", promote=Promote.MANUAL)]
    world = World(plan(rings, TWO_RINGS), locked("s1", Stage.PREFLIGHT))
    assert world.run().state is RunState.WAITING
    assert states_of(world)["s1"] == "deferred"
    return world


def slowly_fails(host: str, stage: Stage, _: int) -> Behaviour:
    if host == "s1":
        ends = FAILED if stage is Stage.VERIFY else Behaviour().status
        return Behaviour(status=ends, reason="broken", after_ms=60_000)
    return Behaviour()


def resumed(world: World, script: Script, *, accept_failures: bool = False) -> RunView:
    world.script = script
    engine = world.engine()
    engine.resume("ops", accept_failures=accept_failures)
    engine.run(wait=False)
    return engine.view


def approves_at_once(world: World) -> None:
    approve = Command(id=1, run=RUN, command=CommandKind.APPROVE, ring="production", by="ops")

    class Approver:
        def on_entry(self, entry: JournalEntry) -> None:
            moved = entry.event
            if isinstance(moved, HostMoved) and (moved.host, moved.stage) == (
                "s1",
                Stage.PREFLIGHT,
            ):
                world.mailbox.commands.append(approve)

    world.sinks = [Approver()]


def test_no_ring_opens_before_a_deferred_host_of_an_earlier_one_has_ended() -> None:
    world = waits_for_approval()
    approves_at_once(world)
    view = resumed(world, slowly_fails)
    assert view.rings["production"].approved
    assert states_of(world) == {
        "s1": "rolled_back",
        "s2": "succeeded",
        "p1": "pending",
        "p2": "pending",
    }
    assert view.state is RunState.HALTED
    assert view.reason.startswith("ring staging: 1 of 2 hosts did not succeed")


def test_the_next_ring_opens_once_the_deferred_host_has_succeeded() -> None:
    world = waits_for_approval()
    approves_at_once(world)
    assert resumed(world, all_well).state is RunState.DONE
    assert set(states_of(world).values()) == {"succeeded"}


def test_one_that_fails_while_the_run_waits_for_an_approval_halts_it() -> None:
    world = waits_for_approval()
    view = resumed(world, slowly_fails)
    assert (view.state, view.hosts["p1"].state.value) == (RunState.HALTED, "pending")


def test_failures_that_are_accepted_let_the_run_wait_for_its_approval_again() -> None:
    world = waits_for_approval()
    resumed(world, slowly_fails)
    before = len(world.entries)
    with pytest.raises(HaltedError, match=r"ring staging: 1 of 2 .* the budget is 0"):
        resumed(world, all_well)
    assert len(world.entries) == before + 1  # only that somebody took the run
    assert resumed(world, all_well, accept_failures=True).state is RunState.WAITING
    world.mailbox.commands.append(
        Command(id=1, run=RUN, command=CommandKind.APPROVE, ring="production", by="ops")
    )
    assert resumed(world, all_well).state is RunState.DONE
    assert states_of(world)["p2"] == "succeeded"


def test_a_run_that_was_promoting_when_its_controller_died_halts_too() -> None:
    rings = [ring("staging", soak_s=60), ring("production")]
    world = World(plan(rings, TWO_RINGS), locked("s1", Stage.PREFLIGHT))

    class Dead(BaseException):
        pass

    class Killer:
        def on_entry(self, entry: JournalEntry) -> None:
            if getattr(entry.event, "to", None) is RunState.PROMOTING:
                raise Dead

    world.sinks = [Killer()]
    with pytest.raises(Dead):
        world.engine().run()
    world.sinks = []
    assert world.view().state is RunState.PROMOTING
    view = resumed(world, slowly_fails)
    assert (view.state, view.hosts["p1"].state.value) == (RunState.HALTED, "pending")


class TestRetry:
    def fixed_and_deferred(self) -> World:
        """s1 failed, was fixed and tried again, and then somebody held its package manager."""
        world = World(plan([ring("staging"), ring("production")], TWO_RINGS), slowly_fails)
        assert world.run().state is RunState.HALTED
        self.retry(world, locked("s1", Stage.PREFLIGHT))
        assert states_of(world)["s1"] == "deferred"
        return world

    def retry(self, world: World, script: Script) -> RunView:
        world.script = script
        engine = world.engine()
        engine.retry("ops")
        engine.run(wait=False)
        return engine.view

    def test_a_fixed_host_that_was_deferred_is_not_called_fixed(self) -> None:
        step = rollout_view.next_step(status(self.fixed_and_deferred().view())).splitlines()
        assert f"try fixed hosts again: patchctl rollout retry {RUN}" in step
        assert (f"continue anyway:         patchctl rollout resume {RUN} --accept-failures") in step

    def test_it_is_tried_again_in_the_attempt_that_was_put_off(self) -> None:
        world = self.fixed_and_deferred()
        view = self.retry(world, all_well)
        assert (view.hosts["s1"].state.value, view.hosts["s1"].attempt) == ("succeeded", 2)
        assert view.state is RunState.HALTED
        assert world.hosts["s1"].changes == 3  # done, undone and done again
        assert "all are fixed" in rollout_view.next_step(status(view))

    def test_one_that_is_deferred_again_may_be_tried_again(self) -> None:
        world = self.fixed_and_deferred()
        for _ in range(2):
            view = self.retry(world, locked("s1", Stage.PREFLIGHT))
            assert (view.hosts["s1"].state.value, view.hosts["s1"].attempt) == ("deferred", 2)
        assert not world.hosts["s1"].held

    def test_one_of_a_ring_that_is_done_may_be_tried_again(self) -> None:
        world = waits_for_approval()
        view = self.retry(world, all_well)
        assert (view.hosts["s1"].state.value, view.hosts["s1"].attempt) == ("succeeded", 1)
        assert view.state is RunState.WAITING


class TestResumeOfADoneRun:
    def over_budget(self) -> World:
        """Both hosts of staging are deferred, in waves of their own; tried again, s1 fails."""
        rings = [ring("staging", lock_wait_s=0)]
        world = World(plan(rings, {"staging": [["s1"], ["s2"]]}))
        world.script = locked("s1", Stage.PREFLIGHT, after=locked("s2", Stage.PREFLIGHT))
        assert world.run().state is RunState.DONE
        world.script = slowly_fails
        engine = world.engine()
        engine.retry("ops")
        assert engine.run(wait=False) is RunState.DONE
        assert states_of(world) == {"s1": "rolled_back", "s2": "deferred"}
        return world

    def test_it_is_refused_while_the_failures_are_not_accepted(self) -> None:
        world = self.over_budget()
        before = len(world.entries)
        with pytest.raises(HaltedError, match="ring staging: 1 of 2 hosts") as caught:
            resumed(world, all_well)
        assert "--accept-failures" in str(caught.value.hint)
        assert len(world.entries) == before + 1  # only that somebody took the run

    def test_accepted_failures_let_the_others_be_asked_again(self) -> None:
        world = self.over_budget()
        view = resumed(world, all_well, accept_failures=True)
        assert states_of(world) == {"s1": "rolled_back", "s2": "succeeded"}
        assert view.state is RunState.DONE

    def test_the_first_that_fails_leaves_the_others_to_a_person(self) -> None:
        rings = [ring("staging", lock_wait_s=0, max_concurrent=Amount(hosts=1))]
        script = locked("s1", Stage.PREFLIGHT, after=locked("s2", Stage.PREFLIGHT))
        world = World(plan(rings, {"staging": [["s1"], ["s2"]]}), script)
        assert world.run().state is RunState.DONE
        assert resumed(world, slowly_fails).state is RunState.HALTED
        assert states_of(world) == {"s1": "rolled_back", "s2": "deferred"}
        assert resumed(world, all_well, accept_failures=True).state is RunState.DONE
        assert states_of(world) == {"s1": "rolled_back", "s2": "succeeded"}
