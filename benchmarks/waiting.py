"""Measure the controller's cost of waiting: hosts work for a minute, and the controller only waits.

Each host installs a package whose post-install script sleeps (`--sleep`), so hosts need no CPU and
only the cost of asking is measured. patchctl's figure is its apply stage with the product's own
executor, as in patching.py; the peer is parallel ssh, which has an open connection to each host and
asks nothing. Both take turns on the same hosts, whose packages are downgraded before each run.

`memory` is the largest proportional set size of the controller's processes, measured every ten
seconds: this program with patchctl in it, all of Ansible, all of ssh. Real updates and tiny ones
are measured by patching.py, with the same executor.

`--simulated N` needs no lab: N, N/2 and N/4 hosts behind a program in place of ssh, which records
its call, waits and answers; Ansible, the worker and the runner are real.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from bench_lab import fleet
from measure import (
    Cost,
    adopting,
    aim,
    arguments,
    family,
    how_many,
    machine,
    ratio,
    rows,
    show,
    take_turns,
    usage,
)
from patching import checked, keep_old, plan_of, put_back

from patchctl.adapters.ansible.runner import AnsibleRunner
from patchctl.lab.handle import each
from patchctl.models.connection import Connection
from patchctl.models.facts import PackageManager
from patchctl.models.rollout import Stage
from patchctl.protocol.jobs import Answer, Ended, Job

_PACKAGE = "patchlab-slow"
_LOOK_S = 10.0  # each look costs as much as asking a few hosts
_REFERENCE, _OURS = "parallel ssh, apt-get", "patchctl, apply stage"


def _sizes() -> Counter[str]:
    """Return the MiB of patchctl, Ansible and ssh."""
    sizes: Counter[str] = Counter()
    for pid in (os.getpid(), *(pid for pid, _ in family())):
        with contextlib.suppress(OSError, StopIteration):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            size = int(next(line for line in lines if line.startswith("Pss:")).split()[1])
            name = "ansible" if b"ansible-playbook" in command else "ssh"
            sizes["patchctl" if pid == os.getpid() else name] += size
    return Counter({name: size // 1024 for name, size in sizes.items()})


# It takes ssh's place: what it is sent has the mark that an answer must bear. It begins at once, as
# a host does, and answers when its work is over.
_RECORDER = r"""#!/bin/sh
mark=$(sed -n "s/^  printf '.n@@%s end %s.n' \([0-9a-f]*\) .*/\1/p")
echo x >>CALLS
printf '\n@@%s begin plain\n' "$mark"
sleep SECONDS
printf 'done\n\n@@%s end 0\n' "$mark"
"""


class Memory:
    """The largest sizes that were measured."""

    def __init__(self) -> None:
        self.most: dict[str, int] = {}
        self._over = threading.Event()

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Measure until the block ends."""
        self._over.clear()
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            sizes = _sizes()
            if sizes.total() > self.most.get("together", 0):
                self.most = {**sizes, "together": sizes.total()}


def simulated(hosts: int, seconds: int, folder: Path) -> tuple[Cost, int]:
    """Let so many simulated hosts work for so long, each asked once; return the cost and the
    largest MiB.

    Raises RuntimeError where a host did not answer, or was called more than once.
    """
    calls, recorder = folder / "calls", folder / "ssh"
    calls.write_text("")
    text = _RECORDER.replace("CALLS", str(calls)).replace("SECONDS", str(seconds))
    recorder.write_text(text, encoding="utf-8")
    recorder.chmod(0o700)
    names = [f"simulated-{number}" for number in range(hosts)]
    variables = {"ansible_ssh_executable": str(recorder), "ansible_become": False}
    job = Job(
        id=f"simulated-{hosts}",
        stage=Stage.APPLY.value,
        inventory={"all": {"hosts": dict.fromkeys(names, variables)}},
        payloads=dict.fromkeys(names, "simulated"),
        manager=PackageManager.APT,
        timeout_s=seconds + 120,
    )
    memory, answers = Memory(), SimpleQueue[Answer | Ended]()
    with adopting(), memory.looking():
        began, cpu = time.monotonic(), usage()
        with AnsibleRunner(folder / "runs", folder, Connection(), os.environ) as runner:
            runner.ask(job, answers)
            came = [answers.get() for _ in range(hosts + 1)]
        cost = Cost(seconds=time.monotonic() - began, cpu_s=usage() - cpu)
    well = [it for it in came if isinstance(it, Answer) and it.output == "done\n"]
    if len(well) != hosts or len(calls.read_text().split()) != hosts:
        raise RuntimeError(f"{len(well)} answers of {hosts} hosts: {came[:3]}")
    return cost, memory.most["together"]


