"""Measure the assessment of thousands of hosts against the feed of a whole distribution, cold.

The hosts are made from the real AlmaLinux 8 feed: source packages with all their binaries, where
each host has one of the last three versions of each. So package lists differ between hosts, but
packages repeat. The feed is read from PATCHCTL_TEST_DATA (or from ../shared/data beside the
checkout). No peer does the same work, so the comparison is another fleet size and the writing of
`-o json`. Both sizes have the same distinct packages, so matching must take the same time. A
further fleet of the same size has hosts whose running kernels have three thousand CVEs each
(`bench_kernels`); its JSON would be forty GiB, so only the table is measured.
"""

import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_kernels
import bench_world
import msgspec
from measure import (
    ENVIRONMENT,
    PATCHCTL,
    ROOT,
    aim,
    arguments,
    command,
    how_many,
    machine,
    ratio,
    show,
)

from patchctl.adapters.database import Database
from patchctl.assessment.matching.builds import is_modular
from patchctl.assessment.versions import key
from patchctl.models.advisory import Advisory
from patchctl.models.facts import OsRelease, Package
from patchctl.models.ids import import_id
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot
from patchctl.models.versions import VersionScheme
from patchctl.wiring.feeds import read

DATA = Path(os.environ.get("PATCHCTL_TEST_DATA") or ROOT.parent / "shared" / "data")
FEED = DATA / "osv" / "AlmaLinux-8.zip"
PACKAGES, VERSIONS, BINARIES = 600, 3, 8
_TITLE = re.compile(r"\w+: ([A-Za-z0-9_.+-]+) security")


def sources() -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (source, its binaries, its newest versions) of the feed's plain advisories."""
    names: dict[str, set[str]] = {}
    versions: dict[str, set[str]] = {}
    records = itertools.chain.from_iterable(feed.records() for feed in read(FEED))
    for record in records:
        if not isinstance(record, Advisory) or not (title := _TITLE.match(record.title)):
            continue
        own = [affected for affected in record.affected if affected.ecosystem == "AlmaLinux:8"]
        fixes = {affected.fixed for affected in own}
        if len(fixes) == 1 and not is_modular(min(fixes)):
            names.setdefault(title[1], set()).update(affected.name for affected in own)
            versions.setdefault(title[1], set()).update(fixes)
    for name in sorted(names):
        ordered = sorted(versions[name], key=lambda version: key(VersionScheme.RPM, version))
        yield name, sorted(names[name])[:BINARIES], ordered[-VERSIONS:]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The parts that hosts are made of: the feed to import, their system, and for each source
    package the lists of binaries that a host may have of it."""

    feed: Path
    os: OsRelease
    choices: Sequence[Sequence[tuple[Package, ...]]]
    old_kernels: bool = False


def almalinux(folder: Path) -> Made:
    """Return the parts of hosts with the real feed."""
    choices = [
        [tuple(_packages(source, binaries, version)) for version in versions]
        for source, binaries, versions in _chosen()
    ]
    return Made(feed=FEED, os=OsRelease(id="almalinux", version_id="8.10"), choices=choices)


def old_kernels(folder: Path) -> Made:
    """Return the parts of Debian hosts with old kernels; the other packages are the same, with
    versions in Debian's form. The feed is written into the folder."""
    chosen = [
        (source, binaries, [version.replace("_", ".") for version in versions])
        for source, binaries, versions in _chosen()
    ]
    feed = folder / "tracker.json"
    tracker = bench_kernels.tracker([(source, versions) for source, _, versions in chosen])
    feed.write_text(json.dumps(tracker))
    choices = [
        [tuple(_packages(source, binaries, version, "amd64")) for version in versions]
        for source, binaries, versions in chosen
    ]
    return Made(feed=feed, os=bench_kernels.OS, choices=choices, old_kernels=True)


FLEETS = {"AlmaLinux": almalinux, "old kernels": old_kernels}


