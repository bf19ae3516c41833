"""A lock on a host's package manager: the run waits for it, and then defers the host."""

import pytest
from rollout_world import RUN, SIX, World, killed_at, plan, ring, states_of, three_rings

from patchctl.executors.simulated import Behaviour, Script, all_well
from patchctl.models.journal import Command, CommandKind, HostMoved, JournalEntry, StageAnswered
from patchctl.models.policy import Amount, RingPolicy
from patchctl.models.rollout import OutcomeStatus, RingState, RunState, Stage
from patchctl.report import rollout_view
from patchctl.rollout.status import exit_code, status

WHO = "apt-get (pid 7) holds /var/lib/dpkg/lock-frontend"
FOR_EVER = 10_000
EVERY_4_S = 30  # looks in two minutes


def locked(
    host: str, *stages: Stage, times: int = FOR_EVER, after: Script | None = None, why: str = WHO
) -> Script:
    """Make the host answer `locked` to these stages so many times, and then with `after`."""

    def script(name: str, stage: Stage, asked: int) -> Behaviour:
        if name == host and stage in stages and asked < times:
            return Behaviour(status=OutcomeStatus.LOCKED, reason=why, after_ms=1)
        return after(name, stage, asked) if after else Behaviour()

    return script


def draining() -> list[RingPolicy]:
    staging = ring("staging", drain="hooks/drain.yml", undrain="hooks/undrain.yml")
    return [staging, *three_rings()[1:]]


def answers(world: World, host: str) -> list[StageAnswered]:
    events = (entry.event for entry in world.entries)
    return [event for event in events if isinstance(event, StageAnswered) and event.host == host]


def path(world: World, host: str) -> list[str]:
    events = (entry.event for entry in world.entries)
    return [
        event.to.value for event in events if isinstance(event, HostMoved) and event.host == host
    ]


def test_a_lock_that_is_given_back_in_time_is_only_waited_for() -> None:
    world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT, times=5))
    view = world.run()
    assert set(states_of(world).values()) == {"succeeded"}
    assert exit_code(view) == 0


def test_whom_a_host_waits_for_is_written_down_once_and_shown() -> None:
    seen: list[str] = []

    class Onlooker:
        def on_entry(self, entry: JournalEntry) -> None:
            if isinstance(entry.event, StageAnswered) and entry.event.host == "s1":
                seen.append(next(h.reason for h in status(world.view()).hosts if h.name == "s1"))

    world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT, times=5))
    world.sinks = [Onlooker()]
    world.run()
    waits = [event for event in answers(world, "s1") if event.status is OutcomeStatus.LOCKED]
    assert [event.reason for event in waits] == [WHO]
    assert seen[0] == WHO
    assert status(world.view()).hosts[0].reason == ""


def test_another_holder_is_written_down_too() -> None:
    after = locked("s1", Stage.PREFLIGHT, times=4, why="dpkg (pid 9) holds /var/lib/dpkg/lock")
    world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT, times=2, after=after))
    world.run()
    waits = [event for event in answers(world, "s1") if event.status is OutcomeStatus.LOCKED]
    assert [event.reason.split()[0] for event in waits] == ["apt-get", "dpkg"]


def test_the_end_of_a_wait_is_written_down_where_the_work_goes_on() -> None:
    def goes_on(host: str, stage: Stage, asked: int) -> Behaviour:
        runs = host == "s1" and stage is Stage.APPLY and asked < 4
        return Behaviour(status=OutcomeStatus.RUNNING if runs else OutcomeStatus.OK)

    world = World(plan(three_rings(), SIX), locked("s1", Stage.APPLY, times=2, after=goes_on))
    world.run()
    events = [event for event in answers(world, "s1") if event.stage is Stage.APPLY]
    assert [event.status.value for event in events] == ["locked", "running", "ok"]


def test_a_host_that_stays_locked_is_deferred_asked_again_at_its_rings_end_and_not_counted() -> (
    None
):
    world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT))
    view = world.run()
    assert path(world, "s1") == [
        *("preflight", "deferred"),
        *("pending", "preflight", "deferred"),
    ]
    assert states_of(world)["s1"] == "deferred"
    assert view.rings["staging"].counted == 0
    assert view.state is RunState.DONE
    assert exit_code(view) == 1
    asked = sum(work.host == "s1" for e in world.executors for s in e.started for work in s.hosts)
    assert EVERY_4_S * 2 <= asked <= EVERY_4_S * 2 + 6


