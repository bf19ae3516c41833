"""A run holds the hosts of rings that it has begun and only reserves the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import SIX, World, plan, three_rings
from workflows.rollout.test_rollout_hooks import Site

from patchctl.errors import ConflictError, NotFoundError
from patchctl.executors.simulated import Behaviour
from patchctl.models.journal import CommandKind, JournalEntry
from patchctl.models.rollout import OutcomeStatus, RunState, Stage
from patchctl.models.run_status import LeaseKind
from patchctl.rollout.view import RunView
from patchctl.workflows.rollout.leasing import Lease, claim, leases_on, refuse_to_clean

HELD, RESERVED = LeaseKind.HELD, LeaseKind.RESERVED


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def run(site: Site) -> Iterator[str]:
    """A run that has begun staging (s1) and waits before production (p1)."""
    ident = site.rollouts.start(site.plan())
    assert site.rollouts.advance(ident, wait=False).state is RunState.WAITING
    yield ident


def test_a_run_that_was_only_entered_holds_nothing_yet(site: Site) -> None:
    ident = site.rollouts.start(site.plan())
    assert leases_on(site.database, ["s1", "p1", "z"]) == [
        Lease(RESERVED, ident, "p1"),
        Lease(RESERVED, ident, "s1"),
    ]


def test_a_ring_that_was_begun_is_held_and_one_that_waits_is_reserved(site: Site, run: str) -> None:
    assert leases_on(site.database, ["s1", "p1"]) == [
        Lease(HELD, run, "s1"),
        Lease(RESERVED, run, "p1"),
    ]


def test_a_run_that_is_over_has_no_host(site: Site, run: str) -> None:
    site.rollouts.request(run, CommandKind.ABORT)
    assert leases_on(site.database, ["s1", "p1"]) == []


def test_the_refusal_of_a_second_run_tells_held_from_reserved(site: Site, run: str) -> None:
    with pytest.raises(ConflictError) as refused:
        site.rollouts.start(site.plan())
    assert refused.value.message == (
        f"host s1 is held by run {run}, host p1 is reserved by run {run}"
    )
    assert f"patchctl rollout abort {run}" in refused.value.hint
    assert [summary.id for summary in site.database.runs.list()] == [run]


def test_several_hosts_are_counted_by_how_they_are_had(site: Site) -> None:
    ident = site.rollouts.start(site.plan())
    with pytest.raises(
        ConflictError, match=rf"^host p1 \(and 1 more\) is reserved by run {ident};"
    ):
        claim(site.database, "r-other", ["p1", "s1"])
    assert site.database.leases.hosts("r-other") == []


def test_a_run_may_claim_again_what_it_has(site: Site, run: str) -> None:
    claim(site.database, run, ["s1", "p1"])
    assert site.database.leases.hosts(run) == ["p1", "s1"]


def test_cleaning_is_refused_with_what_the_run_has_there(site: Site, run: str) -> None:
    refuse_to_clean(site.database, ["z"])
    with pytest.raises(ConflictError, match=f"s1 is held by run {run}, which could not go on or"):
        refuse_to_clean(site.database, ["s1"])
    with pytest.raises(ConflictError, match=f"p1 is reserved by run {run}, which has not begun"):
        refuse_to_clean(site.database, ["p1"])


def test_an_undo_of_a_host_that_is_not_in_the_run_takes_nothing(site: Site, run: str) -> None:
    with pytest.raises(NotFoundError):
        site.rollouts.roll_back(run, hosts=["s1", "z"])
    assert site.database.leases.holder("z") is None


def test_of_a_host_that_a_run_does_not_know_nobody_says_that_it_is_untouched(
    site: Site, run: str
) -> None:
    """An older patchctl could lease a mistyped host of a rollback."""
    site.database.leases.claim_hosts(run, ["z"])
    assert leases_on(site.database, ["z"]) == [Lease(HELD, run, "z")]


@settings(max_examples=40, deadline=None)
@given(
    fails=st.dictionaries(
        st.tuples(st.sampled_from(["s1", "k1", "p1", "p3"]), st.sampled_from(Stage)),
        st.sampled_from(OutcomeStatus),
        max_size=4,
    )
)
def test_no_host_was_ever_worked_on_that_is_only_reserved(
    fails: dict[tuple[str, Stage], OutcomeStatus],
) -> None:
    world = World(
        plan(three_rings(), SIX),
        lambda host, stage, _: Behaviour(status=fails.get((host, stage), OutcomeStatus.OK)),
    )
    view = RunView("r-1", world.plan)
    seen: dict[str, set[LeaseKind]] = {name: set() for name in world.hosts}

    class Check:
        def on_entry(self, entry: JournalEntry) -> None:
            view.apply(entry)
            for name, host in world.hosts.items():
                kind = view.lease(name)
                seen[name].add(kind)
                assert kind is HELD or not (host.held or host.drained or host.changes)
                assert kind is HELD or not view.hosts[name].transaction

    world.sinks = [Check()]
    world.run()
    assert HELD in seen["s1"] and RESERVED in seen["p3"]
