"""Compare the apply step on lab hosts with parallel ssh, a module of Ansible and pyinfra.

All of them install the same versions from fresh package lists, on hosts whose packages are
downgraded before each run (not measured). The updates are those that Debian had for the lab's
frozen hosts, or (`--what small`) three tiny packages, which show the cost of each contestant
itself. Hosts with dnf (`--image rpm`) have only the tiny ones. patchctl's figure is its apply stage
only, with the product's own executor: start Ansible, start the detached transaction on each host,
attach to it, and read its result. Preflight and prepare (claim, checks, fetching files) come before
it and verification after it; none of them is in the figure, and the time of the first two is
printed beside it. The peers do nothing like that.
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
    accept,
    adopting,
    aim,
    arguments,
    how_many,
    machine,
    ratio,
    rows,
    show,
    take_turns,
    usage,
)

from patchctl.cli.caller import this_process
from patchctl.executors.ansible import AnsibleExecutor
from patchctl.executors.hooks import PlannedHooks
from patchctl.inventory.export import generate
from patchctl.lab.handle import Lab, each
from patchctl.models.fleet import Fleet as Inventory
from patchctl.models.plan import Plan
from patchctl.models.rollout import HostWork, OutcomeStatus, Shard, ShardEnded, Stage
from patchctl.wiring.fleet import load
from patchctl.wiring.stored import find_plan
from patchctl.wiring.workspace import Access, Workspace, open_workspace

CHANNELS = ("lib",)  # good-web and main are there from the start
SMALL = ("patchlab-web", "patchlab-docs", "patchlab-lib")
_OLD = "/root/bench-old"  # on hosts
_OURS = "patchctl, apply stage"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A package manager as the peers use it.

    `install` and `back` take words: exact versions, old files. `installed` prints versions, a word
    each, in the order of the names after it; `join` is between name and version; `peer` is
    Ansible's module and pyinfra's operation.
    """

    name: str
    install: str
    back: str
    installed: str
    join: str
    files: str
    peer: str
    before: Callable[[Lab, Path], None] = lambda _lab, _folder: None

    @property
    def playbook(self) -> str:
        """The file in `peers/`."""
        return f"{self.peer}.yml"


_APT_INSTALL = (
    "env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold install"
)
TOOLS: Mapping[str, Tool] = {
    "debian": Tool(
        name="apt-get",
        install=_APT_INSTALL,
        back=f"{_APT_INSTALL} --allow-downgrades",
        installed="dpkg-query -W -f '${Version} '",
        join="=",
        files="*.deb",
        peer="apt",
        before=with_python_apt,
    ),
    "rpm": Tool(
        name="dnf",
        install="dnf -y -q upgrade",
        back="dnf -y -q --disablerepo='*' downgrade",
        installed="rpm -q --qf '%{VERSION}-%{RELEASE} '",
        join="-",
        files="*.rpm",
        peer="dnf",
    ),
}


@dataclass(frozen=True)
class Updates:
    """The updates to install: package -> (version before, version after)."""

    versions: Mapping[str, tuple[str, str]]
    tool: Tool = TOOLS["debian"]

    @property
    def wanted(self) -> list[str]:
        """Return each update with its exact version, in the package manager's form."""
        return [f"{name}{self.tool.join}{new}" for name, (_, new) in self.versions.items()]

    @property
    def install(self) -> str:
        """Return the peers' shell command."""
        return f"sudo -n {self.tool.install} {' '.join(self.wanted)}"


@dataclass
class Product:
    """patchctl's stages on all hosts of a plan. `before` has the costs of preflight and prepare."""

    workspace: Workspace
    fleet: Inventory
    plan: Plan
    began: int = field(default_factory=lambda: int(time.time()))
    goes: int = 0
    before: list[Cost] = field(default_factory=list)

    def prepare(self) -> AnsibleExecutor:
        """Begin a new transaction on each host, up to its apply stage."""
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
        """Run a new transaction on each host; return the cost of its apply stage only."""
        with adopting():
            began, cpu = time.monotonic(), usage()
            executor = self.prepare()
            self.before.append(Cost(seconds=time.monotonic() - began, cpu_s=usage() - cpu))
            began, cpu = time.monotonic(), usage()
            self._stage(executor, Stage.APPLY)
            return Cost(seconds=time.monotonic() - began, cpu_s=usage() - cpu)

    def transaction(self, host: str) -> str:
        """Return the name of this run's transaction on a host. A host that has done it answers at
        once."""
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
        """Return the hosts whose transaction still runs. Raises RuntimeError where one failed."""
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
            for outcome in executor.poll(1.0):
                if isinstance(outcome, ShardEnded):
                    return again
                if outcome.status is OutcomeStatus.RUNNING:
                    again.append(outcome.host)
                elif outcome.status is not OutcomeStatus.OK:
                    raise RuntimeError(f"{outcome.host}: {stage.value}: {outcome.reason}")


