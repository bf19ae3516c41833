"""Run shards on real hosts: each shard is a playbook, and each host's answer becomes an outcome.

Ansible only transports requests and answers; this module judges the answers. The stage `prepare`
may take two rounds: hosts that lack files get them from the content store and are asked again.
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

# Seconds that Ansible itself needs for a call: to connect, to send the scripts, to read the answer.
# A call ends on the host before its time limit plus this is over, so that it can report the reason.
CONNECTION_S = 30
HOOK_START_S = 15  # until Ansible has begun with the hook
# Stages in which one worker asks all hosts of a shard and is used again for the next shard: Ansible
# starts once, and each host has one connection from preflight to verify. The other stages are the
# operator's own tasks, and a reboot, after which the connection does not work any more.
TOGETHER = ATTACHING | HARMLESS | VERIFYING | {Stage.RELEASE}
HOSTS_A_SECOND = 100  # that Ansible reads from an inventory, on a slow machine

Inventory = Callable[[Sequence[str]], dict[str, Any]]
Seconds = Callable[[], float]
Keep = Callable[[str, HostWork, Stage, Sequence[str]], None]


class _Round(Enum):
    """How hosts are asked: all by one worker, each by a worker of its own, or after a push of
    files."""

    TOGETHER = auto()
    APART = auto()
    PUSH = auto()


@dataclass
class _Active:
    """A shard that is being run.

    `jobs` are the ids of all its jobs, `running` are the jobs that have not ended, by id. `apart`
    are hosts that wait for a job that asks each host with a worker of its own. `lacking` is host ->
    files that it lacks, for the second round. `refused` are answers of hosts that accepted neither
    key nor password. `probes` is by host. `second` is True in the second round.
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
        """Return the id of its next job, which begins with the shard's id: so `reap` finds it."""
        number = len(self.jobs) + 1
        self.jobs.append(self.shard.id if number == 1 else f"{self.shard.id}.{number}")
        return self.jobs[-1]


