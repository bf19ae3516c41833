"""Measure commands that only read, on a state of thousands of hosts: time to first byte and to the
end.

The state is real: an inventory, a discovery with 600 packages a host, a whole simulated rollout.
`inventory list` reads the inventory again with ansible-inventory, as all commands do that need it;
a tenth of the hosts is measured beside it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bench_world
from engine import one as roll_out
from measure import ENVIRONMENT, PATCHCTL, aim, arguments, how_many, machine, show, usage

from patchctl.adapters.database import Database
from patchctl.cli.caller import this_process
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import open_workspace

PACKAGES = 600
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--help",),
    ("rollout", "status"),
    ("rollout", "status", "-o", "json"),
    ("rollout", "list"),
    ("discover", "list"),
    ("discover", "list", "--host", "host00042"),
    ("discover", "show", "host00042"),
    ("plan", "list"),
    ("plan", "show"),
    ("plan", "show", "-o", "json"),
    ("audit", "show"),
    ("audit", "show", "--host", "host00042"),
    ("audit", "verify"),
    ("feeds", "status"),
    ("status",),
    ("status", "-o", "json"),
    ("exceptions", "list", "-o", "json"),
    ("inventory", "list"),
)


def timed(root: Path, words: Sequence[str]) -> tuple[float, float, float]:
    """Return seconds to the first byte of stdout, to the end, and of CPU. Raises RuntimeError where
    the command fails."""
    before, began = usage(), time.monotonic()
    with subprocess.Popen(
        [PATCHCTL, "-C", root, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        os.read(process.stdout.fileno(), 1)
        first = time.monotonic() - began
        process.stdout.read()
        said = process.stderr.read()
    if process.returncode != 0:
        raise RuntimeError(f"patchctl {' '.join(words)}: {said.decode()[-500:]}")
    return first, time.monotonic() - began, usage() - before


def prepare(root: Path, hosts: int) -> None:
    """Make the state that is read."""
    roll_out(root, hosts)
    fleet = load(open_workspace(root, this_process())).fleet
    with Database(root / ".patchctl" / "state.db").open() as database:
        database.snapshots.save(bench_world.snapshot(fleet, PACKAGES))


def main() -> int:
    """Run each command some times, in turn."""
    parser = arguments(__doc__ or "", hosts=10_000, quick=500, rounds=5)
    args = parser.parse_args()
    hosts = how_many(args)
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
        root = Path(folder) / "workspace"
        prepare(root, hosts)
        taken: dict[tuple[str, ...], list[tuple[float, float, float]]] = {
            name: [] for name in COMMANDS
        }
        for _ in range(args.rounds):
            for words, times in taken.items():
                times.append(timed(root, words))
    lines = [
        {
            "command": "patchctl " + " ".join(words),
            "rounds": len(times),
            "first_byte_s": round(statistics.median(first for first, _, _ in times), 3),
            "median_s": round(statistics.median(end for _, end, _ in times), 3),
            "min_s": round(min(end for _, end, _ in times), 3),
            "cpu_s": round(statistics.median(cpu for _, _, cpu in times), 3),
        }
        for words, times in taken.items()
    ]
    report: dict[str, Any] = {
        "benchmark": "reading",
        "hosts": hosts,
        "machine": machine(),
        "tables": {"commands": lines},
        "aims": [verdict for line in lines for verdict in verdicts(line)],
    }
    show(args, report)
    return 0


def verdicts(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compare with the limits: a command 1 s, its first output and the help 0.3 s."""
    limit = 0.3 if line["command"].endswith("--help") else 1.0
    yield aim(f"{line['command']} < {limit} s", line["median_s"], limit)
    if limit > 0.3:
        yield aim(f"{line['command']}: first output < 0.3 s", line["first_byte_s"], 0.3)


if __name__ == "__main__":
    sys.exit(main())
