"""The apply step on lab hosts beside parallel ssh with apt-get, ansible.builtin.apt and pyinfra.

All of them install the same versions, from package lists that are fresh, on hosts that are put
back by apt-get before every go (not measured): the updates that Debian had for the lab's frozen
hosts, or (`--what small`) three tiny packages, which shows what each contestant costs by itself.
patchctl's figure is its apply stage alone, through the product's own executor: starting Ansible,
starting the detached transaction on each host, attaching to it, and its result. Claim, checks and
fetching of files (preflight, prepare) are stages before it, verification comes after it; neither is
in the figure, and what the first two take is printed beside it. The peers do nothing of that kind.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_lab import Fleet, fleet, with_python_apt
from measure import (
    Cost,
    adopting,
    aim,
    arguments,
    how_many,
    machine,
    ratio,
    rows,
    settle,
    show,
    take_turns,
    usage,
)

from patchctl.cli.caller import this_process
from patchctl.executors.ansible import AnsibleExecutor
from patchctl.executors.hooks import PlannedHooks
from patchctl.inventory.export import generate
from patchctl.lab.handle import each
from patchctl.models.fleet import Fleet as Inventory
from patchctl.models.plan import Plan
from patchctl.models.rollout import HostWork, OutcomeStatus, Shard, ShardEnded, Stage
from patchctl.wiring.fleet import load
from patchctl.wiring.plan import find
from patchctl.wiring.workspace import Access, Workspace, open_workspace

CHANNELS = ("lib",)  # good-web and main are there from the start
_INSTALL = "apt-get -y -q -o Dpkg::Options::=--force-confold install"
SMALL = ("patchlab-web", "patchlab-docs", "patchlab-lib")
_OLD = "/root/bench-old"  # on hosts


@dataclass(frozen=True)
class Updates:
    """What is installed: package -> (version before, version after)."""

    versions: Mapping[str, tuple[str, str]]

    @property
    def wanted(self) -> list[str]:
        """`NAME=VERSION` of every update."""
        return [f"{name}={new}" for name, (_, new) in self.versions.items()]

    @property
    def install(self) -> str:
        """The peers' shell command."""
        return f"sudo -n env DEBIAN_FRONTEND=noninteractive {_INSTALL} {' '.join(self.wanted)}"


@dataclass
class Product:
    """patchctl's stages over all hosts of a plan. `before` are seconds of preflight and prepare."""

    workspace: Workspace
    fleet: Inventory
    plan: Plan
    began: int = field(default_factory=lambda: int(time.time()))
    goes: int = 0
    before: list[Cost] = field(default_factory=list)

    def prepare(self) -> AnsibleExecutor:
        """A new transaction on every host, up to its apply stage."""
        self.goes += 1
        executor = AnsibleExecutor(
            plan=self.plan,
            inventory=lambda hosts: generate(self.fleet, hosts),
            runner=self.workspace.runner,
            store=self.workspace.store,
            hooks=PlannedHooks(root=self.workspace.root, body=self.plan.body),
        )
        for stage in (Stage.PREFLIGHT, Stage.PREPARE):
            self._stage(executor, stage)
        return executor

    def apply(self) -> Cost:
        """A new transaction on every host; what its apply stage alone took."""
        with adopting():
            began, cpu = time.monotonic(), usage()
            executor = self.prepare()
            self.before.append(Cost(seconds=time.monotonic() - began, cpu_s=usage() - cpu))
            began, cpu = time.monotonic(), usage()
            self._stage(executor, Stage.APPLY)
            return Cost(seconds=time.monotonic() - began, cpu_s=usage() - cpu)

    def transaction(self, host: str) -> str:
        """The name of this go's transaction on a host. A host that has done it says so at once."""
        return f"bench-{self.began}-{self.goes}-{host}"

    def _stage(self, executor: AnsibleExecutor, stage: Stage) -> None:
        waiting = [host.name for host in self.plan.body.hosts]
        asked = 0
        while waiting:
            asked += 1
            waiting = self._ask(executor, stage, waiting, asked)

    def _ask(
        self, executor: AnsibleExecutor, stage: Stage, hosts: list[str], asked: int
    ) -> list[str]:
        """The hosts whose transaction still runs. RuntimeError where one failed."""
        works = tuple(
            HostWork(host=host, attempt=1, transaction=self.transaction(host), fence=1)
            for host in hosts
        )
        ident = f"bench-{self.goes}-{stage.value}-{asked}"
        ring = self.plan.body.hosts[0].ring
        executor.start(
            Shard(
                id=ident,
                run="bench",
                stage=stage,
                ring=ring,
                manager=self.plan.body.cohorts[0].manager,
                hosts=works,
            )
        )
        again: list[str] = []
        while True:
            for found in executor.poll(1.0):
                if isinstance(found, ShardEnded):
                    return again
                if found.status is OutcomeStatus.RUNNING:
                    again.append(found.host)
                elif found.status is not OutcomeStatus.OK:
                    raise RuntimeError(f"{found.host}: {stage.value}: {found.reason}")


