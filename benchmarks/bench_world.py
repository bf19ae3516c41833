"""Make the inventory, plan and facts of thousands of hosts that do not exist."""

import random
from collections.abc import Iterator
from pathlib import Path

from patchctl.models.canonical import digest
from patchctl.models.facts import (
    Boot,
    HostFacts,
    Kernel,
    OsRelease,
    Package,
    PackageManager,
    Repository,
)
from patchctl.models.fleet import Fleet
from patchctl.models.plan import (
    Action,
    Artifact,
    Cohort,
    Plan,
    PlanAbout,
    PlanBody,
    PlannedHost,
    Selection,
    SelectionMode,
    Transition,
    Undo,
)
from patchctl.models.policy import (
    Amount,
    OnFailure,
    Promote,
    RebootPolicy,
    RingPolicy,
    RollbackReady,
    UnprovenPolicy,
    UpdaterPolicy,
)
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot
from patchctl.plan.freeze import fleet_digest

RINGS = ("staging", "canary", "production")
WAVE = 500
COHORTS = 20
TAKEN = 1_760_000_000


def write_workspace(root: Path, hosts: int) -> None:
    """Write settings and a static YAML inventory: 5 % staging, 1 % canary, the rest production."""
    (root / "inventory").mkdir(parents=True)
    (root / "patchctl.yml").write_text(
        "rings:\n" + "".join(f"  - {{name: {name}, promote: auto}}\n" for name in RINGS)
    )
    lines = ["all:", "  vars: {ansible_user: ops}", "  children:"]
    for ring, names in _spread(hosts).items():
        lines += [f"    {ring}:", "      hosts:"]
        lines += [f"        {name}: {{ansible_host: 192.0.2.1}}" for name in names]
    (root / "inventory" / "hosts.yml").write_text("\n".join(lines) + "\n")


def _spread(hosts: int) -> dict[str, list[str]]:
    names = [f"host{number:05}" for number in range(hosts)]
    staging, canary = max(1, hosts // 20), max(1, hosts // 100)
    cuts = (names[:staging], names[staging : staging + canary], names[staging + canary :])
    return dict(zip(RINGS, cuts, strict=True))


def plan(fleet: Fleet, now: int) -> Plan:
    """Return a plan of all hosts of the fleet: waves of 500, twenty cohorts, thirty transitions
    each."""
    body = PlanBody(
        version=1,
        as_of=now,
        expires=now + 86_400,
        selection=Selection(mode=SelectionMode.SECURITY),
        fleet=fleet_digest(fleet.hosts),
        policy="sha256:0",
        snapshots=(),
        rings=tuple(_ring(name) for name in RINGS),
        unproven_policy=UnprovenPolicy.ALLOW,
        cohorts=tuple(_cohort(number) for number in range(COHORTS)),
        hosts=tuple(_planned(fleet)),
        left_out=(),
        unproven=(),
    )
    about = PlanAbout(created=now, author="benchmark", tool="patchctl")
    return Plan(digest=digest(body), body=body, about=about)


def _planned(fleet: Fleet) -> Iterator[PlannedHost]:
    seen = dict.fromkeys(RINGS, 0)
    for number, host in enumerate(fleet.hosts):
        ring = host.ring or RINGS[-1]
        yield PlannedHost(
            name=host.name,
            ring=ring,
            wave=seen[ring] // WAVE + 1,
            cohort=f"c-{number % COHORTS}",
            machine_id=f"{number:032x}",
        )
        seen[ring] += 1


def _ring(name: str) -> RingPolicy:
    return RingPolicy(
        name=name,
        budget=Amount(percent=5),
        max_concurrent=Amount(percent=100),
        soak_s=0,
        promote=Promote.AUTO,
        reboot=RebootPolicy.NEVER,
        on_failure=OnFailure.ROLLBACK,
        rollback_ready=RollbackReady.REQUIRE,
        updaters=UpdaterPolicy.REFUSE,
    )


def _cohort(number: int) -> Cohort:
    return Cohort(
        id=f"c-{number}",
        manager=PackageManager.APT,
        download_bytes=30_000,
        transitions=tuple(
            Transition(
                package=f"package{each:02}",
                arch="amd64",
                action=Action.UPGRADE,
                from_="1.0-1",
                to=f"1.0-{number + 2}",
                file=Artifact(name=f"package{each:02}_{number}.deb", size=1000, sha256="ab" * 32),
                undo=Undo.SAFE,
                undo_reason="",
            )
            for each in range(30)
        ),
    )


def snapshot(fleet: Fleet, packages: int) -> Snapshot:
    """Return facts of all hosts: each has its own identity and one of fifty package lists."""
    chance = random.Random(1)
    lists = [tuple(_packages(packages, chance)) for _ in range(50)]
    return Snapshot(
        id="s-20251009-000000-0000",
        taken=TAKEN,
        elapsed_ms=1000,
        hosts=tuple(
            HostResult(
                name=host.name,
                status=HostStatus.OK,
                facts=facts(number, lists[number % len(lists)]),
            )
            for number, host in enumerate(fleet.hosts)
        ),
    )


def _packages(count: int, chance: random.Random) -> Iterator[Package]:
    for number in range(count):
        name = f"package{number:03}"
        version = f"1.{chance.randrange(4)}-1"
        yield Package(name=name, version=version, arch="amd64", source=name)


def facts(number: int, packages: tuple[Package, ...]) -> HostFacts:
    """Return the facts of a host that has these packages."""
    return HostFacts(
        os=OsRelease(id="debian", version_id="12"),
        manager=PackageManager.APT,
        architecture="amd64",
        machine_id=f"{number:032x}",
        hostname=f"host{number:05}",
        kernel=Kernel(running="6.1.0-1-amd64", installed=("6.1.0-1-amd64",), managed=True),
        boot=Boot(boot_id="b", pid1_start=number),
        packages=packages,
        pending=(),
        services=(),
        failed_units=(),
        listeners=(),
        stale_processes=(),
        file_systems=(),
        containers=(),
        images=(),
        competing_updaters=(),
        repositories=(
            Repository(
                uri="http://mirror.example/debian", origin="Debian", label="Debian",
                codename="bookworm", trusted=True,
            ),
        ),
    )  # fmt: skip
