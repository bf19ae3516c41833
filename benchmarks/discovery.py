"""Compare discovery of lab hosts with parallel ssh of the same script, plain Ansible and pyinfra.

Hosts are containers on this machine and share its cores with the controller, so only the ratios
mean something, not the seconds. Each run of the first tables begins without open connections;
contestants take turns.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_lab import CURVE25519, Fleet, fleet, with_python_apt
from measure import (
    Cost,
    adopting,
    aim,
    arguments,
    command,
    how_many,
    machine,
    ratio,
    rows,
    show,
    usage,
)
from measure import take_turns as turns

from patchctl.adapters import content
from patchctl.cli.caller import this_process
from patchctl.models.fleet import Fleet as Inventory
from patchctl.wiring.discovery import discover
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import Access, Workspace, open_workspace

PARTS_OF_SCRIPT = [
    Path(content.roles()) / part
    for part in (
        "patch_connection/files/host_rules.sh",
        "patch_connection/files/host_apt.sh",
        "patch_connection/files/host_dnf.sh",
        "patch_discover/files/which_manager.sh",
        "patch_discover/files/replaced.sh",
        "patch_discover/files/discover_apt.sh",
        "patch_discover/files/discover_apt_lists.sh",
        "patch_discover/files/discover_dnf.sh",
        "patch_discover/files/discover.sh",
    )
]
EVERYTHING = "sudo -n /bin/sh -s -- all look"
PACKAGES = "sudo -n /bin/sh -s -- packages look"


def script(lab: Fleet) -> Path:
    """Return the script as the role sends it."""
    path = lab.scratch / "discover.sh"
    path.write_text("".join(part.read_text("utf-8") for part in PARTS_OF_SCRIPT), "utf-8")
    return path


def everything(lab: Fleet, rounds: int) -> dict[str, list[Cost]]:
    """Compare the whole of `patchctl discover`, which stores its results, with parallel ssh."""
    forks = ("--forks", str(lab.forks))
    return turns(
        {
            "parallel ssh, same script": lambda: lab.parallel_ssh(EVERYTHING, stdin=script(lab)),
            "patchctl discover": lambda: lab.patchctl("-q", "discover", *forks),
            "parallel ssh, curve25519": lambda: lab.parallel_ssh(
                EVERYTHING, stdin=script(lab), kex=True
            ),
            "patchctl discover, curve25519": lambda: lab.patchctl(
                "-q", "discover", *forks, kex=True
            ),
        },
        rounds,
    )


def stock(lab: Fleet, rounds: int) -> dict[str, list[Cost]]:
    """Measure Ansible's own fact modules: setup, package_facts, service_facts."""
    return turns(
        {
            "patchctl discover": lambda: lab.patchctl("-q", "discover", "--forks", str(lab.forks)),
            "ansible-playbook, stock facts": lambda: lab.ansible("facts.yml"),
            "patchctl discover, curve25519": lambda: lab.patchctl(
                "-q", "discover", "--forks", str(lab.forks), kex=True
            ),
            "ansible-playbook, stock facts, curve25519": lambda: lab.ansible(
                "facts.yml", *CURVE25519
            ),
        },
        rounds,
    )


def package_list(lab: Fleet, rounds: int) -> dict[str, list[Cost]]:
    """Measure the package list only; all contestants use curve25519."""
    program = Path(__file__).with_name("packages.py")
    words: list[str | Path] = [sys.executable, program, lab.workspace, str(lab.forks), "curve25519"]
    return turns(
        {
            "pyinfra DebPackages": lambda: lab.pyinfra("fact", "deb.DebPackages"),
            "patchctl, packages only": lambda: command(words),
            "parallel ssh, packages only": lambda: lab.parallel_ssh(
                PACKAGES, stdin=script(lab), kex=True
            ),
        },
        rounds,
    )


def warm(lab: Fleet, rounds: int) -> dict[str, list[Cost]]:
    """Measure a discovery inside one process, over open connections, as in a rollout. The inventory
    is already loaded."""
    workspace = open_workspace(lab.workspace, this_process(), Access(forks=lab.forks))
    fleet = load(workspace).fleet
    with workspace.runner:
        look(workspace, fleet)
        return turns({"patchctl, open connections": lambda: inside(workspace, fleet)}, rounds)


