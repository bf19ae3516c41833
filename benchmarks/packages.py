"""Read the package list of each host with patchctl's own runner and parsers; store nothing.

usage: packages.py WORKSPACE FORKS [curve25519]

`patchctl discover` always reads everything, so that a partial discovery never replaces a complete
one in the database. The role can read less, and this measures the cost of that, with start and
parsing.
"""

import sys
from pathlib import Path

from patchctl.cli.caller import this_process
from patchctl.discovery.collect import parse, problem
from patchctl.inventory.export import generate
from patchctl.protocol.jobs import AnswerStatus, Job
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import Access, open_workspace

_KEX = '{"ansible_ssh_extra_args": "-o KexAlgorithms=curve25519-sha256"}'


def main() -> int:
    """Print hosts and packages; return 1 where a host did not give its list."""
    folder, forks, *kex = sys.argv[1:]
    access = Access(forks=int(forks), extra_vars=(_KEX,) if kex else ())
    workspace = open_workspace(Path(folder), this_process(), access)
    fleet = load(workspace).fleet
    names = [host.name for host in fleet.hosts]
    job = Job(
        id="packages",
        stage="discover",
        inventory=generate(fleet, names),
        variables={"patch_discover_mode": "packages"},
    )
    packages = failed = 0
    with workspace.runner as runner:
        for answer in runner.run(job):
            facts = parse(answer.output, answer.at_ms // 1000)
            packages += len(facts.packages)
            failed += answer.status is not AnswerStatus.OK or bool(problem(facts))
    print(f"{len(names)} hosts, {packages} packages, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
