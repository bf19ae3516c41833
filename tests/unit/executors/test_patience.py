"""How long requests stay open, which hosts have their own worker, and how many work at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from executor_world import HOSTS, MemoryRunner, all_well, inventory, plan, shard, work
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import World, ring
from rollout_world import plan as wave_plan

from patchctl.adapters.content_store import ContentStore
from patchctl.executors.ansible import CONNECTION_S, AnsibleExecutor
from patchctl.executors.hooks import PlannedHooks
from patchctl.executors.patience import ATTACH_MOST_S, EARLIER_ENTRIES, Patience, answers_of
from patchctl.executors.simulated import SimulatedExecutor
from patchctl.models.journal import JournalEntry, ShardOver, ShardStarted, StageAnswered
from patchctl.models.plan import Plan
from patchctl.models.rollout import (
    Carrier,
    HostOutcome,
    OutcomeStatus,
    RunState,
    Shard,
    ShardEnded,
    Stage,
)
from patchctl.protocol.jobs import Answer, AnswerStatus, Job
from patchctl.protocol.payloads import ATTACH_S, call_s
from patchctl.rollout.engine import Limits


def expecting(seconds: int) -> Plan:
    """Return a plan that expects each host to take so long."""
    planned = plan()
    hosts = tuple(msgspec.structs.replace(host, expected_s=seconds) for host in planned.body.hosts)
    body = msgspec.structs.replace(planned.body, hosts=hosts)
    return msgspec.structs.replace(planned, body=body)


def test_of_earlier_runs_the_newest_are_read_and_not_without_end() -> None:
    answer = StageAnswered(host=HOSTS[0], attempt=1, stage=Stage.APPLY, status=OutcomeStatus.OK)
    asked: list[str] = []

    def journal(run: str) -> Iterator[JournalEntry]:
        asked.append(run)
        yield JournalEntry(seq=1, run=run, at=0, event=answer)
        for seq in range(EARLIER_ENTRIES // 2):
            yield JournalEntry(seq=seq, run=run, at=0, event=ShardOver(shard=run))

    assert list(answers_of(["newest", "before", "third"], journal)) == [answer, answer]
    assert asked == ["newest", "before"]
    assert list(answers_of([], journal)) == []


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestAQuestion:
    def test_stays_open_as_long_as_the_plan_expects(self) -> None:
        assert Patience(expecting(95), Watch()).attach_s(Stage.APPLY, work()) == 95

    def test_is_short_where_the_host_is_late_and_longer_the_later(self) -> None:
        watch = Watch()
        patience = Patience(expecting(60), watch)
        waits = []
        for now in (0, 50, 60, 70, 200, 1000, 100_000):
            watch.now = 1000.0 + now
            waits.append(patience.attach_s(Stage.APPLY, work()))
        assert waits == [60, ATTACH_S, ATTACH_S, ATTACH_S, 25, 125, ATTACH_MOST_S]

    def test_follows_what_hosts_of_the_cohort_took(self) -> None:
        patience = Patience(expecting(20), Watch())
        patience.learn(Stage.APPLY, HOSTS[0], 140)
        patience.learn(Stage.APPLY, HOSTS[0], 90)
        assert patience.attach_s(Stage.APPLY, work(HOSTS[1])) == 141

    @pytest.mark.parametrize(
        ("status", "host", "seconds", "stays_open"),
        [
            (OutcomeStatus.OK, HOSTS[0], 140, 141),
            (OutcomeStatus.OK, HOSTS[0], 5, 20),  # the plan expects more
            (OutcomeStatus.FAILED, HOSTS[0], 140, 20),
            (OutcomeStatus.OK, "elsewhere", 140, 20),
            (OutcomeStatus.OK, HOSTS[0], "140", 20),
        ],
    )
    def test_follows_what_they_took_in_an_earlier_run(
        self, status: OutcomeStatus, host: str, seconds: object, stays_open: int
    ) -> None:
        patience = Patience(expecting(20), Watch())
        answer = StageAnswered(
            host=host, attempt=1, stage=Stage.APPLY, status=status, evidence={"seconds": seconds}
        )
        patience.recall([answer])
        assert patience.attach_s(Stage.APPLY, work(HOSTS[1])) == stays_open

    def test_of_an_old_plan_that_expects_nothing_is_short(self) -> None:
        assert Patience(plan(), Watch()).attach_s(Stage.APPLY, work()) == ATTACH_S

    def test_about_what_does_not_go_on_by_itself_is_short(self) -> None:
        patience = Patience(expecting(300), Watch())
        for stage in set(Stage) - {Stage.APPLY, Stage.UNDO, Stage.DRAIN, Stage.UNDRAIN}:
            assert patience.attach_s(stage, work()) == ATTACH_S

    @given(st.integers(0, 10**9), st.one_of(st.none(), st.integers(), st.text()), st.integers(0))
    def test_ends_in_time_whatever_is_expected_and_said(
        self, expected: int, reported: object, waited: int
    ) -> None:
        watch = Watch()
        patience = Patience(expecting(expected), watch)
        patience.attach_s(Stage.APPLY, work())
        patience.learn(Stage.APPLY, HOSTS[0], reported)
        watch.now += waited
        assert ATTACH_S <= patience.attach_s(Stage.APPLY, work()) <= ATTACH_MOST_S


def one_is_apart(job: Job, host: str) -> Answer:
    """web1 cannot be asked together with others."""
    if host == "web1" and job.id == "r-1-2-1":
        return Answer(job=job.id, host=host, status=AnswerStatus.APART)
    return all_well(job, host)


def test_a_host_that_cannot_be_asked_together_is_asked_by_itself_and_shortly(
    tmp_path: Path,
) -> None:
    runner: Any = MemoryRunner(one_is_apart)
    planned = expecting(200)
    executor = AnsibleExecutor(
        plan=planned,
        inventory=inventory,
        runner=runner,
        store=ContentStore(tmp_path),
        hooks=PlannedHooks(root=tmp_path, body=planned.body),
    )
    executor.start(shard(Stage.APPLY))
    came = [*executor.poll(1.0), *executor.poll(1.0)]
    outcomes = {it.host: it.status for it in came if isinstance(it, HostOutcome)}
    assert outcomes == dict.fromkeys(HOSTS, OutcomeStatus.OK)
    assert [it for it in came if isinstance(it, ShardEnded)] == [ShardEnded(shard="r-1-2-1")]
    together, apart = runner.jobs
    assert (together.id, apart.id) == ("r-1-2-1", "r-1-2-1.2")
    assert list(apart.payloads) == ["web1"]
    assert "attach 200\n" in together.payloads["web2"]
    assert f"attach {ATTACH_S}\n" in apart.payloads["web1"]
    assert apart.timeout_s == CONNECTION_S + call_s(Stage.APPLY, 0)
    assert together.timeout_s == apart.timeout_s + 200 - ATTACH_S


class OneWorker(SimulatedExecutor):
    """A runner in which one process runs all shards."""

    def start(self, shard: Shard) -> Carrier | None:
        super().start(shard)
        return {"worker": "always the same"}


def at_once(world: World) -> int:
    """Return how many shards began before the first one ended."""
    kinds = [type(entry.event) for entry in world.entries]
    return kinds[: kinds.index(ShardOver)].count(ShardStarted)


def test_shards_that_one_process_carries_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = {"staging": [[f"s{number}" for number in range(6)]]}
    world = World(wave_plan([ring("staging")], hosts), limits=Limits(shard_hosts=1, max_shards=2))
    world.run()
    assert at_once(world) == 2
    monkeypatch.setattr("rollout_world.SimulatedExecutor", OneWorker)
    shared = World(world.plan, limits=world.limits)
    assert shared.run().state is RunState.DONE
    assert at_once(shared) == 6
