"""Assessment of thousands of hosts against one whole distribution feed, cold.

Hosts are made up from the real AlmaLinux 8 feed: source packages with all their binaries, each host
with one of the last three versions of each, so that package lists differ and packages do not. The
feed is read from PATCHCTL_TEST_DATA (../shared/data where it lies beside the checkout). No peer
does the same, so the other size and the writing of `-o json` stand beside it.
"""

import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_world
import msgspec
from measure import PATCHCTL, ROOT, aim, arguments, command, how_many, machine, ratio, show

from patchctl.adapters.database import Database
from patchctl.assessment.feeds import read
from patchctl.assessment.streams import is_modular
from patchctl.assessment.versions import key
from patchctl.models.advisory import Advisory
from patchctl.models.facts import OsRelease, Package
from patchctl.models.ids import import_id
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot
from patchctl.models.versions import VersionScheme

DATA = Path(os.environ.get("PATCHCTL_TEST_DATA") or ROOT.parent / "shared" / "data")
FEED = DATA / "osv" / "AlmaLinux-8.zip"
PACKAGES, VERSIONS, BINARIES = 600, 3, 8
_TITLE = re.compile(r"\w+: ([A-Za-z0-9_.+-]+) security")


def sources() -> Iterator[tuple[str, list[str], list[str]]]:
    """(source, its binaries, its newest versions) of the feed's plain advisories."""
    names: dict[str, set[str]] = {}
    versions: dict[str, set[str]] = {}
    records = itertools.chain.from_iterable(feed.records() for feed in read(FEED))
    for record in records:
        if not isinstance(record, Advisory) or not (title := _TITLE.match(record.title)):
            continue
        own = [one for one in record.affected if one.ecosystem == "AlmaLinux:8"]
        fixes = {one.fixed for one in own}
        if len(fixes) == 1 and not is_modular(min(fixes)):
            names.setdefault(title[1], set()).update(one.name for one in own)
            versions.setdefault(title[1], set()).update(fixes)
    for name in sorted(names):
        ordered = sorted(versions[name], key=lambda one: key(VersionScheme.RPM, one))
        yield name, sorted(names[name])[:BINARIES], ordered[-VERSIONS:]


def prepare(root: Path, hosts: int) -> int:
    """A workspace with the feed and that many imported hosts; how many distinct packages."""
    bench_world.write_workspace(root, 1)
    (root / "inventory" / "hosts.yml").write_text("all: {}\n")
    command([PATCHCTL, "-q", "-C", root, "feeds", "import", FEED])
    chosen, count = [], 0
    every = list(sources())
    random.Random(1).shuffle(every)
    for source, binaries, versions in every:
        if count >= PACKAGES:
            break
        count += len(binaries)
        chosen.append(
            [
                tuple(
                    Package(
                        name=name,
                        version=version,
                        arch="x86_64",
                        source=source,
                        source_version=version.rpartition(":")[2],
                    )
                    for name in binaries
                )
                for version in versions
            ]
        )
    dice = random.Random(2)
    facts = bench_world.facts(0, ())
    os_release = OsRelease(id="almalinux", version_id="8.10")
    results = tuple(
        HostResult(
            name=f"host{number:05d}",
            status=HostStatus.OK,
            facts=msgspec.structs.replace(
                facts,
                os=os_release,
                packages=tuple(one for some in chosen for one in dice.choice(some)),
                repositories=(),
            ),
        )
        for number in range(hosts)
    )
    snapshot = Snapshot(
        id=import_id(bench_world.TAKEN * 1000, b"ab"),
        taken=bench_world.TAKEN,
        elapsed_ms=1,
        hosts=results,
    )
    with Database(root / ".patchctl" / "state.db").open() as database:
        database.snapshots.save(snapshot)
    return sum(len(binaries) for some in chosen for binaries in some)


def measured(hosts: int) -> dict[str, Any]:
    """One size: table and JSON, each a whole cold command."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        distinct = prepare(root, hosts)
        table = command([PATCHCTL, "-q", "-C", root, "assess"])
        out = root / "out.json"
        words = [str(PATCHCTL), "-q", "-C", str(root), "assess", "-o", "json"]
        with out.open("wb") as target:
            before = os.times()
            subprocess.run(words, stdout=target, stdin=subprocess.DEVNULL, check=True)
            after = os.times()
        return {
            "hosts": hosts,
            "packages": PACKAGES,
            "distinct_packages": distinct,
            "seconds": round(table.seconds, 2),
            "cpu_s": round(table.cpu_s, 2),
            "ms_a_host": round(1000 * table.seconds / hosts, 2),
            "json_cpu_s": round(
                after.children_user
                + after.children_system
                - before.children_user
                - before.children_system,
                2,
            ),
            "json_mib": out.stat().st_size // (1 << 20),
        }


def main() -> int:
    """Print the table."""
    parser = arguments(__doc__ or "", hosts=10_000, quick=500, rounds=1)
    args = parser.parse_args()
    if not FEED.exists():
        print(f"assessment: no feed at {FEED}; PATCHCTL_TEST_DATA names it", file=sys.stderr)
        return 2
    hosts = how_many(args)
    table = [measured(max(1, hosts // 10)), measured(hosts)]
    grown = ratio(table[1]["ms_a_host"], table[0]["ms_a_host"])
    show(
        args,
        {
            "benchmark": "assessment",
            "machine": machine(),
            "tables": {"assess": table},
            "aims": [
                aim(f"{hosts} hosts, cold: CPU seconds < 10", table[1]["cpu_s"], 10),
                aim("cost a host does not grow with hosts", grown, 1.1),
            ],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
