"""Try failed and fixed hosts again."""

import pytest
from msgspec import structs
from rollout.test_rollout_crash import ControllerDied, Deadly
from rollout_world import FAILED, RUN, SIX, World, cohort, fails, plan, ring, states_of, three_rings

from patchctl.errors import ConflictError, HaltedError, NotFoundError
from patchctl.executors.simulated import Behaviour, Script, all_well
from patchctl.models.journal import Command, CommandKind, HostMoved
from patchctl.models.plan import Undo
from patchctl.models.policy import Amount, Promote
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Stage
from patchctl.models.run_status import HostStatusLine, RunStatus
from patchctl.report import rollout_view
from patchctl.rollout.status import exit_code, status
from patchctl.rollout.view import RunView


def halted(stage: Stage = Stage.PREFLIGHT, *hosts: str) -> World:
    """Return a run that halted in staging, where s1 (or these hosts) failed at the stage and was
    repaired."""
    world = World(plan(three_rings(), SIX), fails(stage, *(hosts or ("s1",))))
    assert world.run().state is RunState.HALTED
    world.script = all_well
    return world


def retried(world: World, *hosts: str) -> RunView:
    engine = world.engine()
    engine.retry("ops", hosts=hosts)
    engine.run(wait=False)
    return engine.view


def transactions(world: World, host: str) -> list[str]:
    """Return the ids of the host's transactions, in their order."""
    moves = [e.event for e in world.entries if isinstance(e.event, HostMoved)]
    return list(dict.fromkeys(m.transaction for m in moves if m.host == host and m.transaction))


def timeless(run_status: RunStatus) -> list[HostStatusLine]:
    """Its hosts, whenever they began and ended."""
    return [structs.replace(line, started=None, ended=None) for line in run_status.hosts]


@pytest.mark.parametrize("stage", [Stage.PREFLIGHT, Stage.VERIFY])
def test_a_fixed_host_gets_another_attempt_and_the_run_stays_halted(stage: Stage) -> None:
    world = halted(stage)
    view = retried(world)
    assert (view.hosts["s1"].state, view.hosts["s1"].attempt) == (HostState.SUCCEEDED, 2)
    assert len(transactions(world, "s1")) == 2
    assert world.hosts["s1"].applied - world.hosts["s1"].undone == {transactions(world, "s1")[1]}
    assert states_of(world)["k1"] == "pending"
    assert (view.state, exit_code(view)) == (RunState.HALTED, 3)
    assert "1 of 2 hosts did not succeed (1 since then, and still counted)" in view.reason


def test_the_place_in_the_budget_is_kept_for_good() -> None:
    world = halted()
    retried(world)
    engine = world.engine()
    with pytest.raises(HaltedError, match="--accept-failures"):
        engine.resume("ops")
    engine.resume("ops", accept_failures=True)
    assert engine.run(wait=False) is RunState.DONE
    assert (engine.view.rings["staging"].counted, exit_code(engine.view)) == (1, 0)
    assert {host.changes for host in world.hosts.values()} == {1}


def test_a_run_that_is_done_is_done_again_and_its_exit_code_is_that_of_its_hosts() -> None:
    rings = three_rings(budget=Amount(hosts=1))
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "p1"))
    assert exit_code(world.run()) == 4
    world.script = all_well
    view = retried(world)
    assert (view.state, view.reason, exit_code(view)) == (RunState.DONE, "", 0)


def two_waves_failed() -> World:
    """s1 and s2 failed, each in its own wave; the budget is 0."""
    rings = [ring("staging", max_concurrent=Amount(hosts=1))]
    world = World(plan(rings, {"staging": [["s1"], ["s2"]]}), fails(Stage.PREPARE))
    world.run()
    engine = world.engine()
    engine.resume("ops", accept_failures=True)
    engine.run(wait=False)
    assert states_of(world) == {"s1": "failed", "s2": "failed"}
    return world


def test_a_host_that_fails_again_is_not_counted_twice_and_ends_the_retry() -> None:
    view = retried(two_waves_failed())
    assert [view.hosts[name].attempt for name in ("s1", "s2")] == [2, 1]
    assert view.rings["staging"].counted == 2
    assert view.reason.endswith("1 host of ring staging failed again, so 1 was not tried again")


def test_only_the_hosts_that_are_named_are_tried_again() -> None:
    world = halted(Stage.PREFLIGHT, "s1", "s2")
    view = retried(world, "s2")
    assert states_of(world)["s1"] == "failed"
    assert (view.hosts["s1"].attempt, view.hosts["s2"].state) == (1, HostState.SUCCEEDED)