def look(workspace: Workspace, fleet: Inventory) -> None:
    """Run one discovery; raise RuntimeError where a host did not answer."""
    snapshot = discover(workspace, fleet, None, refresh=False, say=lambda line: None)
    failed = [host.name for host in snapshot.hosts if host.facts is None]
    if failed:
        raise RuntimeError(f"no answer of {', '.join(failed)}")


def inside(workspace: Workspace, fleet: Inventory) -> Cost:
    """Run one discovery in this process; return its cost, that of child processes included."""
    with adopting():
        before, began = usage(), time.monotonic()
        look(workspace, fleet)
        return Cost(seconds=time.monotonic() - began, cpu_s=usage() - before)


PARTS: dict[str, tuple[str, Callable[[Fleet, int], dict[str, list[Cost]]]]] = {
    "everything": ("parallel ssh, same script", everything),
    "stock": ("patchctl discover", stock),
    "packages": ("pyinfra DebPackages", package_list),
    "warm": ("patchctl, open connections", warm),
}


def aims(tables: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Compare medians with the limits of the design."""
    by_name = {row.name: row for rows in tables.values() for row in rows}

    def times(name: str, other: str) -> float:
        return ratio(by_name[name].median_s, by_name[other].median_s)

    verdict = []
    if "everything" in tables:
        text = "discovery <= 1.3 x parallel ssh with the same script"
        figure = times("patchctl discover", "parallel ssh, same script")
        verdict.append(aim(text, figure, 1.3))
        figure = times("patchctl discover, curve25519", "parallel ssh, curve25519")
        verdict.append(aim(f"{text}, both curve25519", figure, 1.3))
    if "stock" in tables:
        text = "discovery >= 10 x faster than stock facts"
        by_name = {row.name: row.median_s for row in tables["stock"]}
        for more in ("", ", curve25519"):
            stock_s = by_name[f"ansible-playbook, stock facts{more}"]
            figure = ratio(stock_s, by_name[f"patchctl discover{more}"])
            verdict.append(aim(f"{text}{more}", figure, 10, at_least=True))
    if "packages" in tables:
        figure = times("patchctl, packages only", "pyinfra DebPackages")
        verdict.append(aim("packages only <= 1.0 x pyinfra, same key exchange", figure, 1.0))
    return verdict


def main() -> int:
    """Run the requested parts and print them."""
    parser = arguments(__doc__ or "", hosts=50, quick=12)
    parser.add_argument("--forks", type=int, default=25, help="hosts at once (%(default)s)")
    parser.add_argument("--part", choices=sorted(PARTS), action="append", help="only this table")
    parser.add_argument("--image", choices=("debian", "rpm"), default="debian", help="which hosts")
    parser.add_argument("--stock-rounds", type=int, help="fewer rounds of the slow stock facts")
    parser.add_argument("--lab", default="", metavar="NAME", help="use this lab, which is up")
    args = parser.parse_args()
    tables: dict[str, list[Any]] = {}
    if args.image == "rpm":
        args.part = args.part or ["everything", "stock", "warm"]
        if "packages" in args.part:
            parser.error("the part packages is of debian hosts only")
    with fleet(how_many(args), args.forks, "bench-discovery", args.lab, args.image) as lab:
        if args.image == "debian" and (not args.part or "stock" in args.part):
            with_python_apt(lab.lab, lab.scratch)
        lab.parallel_ssh(
            EVERYTHING, stdin=script(lab)
        )  # nobody pays for cold disks and first logins
        for name, (reference, part) in PARTS.items():
            if not args.part or name in args.part:
                fewer = args.stock_rounds if name == "stock" else None
                costs = part(lab, fewer or args.rounds)
                tables[name] = rows(costs, reference, len(lab.addresses))
        report = {
            "benchmark": "discovery",
            "hosts": len(lab.addresses),
            "image": args.image,
            "forks": lab.forks,
            "machine": machine(),
            "tables": tables,
            "aims": aims(tables),
        }
    show(args, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
