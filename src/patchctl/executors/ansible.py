"""Run shards on real hosts through Ansible: a shard is a playbook, a host's answer its outcome.

Ansible only carries requests and answers; this module judges the answers. `prepare` may take two
rounds: hosts that lack files get them pushed from the content store and are asked again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any

from ..adapters.content_store import ContentStore
from ..errors import AdapterError, InvalidInputError, NotFoundError, PatchctlError
from ..models.journal import StageAnswered
from ..models.plan import Artifact, Cohort, Plan, PlannedHost
from ..models.policy import Probe, RingPolicy
from ..models.reach import REFUSED_PASSWORD, ReasonCode
from ..models.rollout import Carrier, HostOutcome, HostWork, OutcomeStatus, Shard, ShardEnded, Stage
from ..models.states import ATTACHING, HARMLESS, HOOKS, VERIFYING
from ..models.words import some
from ..protocol import demands, managers, payloads, replies
from ..protocol.cleaning import cleaned
from ..protocol.jobs import Answer, AnswerStatus, Ended, HostRunner, Job, StartedJob, hosts_of
from ..protocol.payloads import ATTACH_S
from .groups import groups_of
from .hooks import PlannedHooks
from .patience import Patience

# Ansible's own share of a call: to connect, send the scripts and read the answer. A call ends by
# itself on the host before this is over, so that it can say why.
CONNECTION_S = 30
HOOK_START_S = 15  # until Ansible has begun with the hook
# One worker asks all hosts of a shard and stays for the next shard: one start of Ansible and one
# connection a host bring it from preflight to verify. The other stages are an operator's tasks, and
# a reboot, after which no connection works any more.
TOGETHER = ATTACHING | HARMLESS | VERIFYING | {Stage.RELEASE}
HOSTS_A_SECOND = 100  # that Ansible reads of an inventory, at the very least

Inventory = Callable[[Sequence[str]], dict[str, Any]]
Seconds = Callable[[], float]


class _Round(Enum):
    """How hosts are asked: all by one worker, each by its own, or each after a push of files."""

    TOGETHER = auto()
    APART = auto()
    PUSH = auto()


@dataclass
class _Active:
    """A shard under way.

    `running`: those of its `jobs` that go on, by id; `apart`: hosts that wait for a job that asks
    each by itself; `lacking`: hosts that need a second round, with the files that they lack;
    `refused`: answers of hosts that accepted neither key nor password.
    """

    shard: Shard
    running: dict[str, StartedJob] = field(default_factory=dict)
    probes: dict[str, list[Probe]] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)
    lacking: dict[str, list[str]] = field(default_factory=dict)
    refused: list[Answer] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    second: bool = False

    def next_job(self) -> str:
        """The id of its next job; `reap` finds all of them by the shard's id."""
        number = len(self.jobs) + 1
        self.jobs.append(self.shard.id if number == 1 else f"{self.shard.id}.{number}")
        return self.jobs[-1]