def test_a_lost_host_is_asked_again_where_it_was_and_changes_once() -> None:
    def gone(host: str, stage: Stage, _: int) -> Behaviour:
        lost = host == "s1" and stage is Stage.APPLY
        return Behaviour(status=OutcomeStatus.UNREACHABLE if lost else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), gone)
    world.run()
    world.script = all_well
    view = retried(world, "s1")
    assert (view.hosts["s1"].state, view.hosts["s1"].attempt) == (HostState.SUCCEEDED, 1)
    assert world.hosts["s1"].changes == 1


@pytest.mark.parametrize("stage", [Stage.APPLY, Stage.VERIFY])
def test_what_was_left_as_it_is_goes_on_under_the_id_that_can_undo_it(stage: Stage) -> None:
    unsafe = plan(three_rings(), SIX, cohorts=[cohort(undo=Undo.UNSAFE)])
    world = World(unsafe, fails(stage, "s1"))
    world.run()
    world.script = all_well
    view = retried(world)
    assert (view.hosts["s1"].state, view.hosts["s1"].attempt) == (HostState.SUCCEEDED, 2)
    assert len(transactions(world, "s1")) == 1
    assert world.hosts["s1"].changes == 1
    engine = world.engine()
    engine.roll_back("ops", force=True)
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert world.hosts["s1"].undone == world.hosts["s1"].applied


def undo_fails(host: str, stage: Stage, _: int) -> Behaviour:
    bad = host == "s1" and stage in (Stage.VERIFY, Stage.UNDO)
    return Behaviour(status=FAILED if bad else OutcomeStatus.OK, reason="dpkg is stuck")


@pytest.mark.parametrize(
    ("script", "undo", "hosts", "message"),
    [
        (undo_fails, Undo.SAFE, ["s1"], "its undo failed; undo it with `patchctl rollback r-1"),
        (undo_fails, Undo.SAFE, [], "no host that failed and may be tried"),
        (fails(Stage.VERIFY, "s1"), Undo.SAFE, ["s2"], "it is succeeded"),
        (fails(Stage.VERIFY, "s1"), Undo.SAFE, ["p1"], "it is pending"),
        (all_well, Undo.SAFE, [], "no host that failed and may be tried"),
    ],
)
def test_what_may_not_be_tried_again_is_refused_with_what_to_do(
    script: Script, undo: Undo, hosts: list[str], message: str
) -> None:
    world = World(plan(three_rings(), SIX, cohorts=[cohort(undo=undo)]), script)
    world.run()
    before = len(world.entries)
    engine = world.engine()
    with pytest.raises(ConflictError, match=message):
        engine.retry("ops", hosts=hosts)
    assert len(world.entries) == before + 1  # only that somebody took the run


def test_a_host_of_another_run_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="other is not in run r-1"):
        halted().engine().retry("ops", hosts=["other"])


def ask(world: World, kind: CommandKind) -> None:
    world.mailbox.commands.append(Command(id=1, run=RUN, command=kind, by="ops"))


def test_a_run_that_was_called_off_is_not_tried_again() -> None:
    world = halted()
    ask(world, CommandKind.ABORT)
    world.run()
    with pytest.raises(ConflictError, match="run r-1 is aborted") as refused:
        world.engine().retry("ops")
    assert "begin another run" in str(refused.value.hint)


def asks_in_retry(world: World, kind: CommandKind) -> Script:
    """A world where all hosts succeed, and an operator sends this command during the retry."""

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        if stage is Stage.APPLY and not world.mailbox.commands:
            ask(world, kind)
        return Behaviour(after_ms=2000)

    return script


def test_an_abort_leaves_hosts_that_were_not_begun_again_as_they_were() -> None:
    world = two_waves_failed()
    world.script = asks_in_retry(world, CommandKind.ABORT)
    assert retried(world).state is RunState.ABORTED
    assert states_of(world) == {"s1": "succeeded", "s2": "failed"}


def test_a_pause_holds_the_next_wave_and_resume_goes_on_with_the_retry() -> None:
    world = two_waves_failed()
    world.script = asks_in_retry(world, CommandKind.PAUSE)
    assert retried(world).state is RunState.PAUSED
    assert states_of(world) == {"s1": "succeeded", "s2": "failed"}
    world.script = all_well
    engine = world.engine()
    engine.resume("ops")
    engine.run(wait=False)
    assert states_of(world) == {"s1": "succeeded", "s2": "succeeded"}
    assert engine.view.state is RunState.HALTED