def test_it_is_asked_again_before_its_ring_is_over_and_then_updated() -> None:
    world = World(plan(three_rings(), SIX), locked("p1", Stage.PREFLIGHT, times=EVERY_4_S + 3))
    world.run()
    assert set(states_of(world).values()) == {"succeeded"}
    events = [entry.event for entry in world.entries]
    over = [getattr(event, "to", None) for event in events].index(
        RingState.DONE, [getattr(e, "ring", "") for e in events].index("production")
    )
    again = [i for i, e in enumerate(events) if isinstance(e, HostMoved) and e.host == "p1"]
    other = [i for i, e in enumerate(events) if isinstance(e, HostMoved) and e.host == "p3"]
    # The second wave did not wait for it, but the end of the ring did.
    assert other[-1] < again[-1] < over


def test_policy_says_how_long_a_run_waits_for_a_lock() -> None:
    quick = [ring("staging", lock_wait_s=0), *three_rings()[1:]]
    world = World(plan(quick, SIX), locked("s1", Stage.PREFLIGHT))
    world.run()
    asked = sum(work.host == "s1" for e in world.executors for s in e.started for work in s.hosts)
    assert asked == 2
    assert states_of(world)["s1"] == "deferred"


def test_a_ring_in_which_nothing_was_tried_does_not_soak() -> None:
    rings = [ring("staging", soak_s=3600), *three_rings()[1:]]
    hosts = {"staging": [["s1"]], "canary": [["k1"]], "production": [["p1"]]}
    world = World(plan(rings, hosts), locked("s1", Stage.PREFLIGHT))
    world.run()
    states = [
        e.event.to
        for e in world.entries
        if getattr(e.event, "ring", "") == "staging" and hasattr(e.event, "to")
    ]
    assert states == [RingState.RUNNING, RingState.DONE]


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.APPLY])
def test_what_the_run_took_on_a_deferred_host_is_given_back(stage: Stage) -> None:
    world = World(plan(three_rings(), SIX), locked("s1", stage))
    view = world.run()
    assert states_of(world)["s1"] == "deferred"
    assert not world.hosts["s1"].held
    assert not view.hosts["s1"].holding
    assert not view.hosts["s1"].touched


def test_a_drained_host_is_put_into_service_before_it_is_deferred() -> None:
    world = World(plan(draining(), SIX), locked("s1", Stage.APPLY))
    view = world.run()
    first = ["preflight", "prepare", "drain", "apply", "undrain", "deferred"]
    assert path(world, "s1") == [*first, "pending", *first]
    assert not world.hosts["s1"].drained
    assert not view.hosts["s1"].touched
    assert view.rings["staging"].counted == 0
    assert WHO in next(host.reason for host in status(view).hosts if host.name == "s1")


def test_a_host_that_cannot_be_put_into_service_again_has_failed() -> None:
    def stuck(host: str, stage: Stage, _: int) -> Behaviour:
        broken = host == "s1" and stage is Stage.UNDRAIN
        return Behaviour(status=OutcomeStatus.FAILED if broken else OutcomeStatus.OK, reason="no")

    world = World(plan(draining(), SIX), locked("s1", Stage.APPLY, after=stuck))
    view = world.run()
    assert states_of(world)["s1"] == "rollback_failed"
    assert view.rings["staging"].counted == 1


def test_a_host_that_is_lost_while_it_is_put_into_service_again_has_not_succeeded() -> None:
    def away(host: str, stage: Stage, _: int) -> Behaviour:
        lost = host == "s1" and stage is Stage.UNDRAIN
        return Behaviour(status=OutcomeStatus.UNREACHABLE if lost else OutcomeStatus.OK)

    world = World(plan(draining(), SIX), locked("s1", Stage.APPLY, after=away))
    world.run()
    assert states_of(world)["s1"] == "unknown"
    world.script = locked("s1", Stage.APPLY)
    engine = world.engine()
    engine.resume("ops", accept_failures=True)
    engine.run(wait=False)
    assert states_of(world)["s1"] == "deferred"
    assert world.hosts["s1"].changes == 0
    assert not engine.view.hosts["s1"].drained


