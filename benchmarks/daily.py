"""Measure what an operator does many times a day, in CPU seconds and as parts of its limit: lint,
the status of a rollout, completion of host names.

The state is that of `reading.py`. The inventory has forty groups, three templates that all hosts
share and one that each host has for itself; its reading is kept, as after any other command. Peer
of lint is `ansible-inventory --list` of the same sources in the same turns.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from measure import (
    PATCHCTL,
    Cost,
    aim,
    arguments,
    command,
    how_many,
    machine,
    ratio,
    show,
    take_turns,
)
from reading import prepare

GROUPS = (("role", 30), ("site", 10))
COMMON = """\
ansible_become_password: "{{ site_password }}"
ansible_ssh_common_args: "-o ProxyJump={{ jump }} -o User={{ ansible_user | default('ops') }}"
ansible_ssh_extra_args: "-o HostKeyAlias={{ alias }}"
jump: jump.example.com
site_password: "{{ vault_site_password | default('') }}"
"""
LIMITS = {"lint": 2.0, "status": 0.6, "show <TAB>": 0.3, "--limit <TAB>": 0.3, "--host <TAB>": 0.3}


def write_groups(root: Path, hosts: int) -> None:
    """Add groups and templates to the inventory of a workspace."""
    names = [f"host{number:05}" for number in range(hosts)]
    lines: list[str] = []
    for kind, many in GROUPS:
        for number in range(many):
            lines += [f"[{kind}{number:02}]", *names[number::many]]
    lines.append("[all]")
    for number, name in enumerate(names):
        address = f"ansible_host=10.0.{number >> 8}.{number & 255}"
        lines.append(f'{name} {address} alias="{name}.{{{{ jump }}}}"')
    (root / "inventory" / "more.ini").write_text("\n".join(lines) + "\n")
    (root / "inventory" / "group_vars").mkdir()
    (root / "inventory" / "group_vars" / "all.yml").write_text(COMMON)


def completing(root: Path, line: str) -> Callable[[], Cost]:
    """Return a contestant that completes the last word of a line in bash."""
    words = f"patchctl -C {root} {line}"
    given = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return lambda: command([PATCHCTL], env={**given, "_PATCHCTL_COMPLETE": "complete_bash"})


def contestants(root: Path) -> Iterator[tuple[str, Callable[[], Cost]]]:
    """Yield the name and the call of each."""
    ansible = PATCHCTL.parent / "ansible-inventory"
    sources = root / "inventory"
    yield "ansible-inventory --list", lambda: command([ansible, "-i", sources, "--list"])
    yield "lint", lambda: command([PATCHCTL, "inventory", "lint"], cwd=root)
    yield "status", lambda: command([PATCHCTL, "rollout", "status"], cwd=root)
    yield "show <TAB>", completing(root, "inventory show host0")
    yield "--limit <TAB>", completing(root, "inventory list --limit host0")
    yield "--host <TAB>", completing(root, "rollout retry --host host0")
    yield "(import of SQLAlchemy)", lambda: command([sys.executable, "-c", "import sqlalchemy"])


def main() -> int:
    """Run each some times, in turn."""
    args = arguments(__doc__ or "", hosts=5_000, quick=500, rounds=5).parse_args()
    hosts = how_many(args)
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
        root = Path(folder) / "workspace"
        prepare(root, hosts)
        write_groups(root, hosts)
        command([PATCHCTL, "-C", root, "inventory", "list"])  # keeps the reading
        costs = take_turns(dict(contestants(root)), args.rounds)
    cpu = {name: median(cost.cpu_s for cost in taken) for name, taken in costs.items()}
    peer = cpu["ansible-inventory --list"]
    lines = [
        {
            "what": name,
            "cpu_s": round(seconds, 2),
            "min_cpu_s": round(min(cost.cpu_s for cost in costs[name]), 2),
            "limit_s": LIMITS.get(name),
            "of_limit": ratio(seconds, LIMITS[name]) if name in LIMITS else None,
            "of_ansible_inventory": ratio(seconds, peer),
        }
        for name, seconds in cpu.items()
    ]
    report: dict[str, Any] = {
        "benchmark": "daily",
        "hosts": hosts,
        "machine": machine(),
        "tables": {"CPU": lines},
        "aims": [
            *(aim(f"{name}: CPU < {limit} s", round(cpu[name], 2), limit)
              for name, limit in LIMITS.items()),
            aim("lint: CPU of ansible-inventory's <= 0.5", ratio(cpu["lint"], peer), 0.5),
        ],
    }  # fmt: skip
    show(args, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
