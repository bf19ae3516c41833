"""Make a plan of two hosts and a runner that answers from memory, for tests of the executor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from answers_world import whole

from patchctl.models.facts import PackageManager
from patchctl.models.plan import (
    Action,
    Artifact,
    Cohort,
    Plan,
    PlanAbout,
    PlanBody,
    PlannedHost,
    Selection,
    SelectionMode,
    Transition,
)
from patchctl.models.policy import (
    Amount,
    OnFailure,
    Probe,
    ProbeKind,
    Promote,
    RebootPolicy,
    RingPolicy,
    RollbackReady,
    UnprovenPolicy,
    UpdaterPolicy,
)
from patchctl.models.rollout import Carrier, HostWork, Shard, Stage
from patchctl.protocol.jobs import Answer, AnswerStatus, Ended, Job

CARRIER: Carrier = {"worker": "far-away", "ticket": 1}
SUM = "a" * 64
OLD_SUM = "b" * 64
HOSTS = ("web1", "web2")
PROBES = (
    Probe(name="site", kind=ProbeKind.HTTP, target="http://localhost:8080/", groups=("web",)),
    Probe(name="login works", kind=ProbeKind.COMMAND, target="test -e '/etc/a b'; echo \"$HOME\""),
)


def upgrade(name: str = "openssl", **changes: Any) -> Transition:
    values: dict[str, Any] = {
        "package": name,
        "arch": "amd64",
        "action": Action.UPGRADE,
        "from_": "3.0.20-1~deb12u2",
        "to": "1:3.0.22-1",
        "requested": True,
        "file": Artifact(name=f"{name}_1%3a3.0.22-1_amd64.deb", size=1234, sha256=SUM),
    }
    return Transition(**{**values, **changes})


def policy(**changes: Any) -> RingPolicy:
    values: dict[str, Any] = {
        "name": "staging",
        "budget": Amount(hosts=0),
        "max_concurrent": Amount(percent=100),
        "soak_s": 0,
        "promote": Promote.AUTO,
        "reboot": RebootPolicy.NEVER,
        "on_failure": OnFailure.ROLLBACK,
        "rollback_ready": RollbackReady.REQUIRE,
        "updaters": UpdaterPolicy.REFUSE,
        "probes": PROBES,
    }
    return RingPolicy(**{**values, **changes})


def planned(name: str, **changes: Any) -> PlannedHost:
    values: dict[str, Any] = {
        "name": name,
        "ring": "staging",
        "wave": 1,
        "cohort": "c-1",
        "machine_id": "0123456789abcdef" * 2,
    }
    return PlannedHost(**{**values, **changes})


def plan(*transitions: Transition, ring: RingPolicy | None = None) -> Plan:
    cohort = Cohort(
        id="c-1",
        manager=PackageManager.APT,
        transitions=transitions or (upgrade(),),
        download_bytes=1234,
    )
    body = PlanBody(
        version=1,
        as_of=0,
        expires=1,
        selection=Selection(mode=SelectionMode.SECURITY),
        fleet="sha256:0",
        policy="sha256:0",
        snapshots=(),
        rings=(ring or policy(),),
        unproven_policy=UnprovenPolicy.ALLOW,
        cohorts=(cohort,),
        hosts=tuple(planned(name) for name in HOSTS),
        left_out=(),
        unproven=(),
    )
    return Plan(
        digest="sha256:0", body=body, about=PlanAbout(created=0, author="test", tool="test")
    )


def work(host: str = "web1", **changes: Any) -> HostWork:
    values: dict[str, Any] = {
        "host": host,
        "attempt": 1,
        "transaction": f"r-1-{host}",
        "fence": 2,
    }
    return HostWork(**{**values, **changes})


def shard(stage: Stage, *hosts: str, manager: PackageManager = PackageManager.APT) -> Shard:
    return Shard(
        id="r-1-2-1",
        run="r-1",
        stage=stage,
        ring="staging",
        manager=manager,
        hosts=tuple(work(host) for host in hosts or HOSTS),
    )


def inventory(hosts: Any) -> dict[str, Any]:
    return {
        "all": {
            "hosts": {host: {} for host in hosts},
            "children": {
                "services": {"hosts": {}, "children": {"web": {}}},
                "web": {"hosts": {"web1": {}} if "web1" in hosts else {}, "children": {}},
            },
        }
    }


Reply = Callable[[Job, str], Answer]


@dataclass
class MemoryRunner:
    """Answers each host of a job by `reply`; stores the jobs."""

    reply: Reply
    jobs: list[Job] = field(default_factory=list)
    reaped: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    forks = 25

    def start(self, job: Job, into: SimpleQueue[Answer | Ended]) -> "MemoryRun":
        self.jobs.append(job)
        for host in job.inventory["all"]["hosts"]:
            into.put(self.reply(job, host))
        into.put(Ended(job=job.id, rc=0))
        return MemoryRun(job, self)

    def ask(self, job: Job, into: SimpleQueue[Answer | Ended]) -> "MemoryRun":
        return self.start(job, into)

    def reap(self, carrier: Carrier) -> bool:
        return False

    def reap_job(self, job: str) -> bool:
        self.reaped.append(job)
        return True


@dataclass
class MemoryRun:
    job: Job
    runner: MemoryRunner
    carrier: Carrier = field(default_factory=lambda: CARRIER)

    def cancel(self) -> None:
        self.runner.cancelled.append(self.job.id)


def all_well(job: Job, host: str) -> Answer:
    """Make each host answer its stage with a complete, good answer."""
    lines = job.payloads[host].splitlines()
    stage = Stage(next(line for line in lines if line.startswith("stage ")).split()[1])
    probes = [PROBES[0]] * sum(line.startswith("probe ") for line in lines)
    named = [line.split() for line in lines if line.startswith("package ")]
    transitions = [upgrade(words[1], arch=words[2], from_=words[4], to=words[5]) for words in named]
    return says(*whole(stage, transitions, probes))(job, host)


def says(*lines: str, status: AnswerStatus = AnswerStatus.OK) -> Reply:
    """Make each host repeat the request and answer with these lines."""

    def reply(job: Job, host: str) -> Answer:
        asked = dict(line.split(" ", 1) for line in job.payloads[host].splitlines() if " " in line)
        question = f"question {asked['stage']} {asked['transaction']}"
        return Answer(
            job=job.id, host=host, status=status, output="\n".join([question, *lines, ""]), rc=0
        )

    return reply


def store_with(root: Path, *files: tuple[Artifact, bytes]) -> None:
    """Put files into a content store under their declared hash."""
    for file, content in files:
        path = root / "sha256" / file.sha256[:2] / file.sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
