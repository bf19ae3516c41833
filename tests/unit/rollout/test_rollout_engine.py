"""The engine with simulated hosts: what a run does, case by case."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import FAILED, RUN, SIX, World, cohort, fails, plan, ring, states_of, three_rings

from patchctl.errors import ConflictError, HaltedError
from patchctl.executors.simulated import Behaviour
from patchctl.models.journal import Command, CommandKind, HostMoved
from patchctl.models.plan import Undo
from patchctl.models.policy import Amount, OnFailure, Promote, RebootPolicy, UnprovenPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.rollout import states
from patchctl.rollout.status import exit_code, status


def started_order(world: World) -> list[str]:
    return [
        entry.event.host
        for entry in world.entries
        if isinstance(entry.event, HostMoved) and entry.event.to is HostState.PREFLIGHT
    ]


def test_a_good_plan_reaches_every_ring_in_order() -> None:
    world = World(plan(three_rings(), SIX))
    view = world.run()
    assert (view.state, exit_code(view)) == (RunState.DONE, 0)
    assert started_order(world) == ["s1", "s2", "k1", "p1", "p2", "p3"]
    assert {host.changes for host in world.hosts.values()} == {1}


def test_a_failure_in_staging_is_undone_there_and_stops_the_run() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.VERIFY, "s1", reason="probe web"))
    view = world.run()
    assert (view.state, exit_code(view)) == (RunState.HALTED, 3)
    assert states_of(world) == {
        "s1": "rolled_back",
        "s2": "succeeded",
        "k1": "pending",
        "p1": "pending",
        "p2": "pending",
        "p3": "pending",
    }
    assert world.hosts["s1"].undone
    assert world.hosts["k1"].changes == 0
    assert "1 of 2" in view.reason


def test_a_failure_before_anything_changed_is_not_undone() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.PREPARE, "s1"))
    world.run()
    assert states_of(world)["s1"] == "failed"
    assert world.hosts["s1"].changes == 0


def test_what_is_unsafe_to_undo_is_left_to_a_person() -> None:
    unsafe = cohort(undo=Undo.UNSAFE)
    world = World(plan(three_rings(), SIX, cohorts=[unsafe]), fails(Stage.VERIFY, "s1"))
    view = world.run()
    assert states_of(world)["s1"] == "failed"
    assert "unsafe to undo: web (new upstream version)" in view.hosts["s1"].reason
    assert not world.hosts["s1"].undone


def test_on_failure_stop_leaves_the_host_as_it_is() -> None:
    rings = [ring("staging", on_failure=OnFailure.STOP), *three_rings()[1:]]
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "s1"))
    world.run()
    assert states_of(world)["s1"] == "failed"
    assert not world.hosts["s1"].undone


def test_a_failed_undo_is_said() -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        bad = host == "s1" and stage in (Stage.VERIFY, Stage.UNDO)
        return Behaviour(status=FAILED if bad else OutcomeStatus.OK, reason="dpkg is stuck")

    world = World(plan(three_rings(), SIX), script)
    world.run()
    assert states_of(world)["s1"] == "rollback_failed"


def test_failures_within_the_budget_let_the_ring_finish() -> None:
    rings = three_rings(budget=Amount(hosts=1))
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "p1"))
    view = world.run()
    assert (view.state, exit_code(view)) == (RunState.DONE, 4)
    assert states_of(world)["p3"] == "succeeded"


def test_beyond_the_budget_nothing_new_starts_and_what_is_in_flight_ends() -> None:
    rings = three_rings(budget=Amount(hosts=0))
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "p1"))
    view = world.run()
    assert view.state is RunState.HALTED
    assert states_of(world)["p2"] == "succeeded"
    assert states_of(world)["p3"] == "pending"


@pytest.mark.parametrize("what", [OutcomeStatus.UNREACHABLE, OutcomeStatus.LOST])
def test_a_host_lost_in_preflight_counts(what: OutcomeStatus) -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        return Behaviour(status=what if host == "s1" else OutcomeStatus.OK, reason="no route")

    world = World(plan(three_rings(), SIX), script)
    view = world.run()
    assert (states_of(world)["s1"], view.state) == ("failed", RunState.HALTED)


def test_a_host_that_never_answers_after_apply_is_unknown_and_counts() -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        gone = host == "s1" and stage is Stage.APPLY
        return Behaviour(
            status=OutcomeStatus.UNREACHABLE if gone else OutcomeStatus.OK, reason="no route"
        )

    world = World(plan(three_rings(), SIX), script)
    view = world.run()
    assert (states_of(world)["s1"], view.state) == ("unknown", RunState.HALTED)
    assert "apply" in view.hosts["s1"].reason


def test_an_unknown_host_is_asked_once_more_by_resume_and_keeps_its_place_in_the_budget() -> None:
    gone = True

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        lost = gone and host == "s1" and stage is Stage.APPLY
        return Behaviour(status=OutcomeStatus.UNREACHABLE if lost else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), script)
    world.run()
    gone = False
    engine = world.engine()
    with pytest.raises(HaltedError, match="--accept-failures"):
        engine.resume("tester")
    engine.resume("tester", accept_failures=True)
    assert engine.run(wait=False) is RunState.DONE
    assert states_of(world)["s1"] == "succeeded"
    assert engine.view.rings["staging"].counted == 1


def test_a_slow_transaction_is_attached_to_again_and_applied_once() -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        slow = stage is Stage.APPLY and asked < 5
        return Behaviour(status=OutcomeStatus.RUNNING if slow else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), script)
    assert world.run().state is RunState.DONE
    assert {host.changes for host in world.hosts.values()} == {1}


def test_a_slow_host_does_not_hold_the_others_of_its_wave() -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if host == "s1" and stage is Stage.APPLY and asked < 100:
            return Behaviour(status=OutcomeStatus.RUNNING)
        return Behaviour()

    world = World(plan(three_rings(), SIX), script)
    world.run()
    ended = {
        entry.event.host: entry.seq
        for entry in world.entries
        if isinstance(entry.event, HostMoved) and entry.event.to is HostState.SUCCEEDED
    }
    verify_s1 = next(
        entry.seq
        for entry in world.entries
        if isinstance(entry.event, HostMoved)
        and (entry.event.host, entry.event.stage) == ("s1", Stage.RESTART)
    )
    assert ended["s2"] < verify_s1


def test_a_transaction_that_runs_for_ever_has_failed_because_its_host_answers() -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        stuck = host == "s1" and stage is Stage.APPLY
        return Behaviour(
            status=OutcomeStatus.RUNNING if stuck else OutcomeStatus.OK,
            after_ms=20_000 if stuck else 1000,
        )

    world = World(plan(three_rings(), SIX), script)
    view = world.run()
    assert states_of(world)["s1"] == "rolled_back"
    assert view.hosts["s1"].reason.startswith("still running after ")


def test_a_ring_with_manual_promotion_waits_for_an_approval() -> None:
    world = World(plan(three_rings(promote=Promote.MANUAL), SIX))
    view = world.run()
    assert (view.state, exit_code(view)) == (RunState.WAITING, 5)
    assert world.hosts["p1"].changes == 0
    world.mailbox.commands.append(
        Command(id=1, run=RUN, command=CommandKind.APPROVE, by="boss", ring="production")
    )
    assert world.run().state is RunState.DONE


def test_a_soak_is_waited_for_by_the_clock_and_not_without_waiting() -> None:
    rings = [ring("staging", soak_s=3600), ring("canary"), ring("production")]
    world = World(plan(rings, SIX))
    view = world.run()
    assert (view.state, exit_code(view)) == (RunState.SOAKING, 5)
    before = world.clock.now_ms()
    engine = world.engine()
    assert engine.run(wait=True) is RunState.DONE
    assert world.clock.now_ms() - before >= 3_590_000


def test_the_last_ring_and_an_empty_ring_do_not_soak() -> None:
    rings = [ring("staging", soak_s=10), ring("canary", soak_s=10), ring("production", soak_s=10)]
    world = World(plan(rings, {"production": [["p1"]]}, unproven=UnprovenPolicy.ALLOW))
    assert world.run().state is RunState.DONE


def test_what_no_earlier_ring_has_proven_is_held_back() -> None:
    other = cohort("c-2", to="3")
    world = World(
        plan(
            three_rings(),
            SIX,
            cohorts=[cohort(), other],
            cohort_of=lambda name: "c-2" if name == "p3" else "c-1",
        )
    )
    view = world.run()
    assert states_of(world)["p3"] == "skipped"
    assert world.hosts["p3"].changes == 0
    assert (view.state, exit_code(view)) == (RunState.DONE, 1)
    assert "web" in view.hosts["p3"].reason


def test_a_transition_that_only_failing_hosts_tried_is_not_proven() -> None:
    rings = [
        ring("staging", budget=Amount(hosts=1)),
        ring("canary", budget=Amount(hosts=1)),
        ring("production"),
    ]
    world = World(
        plan(rings, {"staging": [["s1"]], "canary": [["k1"]], "production": [["p1"]]}),
        fails(Stage.VERIFY, "s1"),
    )
    world.run()
    assert states_of(world) == {"s1": "rolled_back", "k1": "skipped", "p1": "skipped"}


def test_a_reboot_happens_only_where_policy_allows_and_the_host_asks() -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        return Behaviour(reboot_required=stage is Stage.APPLY)

    rings = [ring("staging", reboot=RebootPolicy.IF_REQUIRED), ring("canary"), ring("production")]
    world = World(plan(rings, SIX), script)
    view = world.run()
    assert world.hosts["s1"].reboots == 1
    assert world.hosts["p1"].reboots == 0
    assert view.hosts["p1"].reason == "pending reboot"
    assert view.hosts["s1"].reason == ""


def test_what_goes_on_with_old_code_is_said() -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        old = host in ("s1", "k1", "p2") and stage is Stage.VERIFY
        stale = ("dbus.service", "") if old else ()
        return Behaviour(stale=stale, reboot_required=host == "k1" and stage is Stage.APPLY)

    rings = [ring("staging"), ring("canary"), ring("production", drain="d.yml", undrain="u.yml")]
    view = World(plan(rings, SIX), script).run()
    reason = "not effective until a reboot: dbus.service, x on old code"
    assert (view.hosts["s1"].state, view.hosts["s1"].reason) == (HostState.SUCCEEDED, reason)
    assert view.hosts["k1"].reason == "pending reboot"
    assert view.hosts["p1"].reason == ""
    assert view.hosts["p2"].reason == reason


def test_drain_and_undrain_stand_around_the_change() -> None:
    rings = [ring("staging", drain="d.yml", undrain="u.yml"), *three_rings()[1:]]
    world = World(plan(rings, {"staging": [["s1"]]}), fails(Stage.VERIFY, "s1"))
    world.run()
    stages = [s.stage for s in world.executors[0].started]
    assert stages == [
        Stage.PREFLIGHT,
        Stage.PREPARE,
        Stage.DRAIN,
        Stage.APPLY,
        Stage.RESTART,
        Stage.VERIFY,
        Stage.UNDO,
        Stage.VERIFY_UNDO,
        Stage.UNDRAIN,
    ]
    assert not world.hosts["s1"].drained


def test_an_operators_pause_stops_new_hosts_and_only_resume_lifts_it() -> None:
    world = World(plan(three_rings(), SIX))
    world.mailbox.commands.append(
        Command(id=1, run=RUN, command=CommandKind.PAUSE, by="ops", reason="lunch")
    )
    view = world.run()
    assert (view.state, view.reason) == (RunState.PAUSED, "lunch")
    engine = world.engine()
    assert engine.run(wait=False) is RunState.PAUSED
    engine.resume("ops")
    assert engine.run(wait=False) is RunState.DONE


def test_abort_lets_what_is_in_flight_end_and_starts_nothing() -> None:
    world = World(plan(three_rings(), SIX))

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        if stage is Stage.APPLY and not world.mailbox.commands:
            world.mailbox.commands.append(
                Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops")
            )
        return Behaviour(after_ms=2000)

    world.script = script
    view = world.run()
    assert view.state is RunState.ABORTED
    assert states_of(world) == {
        "s1": "succeeded",
        "s2": "succeeded",
        "k1": "pending",
        "p1": "pending",
        "p2": "pending",
        "p3": "pending",
    }


def test_rollback_undoes_the_newest_ring_first() -> None:
    world = World(plan(three_rings(), SIX))
    world.run()
    engine = world.engine()
    engine.roll_back("ops", "regret")
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert all(len(host.undone) == 1 for host in world.hosts.values())
    order = [w.host for s in world.executors[1].started if s.stage is Stage.UNDO for w in s.hosts]
    assert order.index("p1") < order.index("k1") < order.index("s1")
    assert set(states_of(world).values()) == {"rolled_back"}
    with pytest.raises(ConflictError, match="nothing to undo"):
        world.engine().roll_back("ops")


def test_rollback_says_which_hosts_it_could_not_undo() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.UNDO, "p1"))
    world.run()
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.NEEDS_HUMAN
    assert "p1" in engine.view.reason
    assert exit_code(engine.view) == 4


def test_rollback_refuses_where_nothing_changed() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT))
    world.run()
    with pytest.raises(ConflictError, match="nothing to undo"):
        world.engine().roll_back("ops")


def test_an_answer_of_an_older_shard_is_recorded_as_late(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        return Behaviour(after_ms=1)

    world = World(plan(three_rings(), SIX), script)
    engine = world.engine()
    executor = world.executors[0]
    original = executor.poll
    repeated: list[object] = []

    def poll(timeout_s: float) -> list[object]:
        answers: list[object] = list(original(timeout_s))
        if answers and not repeated:
            repeated.append(answers[0])
            return [*answers, answers[0]]
        return answers

    monkeypatch.setattr(executor, "poll", poll)
    assert engine.run(wait=False) is RunState.DONE
    late = [e for e in world.entries if getattr(e.event, "late", False)]
    assert len(late) == 1


def test_counters_always_sum_to_the_rings_size() -> None:
    world = World(plan(three_rings(), SIX), fails(Stage.VERIFY, "k1"))
    sizes = {"staging": 2, "canary": 1, "production": 3}
    view = world.engine().view

    class Check:
        def on_entry(self, entry: object) -> None:
            for line in status(view).rings:
                assert sum(line.hosts.values()) == sizes[line.name]

    world.sinks = [Check()]
    engine = world.engine()
    view = engine.view
    engine.run(wait=False)


@given(percent=st.integers(0, 100), size=st.integers(0, 500))
def test_percentages_round_up(percent: int, size: int) -> None:
    value = Amount(percent=percent).of(size)
    assert 0 <= value <= size
    assert value * 100 >= size * percent > (value - 1) * 100 or size * percent == 0


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.dictionaries(
        st.tuples(st.sampled_from(["s1", "s2", "k1", "p1", "p2", "p3"]), st.sampled_from(Stage)),
        st.sampled_from(OutcomeStatus),
        max_size=8,
    ),
    budget=st.integers(0, 3),
)
def test_whatever_hosts_answer_the_run_ends_and_replays_to_the_same_view(
    outcomes: dict[tuple[str, Stage], OutcomeStatus], budget: int
) -> None:
    def script(host: str, stage: Stage, _: int) -> Behaviour:
        return Behaviour(status=outcomes.get((host, stage), OutcomeStatus.OK), after_ms=15_000)

    rings = [ring(r.name, budget=Amount(hosts=budget)) for r in three_rings()]
    world = World(plan(rings, SIX), script)
    view = world.run()
    assert view.state in (RunState.DONE, RunState.HALTED)
    assert status(world.view()) == status(view)
    assert not view.in_flight()
    for ring_view in view.rings.values():
        assert ring_view.counted <= ring_view.budget + max(len(wave) for wave in ring_view.waves)


def test_the_tables_know_every_state() -> None:
    assert set(states.RUN) == set(RunState)
    assert set(states.HOST) == set(HostState)
    for table in (states.RUN, states.HOST, states.RING):
        for targets in table.values():
            assert targets <= set(table)


def test_a_step_that_is_not_in_the_table_raises() -> None:
    with pytest.raises(states.IllegalTransitionError):
        states.check_host("h", HostState.PENDING, HostState.SUCCEEDED)


def test_the_engine_knows_only_interfaces() -> None:
    folder = Path(states.__file__).parent
    for file in folder.glob("*.py"):
        assert "executors" not in file.read_text(), file.name
