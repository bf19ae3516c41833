"""Functions of all benchmarks: contestants take turns, the cost of commands, and their report."""

import argparse
import contextlib
import ctypes
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATCHCTL = Path(sys.executable).parent / "patchctl"
# Everybody may keep compiled Python, as outside of a build.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one run: wall-clock seconds, and CPU seconds of the controller's processes (user
    + system).

    `peak_mib` is the largest resident size of one process; 0 where it was not measured.
    """

    seconds: float
    cpu_s: float
    peak_mib: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A contestant's figures over all rounds; `against` is its median by the reference's median."""

    name: str
    rounds: int
    median_s: float
    min_s: float
    max_s: float
    cpu_ms_a_host: float
    against: float | None
    against_min: float | None


Contestant = Callable[[], Cost]


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become, while measuring, the parent of processes that children leave behind.

    ssh's connection sharing leaves a process in the background, whose CPU would otherwise not be
    counted. This ends after the measurement, because the container engine also leaves processes,
    with the CPU of work on hosts.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _cpu_of_children() -> float:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family() -> Iterator[tuple[int, float]]:
    """Yield (pid, CPU seconds) of each living process that descends from this one; children of it
    that have ended are included. Hosts of a lab descend from this process too, but are left out:
    they have process id namespaces of their own."""
    own = _process_ids("self")
    parents: dict[int, list[tuple[int, float]]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc(5)
            known = (int(entry.parent.name), ticks / os.sysconf("SC_CLK_TCK"))
            parents.setdefault(int(fields[1]), []).append(known)
    waiting = list(parents.get(os.getpid(), ()))
    while waiting:
        pid, seconds = waiting.pop()
        if _process_ids(pid) == own:
            yield pid, seconds
            waiting += parents.get(pid, ())


def _process_ids(pid: int | str) -> str:
    """Return the process id namespace of a process; "" where it has ended."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""


def accept() -> None:
    """Wait until no worker of an earlier run lives, because its end would count for another one."""

    def is_worker(pid: int) -> bool:
        with contextlib.suppress(OSError):
            return b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False

    while any(is_worker(pid) for pid, _ in family()):
        time.sleep(0.2)
    _cpu_of_children()


def usage() -> float:
    """Return the CPU seconds of this process and all its descendants, also of living ones: a worker
    of patchctl stays for the next request."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    ended = _cpu_of_children()
    return used.ru_utime + used.ru_stime + ended + sum(seconds for _, seconds in family())


def command(
    words: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
) -> Cost:
    """Run a command to its end. Raises RuntimeError with its output where it fails."""
    before, began = _cpu_of_children(), time.monotonic()
    with (stdin or Path(os.devnull)).open("rb") as given, adopting():
        done = subprocess.run(
            [str(word) for word in words], stdin=given, capture_output=True, check=False,
            env={**ENVIRONMENT, **(env or {})}, cwd=cwd,
        )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode("utf-8", "replace")[-2000:]
        raise RuntimeError(f"{words[0]} ended with exit code {done.returncode}:\n{said}")
    return Cost(seconds=seconds, cpu_s=_cpu_of_children() - before)


def take_turns(
    contestants: Mapping[str, Contestant],
    rounds: int,
    *,
    between: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> dict[str, list[Cost]]:
    """Run each contestant once in each round; each round begins with another contestant.

    So other load on the machine affects all of them equally. `between` runs before each run and is
    not measured.
    """
    names = list(contestants)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            between()
            cost = contestants[name]()
            costs[name].append(cost)
            say(f"round {turn + 1}/{rounds}: {name}: {cost.seconds:.2f} s, CPU {cost.cpu_s:.2f} s")
    return costs


def rows(costs: Mapping[str, Sequence[Cost]], reference: str, hosts: int) -> list[Row]:
    """Return the table: medians, and ratios of medians and of minima to the reference's."""
    base = [cost.seconds for cost in costs.get(reference, ())]
    table = []
    for name, taken in costs.items():
        seconds = [cost.seconds for cost in taken]
        table.append(
            Row(
                name=name,
                rounds=len(seconds),
                median_s=round(statistics.median(seconds), 3),
                min_s=round(min(seconds), 3),
                max_s=round(max(seconds), 3),
                cpu_ms_a_host=round(
                    1000 * statistics.median(cost.cpu_s for cost in taken) / hosts, 1
                ),
                against=ratio(statistics.median(seconds), statistics.median(base))
                if base
                else None,
                against_min=ratio(min(seconds), min(base)) if base else None,
            )
        )
    return table


def ratio(value: float, other: float) -> float:
    """`one` in units of `other`, two decimals. Raises ZeroDivisionError for 0."""
    return round(value / other, 2)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on, and how busy it was."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def arguments(text: str, *, hosts: int, quick: int, rounds: int = 3) -> argparse.ArgumentParser:
    """Return the options of all benchmarks; `args.hosts` is None where it was not given."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(full=hosts, few=quick)
    parser.add_argument("--hosts", type=_positive, help=f"how many ({hosts}; with --quick {quick})")
    parser.add_argument(
        "--rounds", type=_positive, default=rounds, help="goes a contestant (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="few hosts, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def how_many(args: argparse.Namespace) -> int:
    """Return the requested number of hosts."""
    return int(args.hosts or (args.few if args.quick else args.full))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def show(args: argparse.Namespace, report: Mapping[str, Any]) -> None:
    """Print a report: {"machine", …, "tables": {title: [Row or mapping]}, "aims": […]}."""
    if args.json:
        print(json.dumps(report, default=asdict, indent=1))
        return
    print(" ".join(f"{key}={value}" for key, value in report.items() if key not in _PRINTED))
    print(" ".join(f"{key}={value}" for key, value in report["machine"].items()))
    for title, lines in report["tables"].items():
        print(f"\n{title}")
        _table([line if isinstance(line, Mapping) else asdict(line) for line in lines])
    print()
    for aim in report.get("aims", ()):
        print(f"{'reached' if aim['reached'] else 'MISSED '}  {aim['aim']}: {aim['figure']}")


_PRINTED = frozenset({"machine", "tables", "aims"})


def _table(lines: Sequence[Mapping[str, Any]]) -> None:
    cells = [list(lines[0])] + [
        ["-" if value is None else str(value) for value in line.values()] for line in lines
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        padded = [
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(padded).rstrip())


def aim(text: str, figure: float, limit: float, *, at_least: bool = False) -> dict[str, Any]:
    """Return one line of the verdict."""
    reached = figure >= limit if at_least else figure <= limit
    return {"aim": text, "figure": figure, "limit": limit, "reached": reached}
