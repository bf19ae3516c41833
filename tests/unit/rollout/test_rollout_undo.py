"""What an undo would change, told before it begins."""

import pytest
from rollout_world import World, cohort, fails, plan, ring

from patchctl.errors import ConflictError
from patchctl.models.plan import Undo
from patchctl.models.policy import RingPolicy, UnprovenPolicy
from patchctl.models.rollout import Stage
from patchctl.rollout.undo import groups_to_undo

HOSTS = {"staging": [["s1"]], "production": [["p1", "p2", "p3"]]}


def rings() -> list[RingPolicy]:
    return [ring("staging"), ring("production")]


def test_the_newest_ring_comes_first_with_its_hosts_and_packages() -> None:
    world = World(plan(rings(), HOSTS))
    world.run()
    groups = groups_to_undo(world.view())
    assert [(group.ring, group.hosts) for group in groups] == [
        ("production", ("p1", "p2", "p3")),
        ("staging", ("s1",)),
    ]
    assert [(t.package, t.to, t.from_) for t in groups[0].transitions] == [("web", "2", "1")]


def test_only_named_hosts_are_undone() -> None:
    world = World(plan(rings(), HOSTS))
    world.run()
    assert [group.hosts for group in groups_to_undo(world.view(), hosts=["p2"])] == [("p2",)]


def test_hosts_that_are_unsafe_to_undo_are_told_unless_forced() -> None:
    cohorts = [cohort(), cohort("c-2", to="3", undo=Undo.UNSAFE)]
    world = World(
        plan(
            rings(),
            HOSTS,
            cohorts=cohorts,
            cohort_of=lambda name: "c-2" if name == "p1" else "c-1",
            unproven=UnprovenPolicy.ALLOW,
        )
    )
    world.run()
    unsafe = {group.hosts: group.unsafe for group in groups_to_undo(world.view())}
    assert unsafe[("p1",)] == ("web (new upstream version)",)
    assert unsafe[("s1",)] == ()
    assert not any(group.unsafe for group in groups_to_undo(world.view(), force=True))


def test_where_all_is_undone_it_says_so() -> None:
    world = World(plan(rings(), HOSTS))
    world.run()
    engine = world.engine()
    engine.roll_back("ops")
    engine.run(wait=False)
    with pytest.raises(ConflictError) as raised:
        groups_to_undo(world.view())
    assert str(raised.value) == "nothing to undo: every changed host is already undone"


def test_where_nothing_was_changed_it_says_that() -> None:
    world = World(plan(rings(), HOSTS), fails(Stage.PREFLIGHT))
    world.run()
    with pytest.raises(ConflictError, match=r"nothing to undo: run r-1 has changed nothing$"):
        groups_to_undo(world.view())
    with pytest.raises(ConflictError, match=r"has changed nothing on p1$"):
        groups_to_undo(world.view(), hosts=["p1"])