def _chosen() -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield random sources until they have as many binaries as a host has packages."""
    every, count = list(sources()), 0
    random.Random(1).shuffle(every)
    for source in every:
        if count >= PACKAGES:
            break
        count += len(source[1])
        yield source


def _packages(
    source: str, binaries: Sequence[str], version: str, arch: str = "x86_64"
) -> Iterator[Package]:
    for name in binaries:
        yield Package(
            name=name,
            version=version,
            arch=arch,
            source=source,
            source_version=version if arch == "amd64" else version.rpartition(":")[2],
        )


def prepare(root: Path, hosts: int, fleet: str) -> int:
    """Make a workspace with the feed and that many imported hosts; return the number of distinct
    packages."""
    bench_world.write_workspace(root, 1)
    (root / "inventory" / "hosts.yml").write_text("all: {}\n")
    made = FLEETS[fleet](root)
    command([PATCHCTL, "-q", "-C", root, "feeds", "import", made.feed])
    snapshot = Snapshot(
        id=import_id(bench_world.TAKEN * 1000, b"ab"),
        taken=bench_world.TAKEN,
        elapsed_ms=1,
        hosts=tuple(_hosts(made, hosts)),
    )
    with Database(root / ".patchctl" / "state.db").open() as database:
        database.snapshots.save(snapshot)
    return len(
        {id(package) for host in snapshot.hosts if host.facts for package in host.facts.packages}
    )


def _hosts(made: Made, hosts: int) -> Iterator[HostResult]:
    dice = random.Random(2)
    facts = bench_world.facts(0, ())
    # One object for what is alike, as discovery gives it.
    kernels = [bench_kernels.kernel(number) for number in range(bench_kernels.DISTINCT)]
    for number in range(hosts):
        packages = tuple(package for some in made.choices for package in dice.choice(some))
        kernel = facts.kernel
        if made.old_kernels:
            kernel, images = kernels[number % len(kernels)]
            packages += images
        yield HostResult(
            name=f"host{number:05d}",
            status=HostStatus.OK,
            facts=msgspec.structs.replace(
                facts, os=made.os, packages=packages, kernel=kernel, repositories=()
            ),
        )


def spent(words: Sequence[str | Path], out: Path) -> dict[str, float]:
    """Run a command to its end and return what it used. Raises RuntimeError where it fails."""
    began = time.monotonic()
    with out.open("wb") as target:
        process = subprocess.Popen(
            list(map(str, words)), stdout=target, stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )
        _, status, used = os.wait4(process.pid, 0)
    # The process is gone, and Popen must not wait for it again.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{words[0]} ended with exit code {process.returncode}")
    return {
        "seconds": time.monotonic() - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }


def matching(root: Path) -> dict[str, float]:
    """Run an assessment in this process; return the CPU seconds and the number of calls of
    matching."""
    from patchctl.assessment.findings import fleet
    from patchctl.cli.caller import this_process
    from patchctl.wiring.assess import assess
    from patchctl.wiring.workspace import open_workspace

    original, seconds, calls = fleet.match, 0.0, 0

    def timed(*words: Any) -> Any:
        nonlocal seconds, calls
        began = time.process_time()
        hits = original(*words)
        seconds += time.process_time() - began
        calls += 1
        return hits

    fleet.match = timed
    done = assess(open_workspace(root, this_process()), "", (), "").done()
    findings = sum(done.by_state.values())
    return {"match_ms": 1000 * seconds, "matched": calls, "findings": findings}


def measured(fleet: str, hosts: int, rounds: int, *, with_json: bool = True) -> dict[str, Any]:
    """Measure one fleet of one size, table and JSON, each in a cold command; return medians.
    Without JSON, matching is measured once, because these runs take long."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder), Path(folder) / "out"
        distinct = prepare(root, hosts, fleet)
        start = [PATCHCTL, "-q", "-C", root, "assess"]
        goes: dict[str, list[dict[str, float]]] = {"table": [], "json": [], "match": []}
        size = 0
        for _ in range(rounds):
            goes["table"].append(spent(start, out))
            if with_json:
                goes["json"].append(spent([*start, "-o", "json"], out))
                size = out.stat().st_size
            if with_json or not goes["match"]:
                spent([sys.executable, __file__, "--match", root], out)
                goes["match"].append(json.loads(out.read_text()))
            out.unlink()
        state = (root / ".patchctl" / "state.db").stat().st_size

        def median(kind: str, what: str) -> float:
            return round(statistics.median(cost[what] for cost in goes[kind]), 2)

        return {
            "fleet": fleet,
            "hosts": hosts,
            "packages": PACKAGES,
            "distinct_packages": distinct,
            "findings_a_host": round(median("match", "findings") / hosts),
            "seconds": median("table", "seconds"),
            "cpu_s": median("table", "cpu_s"),
            "ms_a_host": round(1000 * median("table", "cpu_s") / hosts, 2),
            "peak_mib": round(median("table", "peak_mib")),
            "matched": round(median("match", "matched")),
            "match_ms": median("match", "match_ms"),
            "json_cpu_s": median("json", "cpu_s") if with_json else None,
            "json_peak_mib": round(median("json", "peak_mib")) if with_json else None,
            "json_mib": size // (1 << 20) if with_json else None,
            "state_mib": round(state / (1 << 20), 1),
        }


def main() -> int:
    """Print the table."""
    parser = arguments(__doc__ or "", hosts=10_000, quick=500, rounds=3)
    parser.add_argument("--match", type=Path, metavar="DIR", help="only matching, of a workspace")
    args = parser.parse_args()
    if args.match:
        print(json.dumps(matching(args.match)))
        return 0
    if not FEED.exists():
        print(f"assessment: no feed at {FEED}; PATCHCTL_TEST_DATA names it", file=sys.stderr)
        return 2
    hosts = how_many(args)
    table = [
        measured("AlmaLinux", max(1, hosts // 10), args.rounds),
        measured("AlmaLinux", hosts, args.rounds),
        measured("old kernels", hosts, args.rounds, with_json=False),
    ]
    grown = ratio(table[1]["ms_a_host"], table[0]["ms_a_host"])
    flat = ratio(table[1]["match_ms"], table[0]["match_ms"])
    show(
        args,
        {
            "benchmark": "assessment",
            "machine": machine(),
            "tables": {"assess": table},
            "aims": [
                aim(f"{hosts} hosts, cold: CPU seconds < 10", table[1]["cpu_s"], 10),
                aim("matching: ten times the hosts, time <= 1.1", flat, 1.1),
                aim("cost a host does not grow with hosts", grown, 1.1),
            ],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