class AnsibleExecutor:
    """Implements rollout.interfaces.Executor.

    `inventory` generates the inventory of some hosts; `hooks` are the hooks of the plan. `known` is
    (package, architecture, version) -> a file of the content store that is not in the plan, which
    an undo may install again. `over` are the runs of this workspace that have ended: a claim that
    they left on a host is ignored. `earlier` are answers of this plan's hosts in this or earlier
    runs; waiting times are estimated from them. `keep` gets what a host printed in a run's stage.
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
        keep: Keep = lambda *_: None,
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
        self._keep = keep

    # --- the interface --------------------------------------------------------------------------

    def start(self, shard: Shard) -> Carrier | None:
        """Begin a stage for some hosts; return its carrier, None where there is nothing to run.

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
        """Return the outcomes that came in; wait at most `timeout_s` seconds for the first one."""
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
        """End the processes of a shard, in all its rounds, that a dead controller left running."""
        ran = self._runner.reap(carrier) if carrier is not None else False
        return self._runner.reap_job(shard) or ran

    def stop(self) -> None:
        """End this controller's playbooks. Detached transactions on hosts continue."""
        for active in self._active.values():
            for running in active.running.values():
                running.cancel()
        self._active.clear()

    def _present(self, shard: Shard) -> list[HostWork]:
        """Return the hosts that the inventory still has. It may have been edited during the run."""
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
        """Start a job for these hosts of the shard; return None where there is nothing to ask."""
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
        """Start a job for the hosts that need a worker of their own. The others do not wait."""
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
        """Return the files of the cohort's old versions that the content store has."""
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
        """Return the list of files for `patch_push`, as text.

        Files that the content store lacks are left out; the host reports them as missing.
        """
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
                self._add_outcome(shard, work.host, OutcomeStatus.OK, "")
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
            active.refused.append(answer)  # the answers of the other hosts show whose mistake it is
            return
        if answer.status is AnswerStatus.APART:
            active.apart.append(answer.host)
        elif answer.status is AnswerStatus.UNREACHABLE:
            self._add_outcome(shard, answer.host, OutcomeStatus.UNREACHABLE, answer.reason)
        elif answer.status is AnswerStatus.LOST and shard.stage in HOOKS:
            # A hook that hangs or cannot be read would fail again, so it is not run twice.
            self._fail(shard, answer.host, f"hook: {cleaned(answer.reason)}")
        elif answer.status is AnswerStatus.LOST:
            self._add_outcome(shard, answer.host, OutcomeStatus.LOST, answer.reason)
        elif shard.stage in HOOKS:
            well = answer.status is AnswerStatus.OK
            status = OutcomeStatus.OK if well else OutcomeStatus.FAILED
            self._add_outcome(shard, answer.host, status, cleaned(answer.reason))
        elif not answer.output:
            self._unanswered(shard, answer.host, cleaned(answer.reason) or "no answer")
        else:
            self._on_reply(active, answer)

    def _on_accepted_login(self) -> None:
        """Judge the refusals of other hosts, because a host has accepted the key or password."""
        if not self._accepted_login:
            self._accepted_login = True
            for active in tuple(self._active.values()):
                self._judge_refusals(active)

    def _on_reply(self, active: _Active, answer: Answer) -> None:
        probes, stage = active.probes.get(answer.host, []), active.shard.stage
        work = next(work for work in active.shard.hosts if work.host == answer.host)
        question, names = f"{stage.value} {work.transaction}", [probe.name for probe in probes]
        reply = replies.parse(answer.output, question, names)
        self._keep(active.shard.run, work, stage, reply.output)
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
        """Decide whether refused passwords are the operator's mistake or a failure of the hosts.

        Where no host accepts the password it is the operator's: the answers are dropped, and
        AdapterError is raised, so that the run stops until the password is right. Where some hosts
        accepted it, the others have failed. Asking a host in the middle of its update again and
        again would lock the account there, and end in the state `unknown`.
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

    def _add_outcome(self, shard: Shard, host: str, status: OutcomeStatus, reason: str) -> None:
        self._ready.append(HostOutcome(shard=shard.id, host=host, status=status, reason=reason))

    def _unanswered(self, shard: Shard, host: str, reason: str) -> None:
        """Report a host without an answer: failed, or lost where it may have done its work.

        A lost host is asked again, and then answers with the result that it has recorded.
        """
        known = shard.stage in HARMLESS and not any(work.check for work in shard.hosts)
        self._add_outcome(
            shard, host, OutcomeStatus.FAILED if known else OutcomeStatus.LOST, reason
        )

    def _fail(self, shard: Shard, host: str, reason: str) -> None:
        self._add_outcome(shard, host, OutcomeStatus.FAILED, reason)

    def _end(self, shard: Shard, reason: str = "") -> None:
        self._active.pop(shard.id, None)
        self._ready.append(ShardEnded(shard=shard.id, reason=reason))


def _refused(answer: Answer, stage: Stage) -> bool:
    """Return whether the host refused the password; while a host is being changed, also a key.

    At other times a refused key is a failure of the host like others.
    """
    changing = stage not in HARMLESS and stage is not Stage.RELEASE
    return answer.code in REFUSED_PASSWORD or (answer.code is ReasonCode.REFUSED_KEY and changing)


def _next(answers: SimpleQueue[Answer | Ended], wait_s: float) -> Answer | Ended | None:
    try:
        return answers.get(timeout=wait_s) if wait_s > 0 else answers.get_nowait()
    except Empty:
        return None


def _planned_files(plan: Plan) -> dict[tuple[str, str, str], Artifact]:
    """Return (package, architecture, version) -> file of the plan.

    A cohort may have to go back to a version that another cohort installs."""
    return {
        (transition.package, transition.arch, transition.to): transition.file
        for cohort in plan.body.cohorts
        for transition in cohort.transitions
        if transition.file is not None
    }
