"""What came of runs and rings, and when: they end as what they are."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout.test_rollout_fold import HOSTS, NAMES, answers
from rollout_world import RUN, SIX, World, cohort, fails, plan, ring, three_rings

from patchctl.errors import PatchctlError
from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.journal import Command, CommandKind, JournalEntry
from patchctl.models.plan import LeftOut, LeftOutReason, Plan
from patchctl.models.policy import Amount, Promote, UnprovenPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, Result, RingState, RunState, Stage
from patchctl.models.run_status import BlockerKind, RunStatus
from patchctl.models.states import AT_REST, OVER, TERMINAL
from patchctl.models.words import rfc3339
from patchctl.plan.freeze import seal
from patchctl.rollout import results, states
from patchctl.rollout.blockers import blockers
from patchctl.rollout.status import exit_code, status
from patchctl.rollout.view import RunView


def unproven_production(*, some_proven: bool = False, **policy: object) -> Plan:
    """Production gets what no earlier ring has; its approval is a person's."""
    rings = three_rings(promote=Promote.MANUAL)
    held = ("p2", "p3") if some_proven else ("p1", "p2", "p3")
    return plan(
        rings,
        SIX,
        cohorts=[cohort(), cohort("c-2", to="3")],
        cohort_of=lambda name: "c-2" if name in held else "c-1",
        **policy,  # type: ignore[arg-type]
    )


def ringed(run_status: RunStatus) -> dict[str, Result | None]:
    return {line.name: line.result for line in run_status.rings}


def ask(world: World, command: CommandKind, of: str = "") -> None:
    world.mailbox.commands.append(Command(id=1, run=RUN, command=command, by="ops", ring=of))


class TestNobodyIsAskedWhereNothingIsLeft:
    def test_a_ring_of_which_all_hosts_are_held_back_waits_for_no_approval(self) -> None:
        world = World(unproven_production())
        view = world.run()
        assert (view.state, exit_code(view)) == (RunState.DONE, 1)
        run_status = status(view)
        assert run_status.result is Result.PARTIAL
        assert ringed(run_status)["production"] is Result.SKIPPED
        assert {view.hosts[name].state for name in ("p1", "p2", "p3")} == {HostState.SKIPPED}

    def test_while_an_earlier_ring_soaks_nothing_is_said_of_an_approval_either(self) -> None:
        body = unproven_production().body
        rings = tuple(
            ring("canary", soak_s=60) if each.name == "canary" else each for each in body.rings
        )
        about = unproven_production().about
        world = World(seal(msgspec.structs.replace(body, rings=rings), about))
        assert world.run().state is RunState.SOAKING
        present = blockers(world.view(), world.clock.now_ms(), {})
        assert [blocker.kind for blocker in present] == [BlockerKind.SOAK]

    def test_where_one_host_is_left_a_person_is_asked(self) -> None:
        world = World(unproven_production(some_proven=True))
        assert world.run().state is RunState.WAITING
        ask(world, CommandKind.APPROVE)
        view = world.run()
        assert status(view).result is Result.PARTIAL
        assert ringed(status(view))["production"] is Result.PARTIAL

    def test_where_a_person_may_allow_what_is_not_proven_that_one_is_asked(self) -> None:
        world = World(unproven_production(unproven=UnprovenPolicy.APPROVE))
        assert world.run().state is RunState.WAITING


class TestResults:
    def test_a_perfect_run_succeeded_and_so_did_its_rings(self) -> None:
        run_status = status(World(plan(three_rings(), SIX)).run())
        assert (run_status.state, run_status.result) == (RunState.DONE, Result.SUCCEEDED)
        assert set(ringed(run_status).values()) == {Result.SUCCEEDED}

    def test_a_run_whose_plan_held_hosts_back_is_partial(self) -> None:
        made = plan(three_rings(), SIX)
        body = msgspec.structs.replace(
            made.body, left_out=(LeftOut(host="w1", reason=LeftOutReason.STALE_LISTS),)
        )
        view = World(seal(body, made.about)).run()
        assert (results.of_run(view), exit_code(view)) == (Result.PARTIAL, 1)

    def test_a_failure_within_the_budget_makes_it_partial(self) -> None:
        rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
        run_status = status(World(plan(rings, SIX), fails(Stage.PREFLIGHT, "s1")).run())
        assert run_status.result is Result.PARTIAL
        assert ringed(run_status) == {
            "staging": Result.PARTIAL,
            "canary": Result.SUCCEEDED,
            "production": Result.SUCCEEDED,
        }

    def test_a_run_in_which_nothing_succeeded_failed(self) -> None:
        world = World(
            plan([ring("staging", budget=Amount(hosts=2))], {"staging": [["s1", "s2"]]}),
            fails(Stage.PREFLIGHT),
        )
        assert status(world.run()).result is Result.FAILED

    def test_a_ring_without_hosts_had_nothing_to_do(self) -> None:
        hosts = {name: waves for name, waves in SIX.items() if name != "canary"}
        made = plan(three_rings(), hosts, unproven=UnprovenPolicy.ALLOW)
        assert ringed(status(World(made).run()))["canary"] is Result.NOTHING_TO_DO

    def test_a_halted_run_and_its_ring_are_halted_and_the_next_one_is_open(self) -> None:
        run_status = status(World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT, "k1")).run())
        assert run_status.result is Result.HALTED
        assert ringed(run_status) == {
            "staging": Result.SUCCEEDED,
            "canary": Result.HALTED,
            "production": None,
        }

    def test_of_an_aborted_run_each_ring_says_how_far_it_came(self) -> None:
        world = World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT, "k1"))
        world.run()
        ask(world, CommandKind.ABORT)
        run_status = status(world.run())
        assert (run_status.result, run_status.ended is None) == (Result.ABORTED, False)
        assert ringed(run_status) == {
            "staging": Result.SUCCEEDED,
            "canary": Result.FAILED,
            "production": Result.SKIPPED,
        }

    def test_an_undone_run_and_its_rings_are_undone(self) -> None:
        world = World(plan(three_rings(), SIX))
        world.run()
        engine = world.engine()
        engine.roll_back("ops")
        engine.run(wait=False)
        run_status = status(engine.view)
        assert run_status.result is Result.ROLLED_BACK
        assert set(ringed(run_status).values()) == {Result.ROLLED_BACK}

    def test_every_result_is_in_the_table(self) -> None:
        assert set(states.RESULT) == set(Result)


