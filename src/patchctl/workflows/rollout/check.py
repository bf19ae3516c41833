"""Ask every host of a plan whether its update could begin now. No run comes into being, and
nothing on a host changes."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...models import ids
from ...models.facts import PackageManager
from ...models.plan import Plan, PlannedHost
from ...models.readiness import HostCheck, Readiness, RolloutCheck
from ...models.rollout import HostOutcome, HostWork, OutcomeStatus, Shard, ShardEnded, Stage
from ...models.states import SILENT
from ...models.words import count
from ...rollout.engine import Limits
from ...rollout.transactions import transaction_id
from .leasing import leases_on
from .runs import Rollouts

Say = Callable[[str], None]


@dataclass(frozen=True)
class RolloutChecker:
    """Runs preflight on all hosts of a plan. `say` takes lines of progress."""

    rollouts: Rollouts
    say: Say = lambda _: None

    def check(self, plan: Plan) -> RolloutCheck:
        """Return each host's result.

        Raises what `Rollouts.start` raises for a plan that may not run; but hosts that another run
        has are a result.
        """
        self.rollouts.refuse_unfit(plan)
        taken = {
            lease.host: f"{lease.kind.value} by run {lease.run}"
            for lease in leases_on(self.rollouts.database, [host.name for host in plan.body.hosts])
        }
        answers = self._answers(plan)
        return RolloutCheck(
            plan=plan.digest,
            hosts=tuple(
                _result(host, answers.get(host.name), taken.get(host.name, ""))
                for ring in plan.body.rings
                for host in sorted(plan.body.hosts, key=lambda host: host.name)
                if host.ring == ring.name
            ),
        )

    def _answers(self, plan: Plan) -> dict[str, HostOutcome]:
        limits = Limits()
        waiting = deque(self._shards(plan, limits.shard_hosts))
        executor = self.rollouts.executor(plan)
        busy: dict[str, Shard] = {}
        answers: dict[str, HostOutcome] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < limits.max_shards:
                    shard = waiting.popleft()
                    busy[shard.id] = shard
                    hosts = count(len(shard.hosts), f"{shard.manager.value} host")
                    self.say(f"{shard.ring}: asking {hosts}")
                    executor.start(shard)
                for answer in executor.poll(limits.poll_s):
                    if isinstance(answer, HostOutcome):
                        answers[answer.host] = answer
                        continue
                    shard = busy.pop(answer.shard)
                    for lost in _without_answer(shard, answer, answers):
                        answers[lost.host] = lost
        finally:
            executor.stop()
        return answers

    def _shards(self, plan: Plan, size: int) -> Iterator[Shard]:
        # Its id is that of no run, so no host takes it for one that works there.
        check = ids.run_id(self.rollouts.clock.now_ms(), os.urandom(ids.RANDOM_BYTES))
        managers = {cohort.id: cohort.manager for cohort in plan.body.cohorts}
        groups: dict[tuple[str, PackageManager], list[PlannedHost]] = {}
        for host in plan.body.hosts:
            groups.setdefault((host.ring, managers[host.cohort]), []).append(host)
        number = 0
        for (ring, manager), hosts in groups.items():
            for start in range(0, len(hosts), size):
                number += 1
                yield Shard(
                    id=f"{check}-1-{number}",
                    run=check,
                    stage=Stage.PREFLIGHT,
                    ring=ring,
                    manager=manager,
                    hosts=tuple(_work(check, host) for host in hosts[start : start + size]),
                )


def _work(check: str, host: PlannedHost) -> HostWork:
    return HostWork(
        host=host.name,
        attempt=1,
        transaction=transaction_id(check, host.name, 1),
        fence=1,
        check=True,
    )


def _without_answer(
    shard: Shard, ended: ShardEnded, answers: dict[str, HostOutcome]
) -> list[HostOutcome]:
    reason = ended.reason or "the run of Ansible ended without an answer"
    return [
        HostOutcome(shard=shard.id, host=work.host, status=OutcomeStatus.LOST, reason=reason)
        for work in shard.hosts
        if work.host not in answers
    ]


def _result(host: PlannedHost, answer: HostOutcome | None, taken: str) -> HostCheck:
    status = OutcomeStatus.LOST if answer is None else answer.status
    reason = "" if answer is None else answer.reason
    if status in SILENT:
        result = Readiness.NOT_ASKED
    elif status is OutcomeStatus.OK and not taken:
        result = Readiness.READY
    else:
        result = Readiness.NOT_READY
    if status is OutcomeStatus.LOCKED:
        reason = f"its package manager is in use: {reason}"
    reasons: Sequence[str] = (taken, "" if status is OutcomeStatus.OK else reason)
    return HostCheck(
        name=host.name,
        ring=host.ring,
        result=result,
        reason="; ".join(filter(None, reasons)),
        notes=tuple(
            f"{check['name']}: {check['detail']}"
            for check in (answer.evidence.get("checks", ()) if answer else ())
            if check.get("note") and check["detail"]
        ),
    )