def keep_old(lab: Fleet, product: Product) -> None:
    """Have the old package files on each host; RuntimeError where one cannot be had."""
    product.prepare()
    each(
        [host.name for host in lab.lab.hosts()],
        lambda name: lab.lab.check(
            name,
            f"mkdir -p {_OLD} && cp /var/lib/patchctl/{product.transaction(name)}/old/*.deb {_OLD}",
        ),
    )


def put_back(lab: Fleet) -> None:
    """Every host as before; RuntimeError where one cannot be."""
    back = f"DEBIAN_FRONTEND=noninteractive {_INSTALL} --allow-downgrades {_OLD}/*.deb >/dev/null"
    each([host.name for host in lab.lab.hosts()], lambda name: lab.lab.check(name, back))
    settle()


def checked(lab: Fleet, updates: Updates, go: Callable[[], Cost]) -> Callable[[], Cost]:
    """`go`, and afterwards a look at what is really installed."""
    names = " ".join(updates.versions)
    new = [version for _, version in updates.versions.values()]

    def look(name: str) -> str:
        return lab.lab.check(name, f"dpkg-query -W -f '${{Version}} ' {names}")

    def run() -> Cost:
        cost = go()
        found = each([host.name for host in lab.lab.hosts()], look)
        wrong = {text for text in found if text.split() != new}
        if wrong:
            raise RuntimeError(f"not installed: {wrong}")
        return cost

    return run


def plan_of(lab: Fleet, packages: Sequence[str] = ()) -> tuple[Product, Updates]:
    """The frozen plan of the updates, made as an operator makes it, and what it brings: those of
    `packages`, or every security update."""
    lab.lab.publish(*CHANNELS)
    path = lab.scratch / "bench.lock"
    path.unlink(missing_ok=True)
    chosen = [word for name in packages for word in ("--package", name)] or ["--security"]
    lab.patchctl("-q", "plan", "create", *chosen, "--out", str(path))
    workspace = open_workspace(lab.workspace, this_process(), Access(forks=lab.forks))
    plan = find(workspace, str(path)).plan
    versions = {
        one.package: (one.from_, one.to)
        for cohort in plan.body.cohorts
        for one in cohort.transitions
    }
    return Product(workspace, load(workspace).fleet, plan), Updates(versions)


def main() -> int:
    """Patch all hosts with everybody in turn."""
    parser = arguments(__doc__ or "", hosts=20, quick=4)
    parser.add_argument("--forks", type=int, default=20, help="hosts at once (%(default)s)")
    parser.add_argument("--what", choices=("real", "small"), default="real", help="which updates")
    parser.add_argument("--lab", default="", metavar="NAME", help="use this lab, which is up")
    args = parser.parse_args()
    with fleet(how_many(args), args.forks, "bench-patching", args.lab) as lab:
        with_python_apt(lab.lab, lab.scratch)
        product, updates = plan_of(lab, SMALL if args.what == "small" else ())
        variables = Path(lab.scratch / "packages.json")
        variables.write_text(json.dumps({"bench_packages": updates.wanted}), encoding="utf-8")
        wanted = f"packages={json.dumps(updates.wanted)}"
        contestants = {
            "parallel ssh, apt-get": lambda: lab.parallel_ssh(updates.install),
            "patchctl, apply stage": product.apply,
            "ansible.builtin.apt": lambda: lab.ansible("apt.yml", "-e", f"@{variables}"),
            "pyinfra apt.packages": lambda: lab.pyinfra("apt.packages", wanted),
        }
        with product.workspace.runner:
            keep_old(lab, product)
            costs = take_turns(
                {name: checked(lab, updates, go) for name, go in contestants.items()},
                args.rounds,
                between=lambda: put_back(lab),
            )
        if args.lab:
            put_back(lab)
        costs["(patchctl, preflight and prepare)"] = product.before
        table = rows(costs, "parallel ssh, apt-get", len(lab.addresses))
        report: dict[str, Any] = {
            "benchmark": "patching",
            "hosts": len(lab.addresses),
            "forks": lab.forks,
            "updates": len(updates.versions),
            "machine": machine(),
            "tables": {"apply": table},
            "aims": verdict({row.name: row.median_s for row in table}),
        }
    show(args, report)
    return 0


def verdict(median: dict[str, float]) -> list[dict[str, Any]]:
    """The figures of the design."""
    ours = median["patchctl, apply stage"]
    return [
        aim(
            "apply stage <= 1.15 x parallel ssh with apt-get",
            ratio(ours, median["parallel ssh, apt-get"]),
            1.15,
        ),
        aim(
            "apply stage faster than ansible.builtin.apt",
            ratio(ours, median["ansible.builtin.apt"]),
            1.0,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
