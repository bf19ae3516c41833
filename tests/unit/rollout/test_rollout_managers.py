"""A ring with several kinds of package managers: one run, one budget, and shards of one kind."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rollout_world import World, cohort, plan, ring

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.facts import PackageManager
from patchctl.models.plan import Plan
from patchctl.models.policy import Amount, RingPolicy
from patchctl.models.rollout import HostState, OutcomeStatus, RunState, Shard, Stage
from patchctl.rollout.engine import Limits

APT, DNF = PackageManager.APT, PackageManager.DNF


def mixed(waves: list[list[str]], policy: RingPolicy | None = None) -> Plan:
    """One ring; hosts whose name begins with `d` have dnf, all others have apt."""
    policy = policy or ring("production")
    return plan(
        [policy],
        {policy.name: waves},
        cohorts=[cohort("c-apt"), replace(cohort("c-dnf"), manager=DNF)],
        cohort_of=lambda name: "c-dnf" if name.startswith("d") else "c-apt",
    )


def failing(*names: str, at: Stage = Stage.APPLY) -> Script:
    def script(host: str, stage: Stage, asked: int) -> Behaviour:
        if host in names and stage is at:
            return Behaviour(status=OutcomeStatus.FAILED, reason="broken")
        return Behaviour()

    return script


def shards(world: World) -> list[Shard]:
    return [shard for executor in world.executors for shard in executor.started]


def kinds(shard: Shard) -> set[PackageManager]:
    return {DNF if work.host.startswith("d") else APT for work in shard.hosts}


def test_a_shard_has_one_kind_and_says_which() -> None:
    world = World(mixed([["a1", "d1", "a2", "d2", "a3"]]))
    assert world.run().state is RunState.DONE
    assert all(kinds(shard) == {shard.manager} for shard in shards(world))
    # Both kinds of a wave are at work together, each in one shard for each stage.
    first = [shard for shard in shards(world) if shard.stage is Stage.PREFLIGHT]
    assert [(shard.manager, len(shard.hosts)) for shard in first] == [(APT, 3), (DNF, 2)]


@settings(max_examples=40, deadline=None)
@given(
    kind=st.lists(st.sampled_from("ad"), min_size=1, max_size=12),
    broken=st.sets(st.integers(0, 11), max_size=3),
    size=st.integers(1, 4),
)
def test_shards_never_mix(kind: list[str], broken: set[int], size: int) -> None:
    names = [f"{letter}{number}" for number, letter in enumerate(kind)]
    waves = [names[start : start + 5] for start in range(0, len(names), 5)]
    lost = [name for number, name in enumerate(names) if number in broken]
    # Failures are undone, so the engine hands out stages of updates and of undos.
    world = World(
        mixed(waves, ring("production", budget=Amount(hosts=3))),
        script=failing(*lost),
        limits=Limits(shard_hosts=size),
    )
    view = world.run()
    assert view.state is RunState.DONE
    assert all(kinds(shard) == {shard.manager} for shard in shards(world))
    assert max(len(shard.hosts) for shard in shards(world)) <= size
    ended = {name: host.state for name, host in view.hosts.items()}
    assert ended == {
        name: HostState.ROLLED_BACK if name in lost else HostState.SUCCEEDED for name in names
    }


def test_one_budget_counts_both_kinds() -> None:
    policy = ring("production", budget=Amount(hosts=1), max_concurrent=Amount(hosts=2))
    waves = [["a1", "d1"], ["a2", "d2"]]
    view = World(mixed(waves, policy), script=failing("d1")).run()
    assert view.state is RunState.DONE
    # One host of each kind: within separate budgets, but over that of the ring.
    both = World(mixed(waves, policy), script=failing("a1", "d1")).run()
    assert both.state is RunState.HALTED
    assert both.rings["production"].counted == 2
    assert [both.hosts[name].state for name in ("a2", "d2")] == [HostState.PENDING] * 2


def test_an_undo_of_the_run_keeps_the_kinds_apart() -> None:
    world = World(mixed([["a1", "d1"], ["a2", "d2"]]))
    world.run()
    engine = world.engine()
    engine.roll_back("tester")
    engine.run(wait=False)
    assert engine.view.state is RunState.ROLLED_BACK
    undone = [shard for shard in shards(world) if shard.stage is Stage.UNDO]
    assert {shard.manager for shard in undone} == {APT, DNF}
    assert all(kinds(shard) == {shard.manager} for shard in undone)
