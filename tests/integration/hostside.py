"""Run stages on single hosts of the lab with the real executor, without the engine."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from patchctl.cli.caller import this_process
from patchctl.executors.ansible import AnsibleExecutor
from patchctl.executors.hooks import PlannedHooks
from patchctl.inventory.export import generate
from patchctl.models.facts import Boot
from patchctl.models.rollout import HostOutcome, HostWork, OutcomeStatus, Shard, ShardEnded, Stage
from patchctl.wiring.fleet import load
from patchctl.wiring.stored import find_plan
from patchctl.wiring.workspace import open_workspace


class Drive:
    """One plan and its executor. `run`, `fence` and `transaction` are sent to hosts."""

    def __init__(self, root: Path, *packages: str, plan: str = "", limit: str = "all") -> None:
        self.workspace = open_workspace(root, this_process())
        self.fleet = load(self.workspace).fleet
        named = plan or make_plan(root, *packages, limit=limit)
        self.plan = find_plan(self.workspace, named).plan
        assert self.plan.body.hosts, self.plan.body.left_out
        self.run = "r-test"
        self.fence = 1
        self.transaction = "t-1"
        self.attempt = 1
        self.over: tuple[str, ...] = ()
        self._number = 0

    def executor(self) -> AnsibleExecutor:
        """Make a new executor, as a new controller does."""
        return AnsibleExecutor(
            plan=self.plan,
            inventory=lambda hosts: generate(self.fleet, hosts),
            runner=self.workspace.runner,
            store=self.workspace.store,
            hooks=PlannedHooks(root=self.workspace.root, body=self.plan.body),
            over=self.over,
        )

    def shard(self, stage: Stage, *hosts: str, boot: Boot | None = None) -> Shard:
        """Make a shard for these hosts."""
        self._number += 1
        first = next(host for host in self.plan.body.hosts if host.name == hosts[0])
        cohort = next(cohort for cohort in self.plan.body.cohorts if cohort.id == first.cohort)
        return Shard(
            id=f"{self.run}-{self.fence}-{stage.value}-{time.monotonic_ns()}-{self._number}",
            run=self.run,
            stage=stage,
            ring=first.ring,
            manager=cohort.manager,
            hosts=tuple(
                HostWork(
                    host=host,
                    attempt=self.attempt,
                    transaction=self.transaction,
                    fence=self.fence,
                    boot=boot,
                )
                for host in hosts
            ),
        )

    def once(self, stage: Stage, host: str, *, boot: Boot | None = None) -> HostOutcome:
        """Call a stage once."""
        executor = self.executor()
        executor.start(self.shard(stage, host, boot=boot))
        return wait(executor)[host]

    def until_done(
        self, stage: Stage, host: str, *, boot: Boot | None = None, within_s: float = 240
    ) -> HostOutcome:
        """Call a stage again while it runs, or while the host reboots."""
        again = {OutcomeStatus.RUNNING}
        if stage is Stage.REBOOT:
            again |= {OutcomeStatus.UNREACHABLE, OutcomeStatus.LOST}
        deadline = time.monotonic() + within_s
        while (outcome := self.once(stage, host, boot=boot)).status in again:
            assert time.monotonic() < deadline, f"{stage} on {host} does not end: {outcome}"
            time.sleep(0.5)
        return outcome

    def prepared(self, host: str) -> HostOutcome:
        """Run preflight and prepare, which must succeed."""
        well(self.once(Stage.PREFLIGHT, host))
        return well(self.once(Stage.PREPARE, host))

    def applied(self, host: str) -> HostOutcome:
        """Run preflight, prepare and apply, which must succeed."""
        self.prepared(host)
        return well(self.until_done(Stage.APPLY, host))


def wait(executor: AnsibleExecutor, within_s: float = 120) -> dict[str, HostOutcome]:
    """Return the outcomes of the only shard that is being run."""
    outcomes: dict[str, HostOutcome] = {}
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for answer in executor.poll(0.2):
            if isinstance(answer, ShardEnded):
                return outcomes
            outcomes[answer.host] = answer
    raise AssertionError("the shard does not end")


def well(outcome: HostOutcome) -> HostOutcome:
    """Return the outcome, which must be ok."""
    assert outcome.status is OutcomeStatus.OK, outcome
    return outcome


def failed(outcome: HostOutcome) -> str:
    """Return the reason of an outcome, which must be a failure."""
    assert outcome.status is OutcomeStatus.FAILED, outcome
    return outcome.reason


def checks(outcome: HostOutcome) -> dict[str, Any]:
    """Return the checks of an outcome by name."""
    return {check["name"]: check for check in outcome.evidence["checks"]}


def make_plan(root: Path, *packages: str, limit: str = "all") -> str:
    """Make a plan of these packages, or of all security updates, and return its path."""
    asked = [word for name in packages for word in ("--package", name)]
    words = ["plan", "create", "--limit", limit, *asked, "-o", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(root), *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["path"])
