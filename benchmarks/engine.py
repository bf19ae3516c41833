"""Measure rollouts over thousands of simulated hosts: real engine, journal, leases and audit.

Each size runs in a process of its own, for its own CPU time and peak memory. Hosts answer each
stage with success after a second of virtual time; the journal is the SQLite file that a real run
writes, in this machine's temporary folder.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bench_world
from measure import aim, arguments, how_many, machine, ratio, show

from patchctl.adapters import processes
from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.cli.caller import this_process
from patchctl.executors.simulated import SimulatedExecutor, SimulatedHost, VirtualClock
from patchctl.models.rollout import RunState
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import open_workspace
from patchctl.workflows.rollout.runs import Rollouts


def one(root: Path, hosts: int) -> dict[str, Any]:
    """Run a whole rollout in the workspace `root`; return its cost without that of inventory and
    plan."""
    bench_world.write_workspace(root, hosts)
    fleet = load(open_workspace(root, this_process())).fleet
    clock = VirtualClock()
    plan = bench_world.plan(fleet, clock.now_ms() // 1000)
    simulated = {host.name: SimulatedHost(host.name) for host in fleet.hosts}
    before, began = _used(), time.monotonic()
    rollouts = Rollouts(
        database=Database(root / ".patchctl" / "state.db").open(),
        executor=lambda _: SimulatedExecutor(simulated, clock),
        fleet=lambda: fleet,
        clock=clock,
        process=processes.own(),
        alive=processes.is_alive,
        by="benchmark",
        audit=AuditFiles(root / ".patchctl" / "audit"),
        check=lambda _: None,  # simulated hosts have no package files
    )
    view = rollouts.advance(rollouts.start(plan))
    done = sum(host.changes == 1 for host in simulated.values())
    if view.state is not RunState.DONE or done != hosts:
        raise RuntimeError(f"the run ended {view.state.value} with {done} of {hosts} hosts patched")
    return {
        "hosts": hosts,
        "cpu_s": round(_used() - before, 2),
        "seconds": round(time.monotonic() - began, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure a tenth of the hosts, then all; or one size in a child process."""
    parser = arguments(__doc__ or "", hosts=10_000, quick=1_000, rounds=1)
    parser.add_argument("--into", type=Path, metavar="DIR", help="one size alone, kept in DIR")
    args = parser.parse_args()
    hosts = how_many(args)
    if args.into:
        print(json.dumps(one(args.into, hosts)))
        return 0
    rows = []
    for size in sorted({max(10, hosts // 10), hosts}):
        with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
            done = subprocess.run(
                [sys.executable, __file__, "--hosts", str(size), "--into", f"{folder}/workspace"],
                stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
            rows.append(json.loads(done.stdout))
    few, many = rows[0], rows[-1]
    growth = ratio(many["cpu_s"] / many["hosts"], few["cpu_s"] / few["hosts"])
    report = {
        "benchmark": "engine",
        "machine": machine(),
        "tables": {"rollout": rows},
        "aims": [
            aim(f"{hosts} hosts: CPU seconds < 60", many["cpu_s"], 60),
            aim(f"{hosts} hosts: MiB < 300", many["peak_mib"], 300),
            aim(f"linear: CPU a host, {many['hosts']} by {few['hosts']} <= 1.1", growth, 1.1),
        ],
    }
    show(args, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