def test_an_undo_waits_longer_for_it_cannot_be_put_off() -> None:
    def broken(host: str, stage: Stage, _: int) -> Behaviour:
        if host == "s1" and stage is Stage.APPLY:
            return Behaviour(status=OutcomeStatus.FAILED, reason="broken")
        return Behaviour()

    script = locked("s1", Stage.UNDO, times=10 * EVERY_4_S, after=broken)
    world = World(plan([ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]], SIX), script)
    world.run()
    assert states_of(world)["s1"] == "rolled_back"
    assert next(host.reason for host in status(world.view()).hosts) == "broken"


def test_a_killed_controller_in_the_wait_is_no_more_than_a_longer_wait() -> None:
    world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT, times=5))

    class Dead(BaseException):
        pass

    class Killer:
        def on_entry(self, entry: JournalEntry) -> None:
            if (
                isinstance(entry.event, StageAnswered)
                and entry.event.status is OutcomeStatus.LOCKED
            ):
                raise Dead

    world.sinks = [Killer()]
    with pytest.raises(Dead):
        world.run()
    world.sinks = []
    assert next(host.reason for host in status(world.view()).hosts if host.name == "s1") == WHO
    world.run()
    assert set(states_of(world).values()) == {"succeeded"}


@pytest.mark.parametrize("stage", [Stage.APPLY, Stage.UNDRAIN])
def test_a_controller_killed_while_a_host_is_put_off_loses_nothing(stage: Stage) -> None:
    world = World(plan(draining(), SIX), locked("s1", Stage.APPLY))
    killed_at(world, stage)
    world.run()
    assert states_of(world)["s1"] == "deferred"
    assert not world.hosts["s1"].drained
    assert world.hosts["s1"].changes == 0


class TestResume:
    def deferred(self) -> World:
        world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT))
        assert world.run().state is RunState.DONE
        return world

    def test_it_asks_deferred_hosts_of_a_run_that_is_done_once_more(self) -> None:
        world = self.deferred()
        world.script = all_well
        engine = world.engine()
        engine.resume("ops")
        engine.run(wait=False)
        assert set(states_of(world).values()) == {"succeeded"}
        assert engine.view.state is RunState.DONE

    def test_once_more_each_time(self) -> None:
        world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT))
        world.run()
        for tries in (2, 3, 4):
            assert path(world, "s1").count("preflight") == tries
            engine = world.engine()
            engine.resume("ops")
            engine.run(wait=False)
            assert engine.view.state is RunState.DONE

    def test_the_closing_lines_offer_it(self) -> None:
        world = World(plan(three_rings(), SIX), locked("s1", Stage.PREFLIGHT))
        closing = rollout_view.next_step(status(world.run()))
        assert closing == f"ask s1 again: patchctl rollout resume {RUN}"

    def test_no_more_start_at_once_than_the_ring_allows(self) -> None:
        many = {"staging": [[f"s{number}"] for number in range(4)], "canary": [], "production": []}

        def script(host: str, stage: Stage, asked: int) -> Behaviour:
            if stage is Stage.PREFLIGHT and asked <= EVERY_4_S:
                return Behaviour(status=OutcomeStatus.LOCKED, reason=WHO, after_ms=1)
            return Behaviour()

        rings = [ring("staging", max_concurrent=Amount(hosts=1)), *three_rings()[1:]]
        world = World(plan(rings, many), script)
        most = 0

        class Counter:
            def on_entry(self, entry: JournalEntry) -> None:
                nonlocal most
                most = max(most, world.view().in_flight())

        world.sinks = [Counter()]
        world.run()
        assert set(states_of(world).values()) == {"succeeded"}
        assert most == 1


def test_an_aborted_run_waits_for_no_lock_before_an_update() -> None:
    world = World(plan(three_rings(), SIX), locked("s1", Stage.APPLY))

    class Aborts:
        def on_entry(self, entry: JournalEntry) -> None:
            event = entry.event
            if isinstance(event, StageAnswered) and event.status is OutcomeStatus.LOCKED:
                world.mailbox.commands.append(
                    Command(id=1, run=RUN, command=CommandKind.ABORT, by="ops")
                )

    world.sinks = [Aborts()]
    view = world.run()
    assert view.state is RunState.ABORTED
    assert states_of(world)["s1"] == "deferred"
    assert world.hosts["s1"].changes == 0