class AnsibleExecutor:
    """Implements rollout.interfaces.Executor.

    `inventory` generates the inventory of some hosts; `hooks` are those of the plan; `known` are
    package files in the content store beyond those of the plan, by (package, architecture,
    version), which an undo installs again. `over` are runs of this workspace that ended: a claim
    that one of them left on a host blocks nobody. `earlier` is what hosts of this plan answered
    before, in this run or another one.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        inventory: Inventory,
        runner: HostRunner,
        store: ContentStore,
        hooks: PlannedHooks,
        known: Mapping[tuple[str, str, str], Artifact] | None = None,
        over: Sequence[str] = (),
        earlier: Iterable[StageAnswered] = (),
        clock: Seconds = time.time,
    ) -> None:
        self._inventory = inventory
        self._runner = runner
        self._store = store
        self._hooks = hooks
        self._clock = clock
        self._over_runs = tuple(over)
        self._hosts = {host.name: host for host in plan.body.hosts}
        self._cohorts = {cohort.id: cohort for cohort in plan.body.cohorts}
        self._policies = {ring.name: ring for ring in plan.body.rings}
        self._known = {**_planned_files(plan), **(known or {})}
        self._answers: SimpleQueue[Answer | Ended] = SimpleQueue()
        self._ready: deque[HostOutcome | ShardEnded] = deque()
        self._active: dict[str, _Active] = {}
        self._accepted_login = False
        self._patience = Patience(plan)
        self._patience.recall(earlier)

    # --- the interface --------------------------------------------------------------------------

    def start(self, shard: Shard) -> Carrier | None:
        """Begin a stage for some hosts; None where there is nothing to run.

        Raises AdapterError where ansible-playbook cannot be started.
        """
        present = self._present(shard)
        if not present:
            self._end(shard)
            return None
        if shard.stage in HOOKS:
            return self._start_hook(shard, present)
        if unknown := managers.refusal(shard.manager):
            for work in present:
                self._unanswered(shard, work.host, unknown)
            self._end(shard)
            return None
        self._active[shard.id] = active = _Active(shard)
        kind = _Round.TOGETHER if shard.stage in TOGETHER else _Round.APART
        running = self._ask(active, present, kind)
        return running.carrier if running else None

    def poll(self, timeout_s: float) -> Sequence[HostOutcome | ShardEnded]:
        """The outcomes that came in, waiting for the first at most `timeout_s` seconds."""
        outcomes: list[HostOutcome | ShardEnded] = []
        while self._ready:
            outcomes.append(self._ready.popleft())
        wait = 0.0 if outcomes else timeout_s
        while (answer := _next(self._answers, wait)) is not None:
            wait = 0.0
            if isinstance(answer, Ended):
                self._on_end(answer)
            else:
                self._on_answer(answer)
            while self._ready:
                outcomes.append(self._ready.popleft())
        for active in tuple(self._active.values()):
            self._ask_apart(active)
        return outcomes

    def reap(self, shard: str, carrier: Carrier | None) -> bool:
        """End what a dead controller left running of a shard, later rounds included."""
        ran = self._runner.reap(carrier) if carrier is not None else False
        return self._runner.reap_job(shard) or ran

    def stop(self) -> None:
        """End this controller's playbooks. Detached transactions on hosts go on."""
        for active in self._active.values():
            for running in active.running.values():
                running.cancel()
        self._active.clear()

    def _present(self, shard: Shard) -> list[HostWork]:
        """The hosts that the inventory still has; it may have been edited since the run began."""
        try:
            self._inventory([work.host for work in shard.hosts])
        except NotFoundError:
            present = []
            for work in shard.hosts:
                try:
                    self._inventory([work.host])
                except NotFoundError:
                    self._fail(shard, work.host, "the inventory has no such host any more")
                else:
                    present.append(work)
            return present
        return list(shard.hosts)

    # --- starting -------------------------------------------------------------------------------

    def _ask(self, active: _Active, works: Sequence[HostWork], kind: _Round) -> StartedJob | None:
        """Start a job for these hosts of the shard; None where there is nothing to ask."""
        shard = active.shard
        requests: dict[str, str] = {}
        pushes: dict[str, str] = {}
        inventory = self._inventory([work.host for work in works])
        groups = groups_of(inventory)
        attach_s = ATTACH_S
        for work in works:
            host = self._hosts[work.host]
            probes = self._probes(shard.stage, host, groups.get(work.host, ()))
            active.probes[work.host] = probes
            patience = self._patience.attach_s(shard.stage, work)
            if kind is not _Round.TOGETHER:
                patience = ATTACH_S
            attach_s = max(attach_s, patience)
            try:
                requests[work.host] = self._payload(shard, work, probes, kind, patience)
                if kind is _Round.PUSH:
                    pushes[work.host] = self._pushes(work, active.lacking[work.host])
            except InvalidInputError as error:
                self._fail(shard, work.host, str(error))
        if not requests:
            self._over(active)
            return None
        job = Job(
            id=active.next_job(),
            stage="push" if pushes else shard.stage.value,
            inventory=self._inventory(sorted(requests)),
            manager=shard.manager,
            payloads=requests,
            pushes=pushes,
            timeout_s=CONNECTION_S
            + attach_s
            - ATTACH_S
            + payloads.call_s(shard.stage, max(map(len, active.probes.values()), default=0)),
        )
        start = self._runner.ask if kind is _Round.TOGETHER else self._runner.start
        running = start(job, into=self._answers)
        active.running[job.id] = running
        return running

    def _ask_apart(self, active: _Active) -> None:
        """Ask hosts that turned out to need a worker of their own. The others do not wait."""
        hosts, active.apart = active.apart, []
        if hosts:
            works = [work for work in active.shard.hosts if work.host in hosts]
            self._ask(active, works, _Round.APART)

    def _payload(
        self, shard: Shard, work: HostWork, probes: Sequence[Probe], kind: _Round, attach_s: int
    ) -> str:
        host = self._hosts[work.host]
        cohort = self._cohorts[host.cohort]
        if cohort.manager is not shard.manager:
            raise ValueError(f"{work.host} has {cohort.manager}, its shard {shard.manager}")
        return payloads.payload(
            shard.stage,
            run=shard.run,
            work=work,
            host=host,
            manager=shard.manager,
            transitions=cohort.transitions,
            policy=self._policies[host.ring],
            now=int(self._clock()),
            probes=probes,
            stored=self._stored(cohort) if shard.stage is Stage.PREPARE else (),
            pushed=kind is _Round.PUSH,
            over=self._over_runs if shard.stage is Stage.PREFLIGHT else (),
            attach_s=attach_s,
        )

    def _probes(self, stage: Stage, host: PlannedHost, groups: Sequence[str]) -> list[Probe]:
        if stage is not Stage.PREPARE and stage not in VERIFYING:
            return []
        adapted = (payloads.applies(probe, groups) for probe in self._policy(host.name).probes)
        return [probe for probe in adapted if probe is not None]

    def _stored(self, cohort: Cohort) -> list[payloads.StoredFile]:
        """The cohort's old versions that the content store holds."""
        stored = []
        for transition in cohort.transitions:
            file = (
                self._known.get((transition.package, transition.arch, transition.from_))
                if transition.from_
                else None
            )
            if file is not None and self._store.holds(file):
                stored.append(
                    payloads.StoredFile(
                        package=transition.package,
                        arch=transition.arch,
                        version=transition.from_,
                        file=file,
                    )
                )
        return stored

    def _pushes(self, work: HostWork, lacking: Sequence[str]) -> str:
        """The list for `patch_push`. Files that the store lacks are left out; the host reports
        them."""
        cohort = self._cohorts[self._hosts[work.host].cohort]
        files = {
            transition.file.sha256: transition.file
            for transition in cohort.transitions
            if transition.file is not None
        }
        files |= {stored.file.sha256: stored.file for stored in self._stored(cohort)}
        pushed: list[tuple[Artifact, str]] = []
        for sha256 in lacking:
            if (file := files.get(sha256)) is not None:
                try:
                    pushed.append((file, str(self._store.verify(file))))
                except NotFoundError:
                    continue
        return payloads.push_list(work.transaction, pushed)

    def _policy(self, host: str) -> RingPolicy:
        return self._policies[self._hosts[host].ring]

    # --- hooks ----------------------------------------------------------------------------------

    def _start_hook(self, shard: Shard, works: Sequence[HostWork]) -> Carrier | None:
        policy = self._policies[shard.ring]
        name = policy.drain if shard.stage is Stage.DRAIN else policy.undrain
        hosts = [work.host for work in works]
        try:
            hook = self._hooks.take(name) if name else None
            beside = self._hooks.around(policy, shard.stage.value, hosts)
        except PatchctlError as error:
            for work in works:
                self._fail(shard, work.host, cleaned(error.lines()[0]))
            self._end(shard)
            return None
        if hook is None:
            for work in works:
                self._done(shard, work.host, OutcomeStatus.OK, "")
            self._end(shard)
            return None
        inventory = self._inventory(hosts)
        for work in works:
            variables = inventory["all"]["hosts"][work.host]
            variables["patch_transaction"] = payloads.transaction(work.transaction)
        job = Job(
            id=shard.id,
            stage=shard.stage.value,
            inventory=inventory,
            beside=beside,
            variables=hook.variables,
            files=hook.files,
            places=hook.path_variables,
            timeout_s=policy.drain_timeout_s,
            limit_s=(policy.drain_timeout_s + HOOK_START_S) * -(-len(works) // self._runner.forks)
            + len(hosts_of(beside)) // HOSTS_A_SECOND,
            rescues=True,
        )
        running = self._runner.start(job, into=self._answers)
        self._active[shard.id] = _Active(shard, {job.id: running}, jobs=[job.id])
        return running.carrier

    # --- answers --------------------------------------------------------------------------------

    def _on_answer(self, answer: Answer) -> None:
        active = self._find(answer.job)
        if active is None:
            return
        shard = active.shard
        if answer.trouble:
            raise AdapterError(answer.trouble, hint="free space there")
        if answer.output:
            self._on_accepted_login()
        elif not self._accepted_login and _refused(answer, shard.stage):
            active.refused.append(answer)  # the other hosts' answers show whose fault that is
            return
        if answer.status is AnswerStatus.APART:
            active.apart.append(answer.host)
        elif answer.status is AnswerStatus.UNREACHABLE:
            self._done(shard, answer.host, OutcomeStatus.UNREACHABLE, answer.reason)
        elif answer.status is AnswerStatus.LOST and shard.stage in HOOKS:
            # A hook that hangs or cannot be read would do so again; it is not asked twice.
            self._fail(shard, answer.host, f"hook: {cleaned(answer.reason)}")
        elif answer.status is AnswerStatus.LOST:
            self._done(shard, answer.host, OutcomeStatus.LOST, answer.reason)
        elif shard.stage in HOOKS:
            well = answer.status is AnswerStatus.OK
            status = OutcomeStatus.OK if well else OutcomeStatus.FAILED
            self._done(shard, answer.host, status, cleaned(answer.reason))
        elif not answer.output:
            self._unanswered(shard, answer.host, cleaned(answer.reason) or "no answer")
        else:
            self._on_reply(active, answer)

    def _on_accepted_login(self) -> None:
        """A host accepted the key or password: where others refused it, judge that now."""
        if not self._accepted_login:
            self._accepted_login = True
            for active in tuple(self._active.values()):
                self._judge_refusals(active)

    def _on_reply(self, active: _Active, answer: Answer) -> None:
        probes, stage = active.probes.get(answer.host, []), active.shard.stage
        work = next(work for work in active.shard.hosts if work.host == answer.host)
        names = [probe.name for probe in probes]
        reply = replies.parse(answer.output, f"{stage.value} {work.transaction}", names)
        cohort = self._cohorts[self._hosts[answer.host].cohort]
        reply = demands.judged(reply, demands.Asked(stage, work, cohort.transitions, probes))
        if reply.answer == "missing" and not active.second:
            active.lacking[answer.host] = reply.missing
            return
        self._patience.learn(stage, answer.host, reply.evidence.get("seconds"))
        self._ready.append(replies.outcome(active.shard.id, answer.host, reply))

    def _on_end(self, ended: Ended) -> None:
        active = self._find(ended.job)
        if active is None:
            return
        del active.running[ended.job]
        self._ask_apart(active)
        if active.running:
            return
        self._judge_refusals(active)
        if active.lacking and not active.second:
            active.second = True
            works = [work for work in active.shard.hosts if work.host in active.lacking]
            self._ask(active, works, _Round.PUSH)
        else:
            self._over(active, cleaned(ended.reason))

    def _over(self, active: _Active, reason: str = "") -> None:
        if not active.running:
            self._end(active.shard, reason)

    def _judge_refusals(self, active: _Active) -> None:
        """Decide whose fault refused passwords are.

        A password that no host accepts is the operator's mistake: the answers are dropped, and
        asked for again with the right one. Where other hosts accepted it, it is the hosts' fault.
        Raises AdapterError. Asking a host in the middle of its update again and again would lock
        the account there, and end in `unknown`.
        """
        refused, active.refused = active.refused, []
        if refused and not self._accepted_login:
            hosts = some([answer.host for answer in refused], 1)
            raise AdapterError(
                f"{hosts}: {refused[0].reason}, as on every host that was asked",
                hint="give the right key or password",
            )
        for answer in refused:
            self._on_answer(answer)

    def _find(self, job: str) -> _Active | None:
        for active in self._active.values():
            if job in active.jobs:
                return active
        return None

    def _done(self, shard: Shard, host: str, status: OutcomeStatus, reason: str) -> None:
        self._ready.append(HostOutcome(shard=shard.id, host=host, status=status, reason=reason))

    def _unanswered(self, shard: Shard, host: str, reason: str) -> None:
        """A failure; unknown where the host may have done its work: whoever asks again gets the
        recorded result."""
        known = shard.stage in HARMLESS
        self._done(shard, host, OutcomeStatus.FAILED if known else OutcomeStatus.LOST, reason)

    def _fail(self, shard: Shard, host: str, reason: str) -> None:
        self._done(shard, host, OutcomeStatus.FAILED, reason)

    def _end(self, shard: Shard, reason: str = "") -> None:
        self._active.pop(shard.id, None)
        self._ready.append(ShardEnded(shard=shard.id, reason=reason))


def _refused(answer: Answer, stage: Stage) -> bool:
    """Has a host refused key or password? A refused key is a failure like others, but not in the
    middle of a change."""
    changing = stage not in HARMLESS and stage is not Stage.RELEASE
    return answer.code in REFUSED_PASSWORD or (answer.code is ReasonCode.REFUSED_KEY and changing)


def _next(answers: SimpleQueue[Answer | Ended], wait_s: float) -> Answer | Ended | None:
    try:
        return answers.get(timeout=wait_s) if wait_s > 0 else answers.get_nowait()
    except Empty:
        return None


def _planned_files(plan: Plan) -> dict[tuple[str, str, str], Artifact]:
    """The plan's files by what they install: another cohort may have to go back to one."""
    return {
        (transition.package, transition.arch, transition.to): transition.file
        for cohort in plan.body.cohorts
        for transition in cohort.transitions
        if transition.file is not None
    }
