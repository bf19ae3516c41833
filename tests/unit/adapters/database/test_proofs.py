"""Transitions that earlier runs have proven."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rollout_world import World, cohort, plan, three_rings

from patchctl.adapters.database import Database
from patchctl.models.plan import proof_key
from patchctl.models.rollout import HostState

STEP = proof_key(cohort().transitions[0])


def test_a_transition_that_an_earlier_run_proved_in_an_earlier_ring_is_proven() -> None:
    late = plan(three_rings(), {"production": [["p1"]]})
    for proven, state in (
        ({"staging": frozenset({STEP})}, HostState.SUCCEEDED),
        ({"production": frozenset({STEP})}, HostState.SKIPPED),
        ({"canary": frozenset({"sha256:other"})}, HostState.SKIPPED),
    ):
        world = World(late, proven=proven)
        assert world.run().hosts["p1"].state is state, proven


def test_other_bytes_of_the_same_version_are_another_transition() -> None:
    first, other = cohort(to="2"), cohort(to="3")
    assert proof_key(first.transitions[0]) != proof_key(other.transitions[0])


def test_proofs_are_kept_by_ring_and_withdrawn_by_the_run_that_made_them(tmp_path: Path) -> None:
    with Database(tmp_path / "state" / "state.db").open() as database:
        for run in ("r-1", "r-2"):
            database.runs.create(run, "sha256:p", 1, 1, "ann")
        database.proofs.record("r-1", {"staging": {"a", "b"}, "canary": set()})
        database.proofs.record("r-2", {"staging": {"b", "c"}})
        assert database.proofs.by_ring() == {"staging": {"a", "b", "c"}}
        database.proofs.withdraw("r-2", {"staging": {"b", "c"}})
        assert database.proofs.by_ring() == {"staging": {"a", "b"}}


@given(st.sets(st.sampled_from(["s1", "s2", "k1", "p1"])))
def test_kept_and_lost_transitions_of_a_ring_are_disjoint(undone: set[str]) -> None:
    world = World(plan(three_rings(), {"staging": [["s1", "s2"]], "canary": [["k1"]]}))
    world.run()
    here = [name for name in undone if name in world.hosts]
    view = world.engine().view
    if here:
        engine = world.engine()
        engine.roll_back("ops", hosts=here)
        engine.run(wait=False)
        view = engine.view
    for ring, proven in view.proven_by_ring().items():
        assert not proven & view.disproven_by_ring()[ring]
