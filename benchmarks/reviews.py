"""What a person asks before something happens, on thousands of hosts: `explain` and `plan show`.

`explain` of one CVE on imported hosts with package lists of their own (the two fleets of
assessment.py): the CVE that most hosts have. No peer answers such a question; its limit stands
beside it, and `assess` of the same hosts, which finds all CVEs. `plan show` of a plan with twenty
cohorts and what it leaves out on each host, from the state and from its file. Of the file the size
and the time to read it are measured beside those of one line without spaces, as it was before.
"""

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import assessment
import bench_world
from measure import PATCHCTL, aim, arguments, how_many, machine, show
from msgspec import structs

from patchctl.adapters.database import Database
from patchctl.cli.caller import this_process
from patchctl.models import canonical
from patchctl.models.plan import LeftOut, LeftOutReason, Plan, SnapshotRef
from patchctl.plan import lockfile
from patchctl.plan.cohorts import cohort
from patchctl.plan.freeze import seal
from patchctl.wiring.assess import assess
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import open_workspace

_LEFT_OUT = 5  # updates of each host


def costs(words: Sequence[str | Path], rounds: int, out: Path) -> dict[str, Any]:
    """A whole cold command some times; medians."""
    goes = [assessment.spent(words, out) for _ in range(rounds)]
    return {
        "seconds": round(statistics.median(go["seconds"] for go in goes), 2),
        "cpu_s": round(statistics.median(go["cpu_s"] for go in goes), 2),
        "peak_mib": round(max(go["peak_mib"] for go in goes)),
        "lines": len(out.read_bytes().splitlines()),
    }


def most_common_cve(root: Path) -> str:
    """The CVE that most hosts of a workspace have."""
    counts: Counter[str] = Counter()
    for _, findings in assess(open_workspace(root, this_process()), "", (), "").hosts():
        counts.update(finding.cve for finding in findings)
    return min(counts, key=lambda cve: (-counts[cve], cve))


def explaining(fleet: str, hosts: int, rounds: int) -> list[dict[str, Any]]:
    """`explain` of one CVE, and `assess` beside it."""
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
        root, out = Path(folder), Path(folder) / "out"
        assessment.prepare(root, hosts, fleet)
        start = [PATCHCTL, "-q", "-C", root]
        return [
            {"fleet": fleet, "command": words[0], "hosts": hosts}
            | costs([*start, *words], rounds, out)
            for words in (("explain", most_common_cve(root)), ("assess",))
        ]


def plan_of(hosts: int, root: Path) -> Plan:
    """A plan with what discovery saw and what is left out on each host, in the state of a
    workspace."""
    bench_world.write_workspace(root, hosts)
    fleet = load(open_workspace(root, this_process())).fleet
    plan = bench_world.plan(fleet, int(time.time()))
    names = sorted(host.name for host in fleet.hosts)
    cohorts = {row.id: cohort(row.manager, row.transitions, ()) for row in plan.body.cohorts}
    body = structs.replace(
        plan.body,
        policy="sha256:" + "0" * 64,
        cohorts=tuple(sorted(cohorts.values(), key=lambda row: row.id)),
        hosts=tuple(
            structs.replace(host, cohort=cohorts[host.cohort].id) for host in plan.body.hosts
        ),
        snapshots=tuple(SnapshotRef(host=name, facts="sha256:" + "ab" * 32) for name in names),
        left_out=tuple(
            LeftOut(
                host=name,
                reason=LeftOutReason.NOT_SECURITY,
                package=f"package{(index + step) % 60:02}",
                version="1.1-1",
            )
            for index, name in enumerate(names)
            for step in range(_LEFT_OUT)
        ),
    )
    sealed = seal(body, plan.about)
    with Database(root / ".patchctl" / "state.db").open() as database:
        database.plans.save(sealed)
    return sealed


def showing(hosts: int, rounds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """`plan show`, and what plan files cost."""
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
        root, out = Path(folder) / "workspace", Path(folder) / "out"
        plan = plan_of(hosts, root)
        forms = {
            "a field a line": lockfile.encode(plan),
            "one line": canonical.encode(plan) + b"\n",
        }
        files = []
        for name, content in forms.items():
            goes = []
            for _ in range(rounds):
                began = time.process_time()
                lockfile.decode(content, "x.lock")
                goes.append(time.process_time() - began)
            files.append(
                {
                    "plan file": name,
                    "hosts": hosts,
                    "mib": round(len(content) / (1 << 20), 1),
                    "lines": content.count(b"\n"),
                    "read_cpu_s": round(statistics.median(goes), 2),
                }
            )
        commands = (("plan", "show"), ("plan", "show", "--hosts"), ("plan", "list"))
        shown = [
            {"command": " ".join(words), "hosts": hosts}
            | costs([PATCHCTL, "-C", root, *words], rounds, out)
            for words in commands
        ]
    return shown, files


def main() -> int:
    """Print the tables."""
    parser = arguments(__doc__ or "", hosts=5_000, quick=300, rounds=3)
    args = parser.parse_args()
    if not assessment.FEED.exists():
        print(
            f"reviews: no feed at {assessment.FEED}; PATCHCTL_TEST_DATA names it", file=sys.stderr
        )
        return 2
    hosts = how_many(args)
    explained = [
        row for fleet in assessment.FLEETS for row in explaining(fleet, hosts, args.rounds)
    ]
    shown, files = showing(hosts, args.rounds)
    show(
        args,
        {
            "benchmark": "reviews",
            "machine": machine(),
            "tables": {"explain a CVE": explained, "a plan": shown, "plan files": files},
            "aims": [
                *(
                    aim(f"explain CVE, {row['fleet']}: CPU seconds < 3", row["cpu_s"], 3)
                    for row in explained
                    if row["command"] == "explain"
                ),
                *(
                    aim(f"explain CVE, {row['fleet']}: lines <= 40", row["lines"], 40)
                    for row in explained
                    if row["command"] == "explain"
                ),
                aim("plan show: CPU seconds < 0.6", shown[0]["cpu_s"], 0.6),
            ],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