def test_a_run_that_waits_for_an_approval_waits_for_it_afterwards() -> None:
    rings = [ring("staging", budget=Amount(hosts=1)), *three_rings(promote=Promote.MANUAL)[1:]]
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "s1"))
    before = world.run()
    world.script = all_well
    view = retried(world)
    assert (view.state, view.reason) == (RunState.WAITING, before.reason)
    assert states_of(world)["s1"] == "succeeded"


def test_a_soak_is_not_begun_anew_by_a_retry() -> None:
    rings = [ring("staging", soak_s=3600, budget=Amount(hosts=1)), *three_rings()[1:]]
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "s1"))
    began = world.run().rings["staging"].since
    world.script = all_well
    view = retried(world)
    assert (view.state, view.rings["staging"].since) == (RunState.SOAKING, began)


def test_an_undo_of_one_host_leaves_those_that_were_tried_again_alone() -> None:
    world = halted(Stage.VERIFY)
    retried(world)
    engine = world.engine()
    engine.roll_back("ops", hosts=["s2"])
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert (states_of(world)["s1"], states_of(world)["s2"]) == ("succeeded", "rolled_back")
    engine = world.engine()
    engine.roll_back("ops")
    assert engine.run(wait=False) is RunState.ROLLED_BACK
    assert world.hosts["s1"].undone == world.hosts["s1"].applied
    assert len(world.hosts["s1"].undone) == 2


def test_the_next_attempt_has_no_evidence_of_the_one_before() -> None:
    def reboot(host: str, stage: Stage, _: int) -> Behaviour:
        bad = host == "s1" and stage is Stage.VERIFY
        return Behaviour(
            status=FAILED if bad else OutcomeStatus.OK, reboot_required=stage is Stage.APPLY
        )

    world = World(plan(three_rings(), SIX), reboot)
    world.run()
    world.script = all_well
    assert retried(world).hosts["s1"].reason == ""  # nothing waits for a reboot now


def test_a_retry_whose_controller_dies_at_any_write_is_resumed_to_the_same_end() -> None:
    def crashed(at: int, *, after: bool) -> tuple[World, bool]:
        world = halted(Stage.VERIFY)
        deadly = Deadly(world, at, after=after)
        died = False
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(world, "journal", lambda: deadly)
            try:
                engine = world.engine()
                engine.retry("ops")
                engine.run(wait=False)
            except ControllerDied:
                died = True
        return world, died

    want = status(halted_and_retried().view())
    ends = 0
    for after in (False, True):
        at = 0
        died = True
        while died:
            at += 1
            world, died = crashed(at, after=after)
            engine = world.engine()
            if engine.view.state is RunState.RETRYING:
                engine.resume("ops")
                engine.run(wait=False)
            elif engine.view.hosts["s1"].attempt == 1:  # it had not begun
                engine.retry("ops")
                engine.run(wait=False)
            elif engine.view.at_work():
                engine.run(wait=False)
            got = status(world.view())
            assert (got.state, got.reason) == (want.state, want.reason), at
            assert timeless(got) == timeless(want), at
            assert [host.changes for host in world.hosts.values()][:2] == [3, 1], at
            assert not any(host.held for host in world.hosts.values()), at
        ends += at
    assert ends > 25


def halted_and_retried() -> World:
    world = halted(Stage.VERIFY)
    retried(world)
    return world


def test_the_closing_lines_offer_the_retry_where_it_would_do_something() -> None:
    world = halted(Stage.VERIFY)
    step = rollout_view.next_step(status(world.view()))
    assert "try fixed hosts again: patchctl rollout retry r-1" in step.splitlines()
    retried(world)
    report = status(world.view())
    assert rollout_view.next_step(report).splitlines()[1:] == [
        "all are fixed, go on:   patchctl rollout resume r-1 --accept-failures",
        "leave it as it is:       patchctl rollout abort r-1",
    ]
    (host,) = (host for host in report.hosts if host.name == "s1")
    assert rollout_view.host_state(report, host) == "succeeded (attempt 2)"


def test_a_run_that_is_done_offers_it_too_and_nothing_else() -> None:
    rings = three_rings(budget=Amount(hosts=1))
    world = World(plan(rings, SIX), fails(Stage.VERIFY, "p1"))
    step = rollout_view.next_step(status(world.run()))
    assert step == "try fixed hosts again: patchctl rollout retry r-1"