class TestTimes:
    def test_run_rings_and_hosts_say_when_they_began_and_ended(self) -> None:
        def script(host: str, stage: Stage, _: int) -> Behaviour:
            return Behaviour(after_ms=15_000)

        world = World(plan(three_rings(), SIX), script)
        before = world.clock.now_ms()
        run_status = status(world.run())
        assert run_status.created == rfc3339(before)
        assert run_status.started == rfc3339(before)
        assert run_status.ended == rfc3339(world.entries[-1].at)
        ring_times = [(line.started, line.ended) for line in run_status.rings]
        assert all(started and ended and started < ended for started, ended in ring_times)
        assert ring_times == sorted(ring_times)
        for host in run_status.hosts:
            (line,) = (line for line in run_status.rings if line.name == host.ring)
            assert host.started and host.ended and line.started and line.ended
            assert line.started <= host.started < host.ended <= line.ended

    def test_what_did_not_happen_has_no_time(self) -> None:
        world = World(plan([ring("staging", promote=Promote.MANUAL)], {"staging": [["s1"]]}))
        run_status = status(world.run())
        assert run_status.created is not None
        assert (run_status.started, run_status.ended, run_status.soak_until) == (None, None, None)
        assert (run_status.hosts[0].started, run_status.hosts[0].ended) == (None, None)
        assert (run_status.rings[0].started, run_status.rings[0].ended) == (None, None)

    def test_another_attempt_has_times_of_its_own(self) -> None:
        world = World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT, "s1"))
        first = next(line for line in status(world.run()).hosts if line.name == "s1")
        world.script = lambda *_: Behaviour(after_ms=15_000)
        world.clock.advance(60_000)
        engine = world.engine()
        engine.retry("ops")
        engine.run(wait=False)
        again = next(line for line in status(engine.view).hosts if line.name == "s1")
        assert first.ended and again.started and first.ended < again.started

    def test_a_soak_says_until_when_in_run_and_ring(self) -> None:
        rings = [ring("staging", soak_s=60), *three_rings()[1:]]
        world = World(plan(rings, SIX))
        view = world.run()
        until = rfc3339(view.rings["staging"].since + 60_000)
        run_status = status(view)
        assert run_status.soak_until == run_status.rings[0].soak_until == until
        assert run_status.rings[1].soak_until is None
        (blocker,) = blockers(view, world.clock.now_ms(), {})
        assert blocker.until_at == until


def check(view: RunView) -> None:
    """What holds of every view, whatever happened."""
    result = results.of_run(view)
    assert (result is not None) == (view.state in TERMINAL)
    assert (view.ended_at > 0) == (view.state in OVER)
    if view.state is RunState.DONE:
        assert (exit_code(view) == 0) == (result is Result.SUCCEEDED)
    for host in view.hosts.values():
        assert (host.ended > 0) == (host.state in AT_REST)
        assert not host.started or not host.ended or host.started <= host.ended
    for each in view.rings.values():
        came = results.of_ring(view, each)
        if each.state is RingState.DONE and not each.in_flight():
            assert came is not None
        if came is Result.SUCCEEDED:
            assert each.counters[HostState.SUCCEEDED] == each.size > 0


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(Stage)),
        st.lists(st.sampled_from(OutcomeStatus), max_size=9),
        max_size=8,
    ),
    commands=st.lists(st.sampled_from(CommandKind), max_size=4),
    named=st.sampled_from(["", "canary", "staging"]),
    budget=st.integers(0, 3),
    promote=st.sampled_from(Promote),
)
def test_results_and_times_hold_at_every_moment_of_any_run(
    outcomes: dict[tuple[str, Stage], list[OutcomeStatus]],
    commands: list[CommandKind],
    named: str,
    budget: int,
    promote: Promote,
) -> None:
    script: Script = answers(outcomes)
    rings = [
        ring("staging", soak_s=60, budget=Amount(hosts=budget)),
        ring("canary", soak_s=60, budget=Amount(hosts=budget)),
        ring("production", budget=Amount(hosts=budget), promote=promote),
    ]
    world = World(plan(rings, HOSTS), script)
    view = RunView(RUN, world.plan)

    class Check:
        def on_entry(self, entry: JournalEntry) -> None:
            view.replay(world.entries[view.seq : entry.seq])
            check(view)

    world.sinks = [Check()]
    world.run()
    for command in commands:
        ask(world, command, named)
        world.run()
    engine = world.engine()
    try:
        engine.resume("ops", accept_failures=True)
    except PatchctlError:
        return
    engine.run(wait=False)


@pytest.mark.parametrize("result", Result)
def test_no_result_is_a_word_that_a_state_has_with_another_meaning(result: Result) -> None:
    as_run = {state.value for state in RunState}
    if result.value in as_run:
        assert result.name in RunState.__members__