def report_simulated(most: int, seconds: int) -> dict[str, Any]:
    """Measure the same working time for a quarter, half and all of the hosts."""
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as scratch:
        for hosts in (most // 4, most // 2, most):
            cost, mib = simulated(hosts, seconds, Path(scratch))
            lines.append(
                {
                    "hosts": hosts,
                    "seconds": round(cost.seconds, 1),
                    "cpu_s": round(cost.cpu_s, 2),
                    "cpu_ms_a_host": round(1000 * cost.cpu_s / hosts, 1),
                    "MiB": mib,
                }
            )
    growth = ratio(lines[2]["cpu_ms_a_host"], lines[0]["cpu_ms_a_host"])
    return {
        "benchmark": "waiting",
        "machine": machine(),
        "tables": {f"simulated hosts at work for {seconds} s": lines},
        "aims": [aim("four times the hosts, CPU a host not above 1.1 x", growth, 1.1)],
    }


def main() -> int:
    """Run both contestants in turn on all hosts."""
    parser = arguments(__doc__ or "", hosts=20, quick=3, rounds=2)
    parser.add_argument("--sleep", type=int, default=60, help="seconds of a host (%(default)s)")
    parser.add_argument("--forks", type=int, default=20, help="hosts at once (%(default)s)")
    parser.add_argument("--lab", default="", metavar="NAME", help="use this lab, which is up")
    parser.add_argument(
        "--simulated", type=int, default=0, metavar="N", help="so many simulated hosts instead"
    )
    args = parser.parse_args()
    if args.simulated:
        show(args, report_simulated(args.simulated, args.sleep))
        return 0
    with fleet(how_many(args), args.forks, "bench-waiting", args.lab) as lab:
        lab.lab.publish("slow")
        names = [host.name for host in lab.lab.hosts()]
        setting = f"echo {args.sleep} >/etc/patchlab/slow"
        each(names, lambda name: lab.lab.check(name, setting))
        product, updates = plan_of(lab, (_PACKAGE,))
        memory = Memory()

        def ours() -> Any:
            with memory.looking():
                return product.apply()

        contestants = {_REFERENCE: lambda: lab.parallel_ssh(updates.install), _OURS: ours}
        with product.workspace.runner:
            keep_old(lab, product)
            costs = take_turns(
                {name: checked(lab, updates, go) for name, go in contestants.items()},
                args.rounds,
                between=lambda: put_back(lab),
            )
        if args.lab:
            put_back(lab)
        each(names, lambda name: lab.lab.check(name, "rm -f /etc/patchlab/slow"))
        costs["(patchctl, preflight and prepare)"] = product.before
        table = rows(costs, _REFERENCE, len(lab.addresses))
        figures = {row.name: row for row in table}
        above = figures[_OURS].cpu_ms_a_host - figures[_REFERENCE].cpu_ms_a_host
        wall = ratio(figures[_OURS].median_s, figures[_REFERENCE].median_s)
        report: dict[str, Any] = {
            "benchmark": "waiting",
            "hosts": len(lab.addresses),
            "forks": lab.forks,
            "sleep": args.sleep,
            "machine": machine(),
            "tables": {"apply": table, "memory, MiB": [memory.most]},
            "aims": [
                aim("controller CPU a host above parallel ssh <= 150 ms", round(above, 1), 150),
                aim("apply stage <= 1.15 x parallel ssh", wall, 1.15),
                aim("controller <= 250 MB", memory.most.get("together", 0), 250),
            ],
        }
    show(args, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