def keep_old(lab: Fleet, product: Product, tool: Tool = TOOLS["debian"]) -> None:
    """Put the old package files on each host; raise RuntimeError where one is not available."""
    product.prepare()

    def keep(name: str) -> str:
        old = f"/var/lib/patchctl/{product.transaction(name)}/old/{tool.files}"
        return lab.lab.check(name, f"mkdir -p {_OLD} && cp {old} {_OLD}")

    each([host.name for host in lab.lab.hosts()], keep)


def put_back(lab: Fleet, tool: Tool = TOOLS["debian"]) -> None:
    """Downgrade the packages of each host; raise RuntimeError where that fails."""
    back = f"{tool.back} {_OLD}/{tool.files} >/dev/null"
    each([host.name for host in lab.lab.hosts()], lambda name: lab.lab.check(name, back))
    accept()


def checked(lab: Fleet, updates: Updates, go: Callable[[], Cost]) -> Callable[[], Cost]:
    """Return `go` followed by a check of what is really installed."""
    names = " ".join(updates.versions)
    new = [version for _, version in updates.versions.values()]

    def look(name: str) -> str:
        return lab.lab.check(name, f"{updates.tool.installed} {names}")

    def run() -> Cost:
        cost = go()
        answers = each([host.name for host in lab.lab.hosts()], look)
        wrong = {text for text in answers if text.split() != new}
        if wrong:
            raise RuntimeError(f"not installed: {wrong}")
        return cost

    return run


def plan_of(
    lab: Fleet, packages: Sequence[str] = (), tool: Tool = TOOLS["debian"]
) -> tuple[Product, Updates]:
    """Return the frozen plan, made as an operator makes it, and its updates: those of `packages`,
    or all security updates."""
    lab.lab.publish(*CHANNELS)
    path = lab.scratch / "bench.lock"
    path.unlink(missing_ok=True)
    chosen = [word for name in packages for word in ("--package", name)] or ["--security"]
    lab.patchctl("-q", "plan", "create", *chosen, "--out", str(path))
    workspace = open_workspace(lab.workspace, this_process(), Access(forks=lab.forks))
    plan = find_plan(workspace, str(path)).plan
    versions = {
        transition.package: (transition.from_, transition.to)
        for cohort in plan.body.cohorts
        for transition in cohort.transitions
    }
    return Product(workspace, load(workspace).fleet, plan), Updates(versions, tool)


def main() -> int:
    """Patch all hosts with each contestant in turn."""
    parser = arguments(__doc__ or "", hosts=20, quick=4)
    parser.add_argument("--forks", type=int, default=20, help="hosts at once (%(default)s)")
    parser.add_argument("--what", choices=("real", "small"), default="real", help="which updates")
    parser.add_argument("--image", choices=tuple(TOOLS), default="debian", help="which hosts")
    parser.add_argument("--lab", default="", metavar="NAME", help="use this lab, which is up")
    args = parser.parse_args()
    tool = TOOLS[args.image]
    small = args.what == "small" or args.image == "rpm"
    reference = f"parallel ssh, {tool.name}"
    with fleet(how_many(args), args.forks, "bench-patching", args.lab, args.image) as lab:
        tool.before(lab.lab, lab.scratch)
        product, updates = plan_of(lab, SMALL if small else (), tool)
        variables = Path(lab.scratch / "packages.json")
        variables.write_text(json.dumps({"bench_packages": updates.wanted}), encoding="utf-8")
        wanted = f"packages={json.dumps(updates.wanted)}"
        module = f"ansible.builtin.{tool.peer}"
        contestants = {
            reference: lambda: lab.parallel_ssh(updates.install),
            _OURS: product.apply,
            module: lambda: lab.ansible(tool.playbook, "-e", f"@{variables}"),
            f"pyinfra {tool.peer}.packages": lambda: lab.pyinfra(f"{tool.peer}.packages", wanted),
        }
        with product.workspace.runner:
            keep_old(lab, product, tool)
            costs = take_turns(
                {name: checked(lab, updates, go) for name, go in contestants.items()},
                args.rounds,
                between=lambda: put_back(lab, tool),
            )
        if args.lab:
            put_back(lab, tool)
        costs["(patchctl, preflight and prepare)"] = product.before
        table = rows(costs, reference, len(lab.addresses))
        median = {row.name: row.median_s for row in table}
        report: dict[str, Any] = {
            "benchmark": "patching",
            "hosts": len(lab.addresses),
            "image": args.image,
            "forks": lab.forks,
            "updates": len(updates.versions),
            "machine": machine(),
            "tables": {"apply": table},
            "aims": [
                aim(
                    f"apply stage <= 1.15 x {reference}",
                    ratio(median[_OURS], median[reference]),
                    1.15,
                ),
                aim(f"apply stage faster than {module}", ratio(median[_OURS], median[module]), 1.0),
            ],
        }
    show(args, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
