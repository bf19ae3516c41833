"""Make a small fleet and its facts, for tests of plans."""

from collections.abc import Sequence

from msgspec import structs

from patchctl.models.facts import (
    Boot,
    FileSystem,
    HostFacts,
    Kernel,
    OsRelease,
    Package,
    PackageManager,
    PendingUpdate,
    Repository,
)
from patchctl.models.fleet import Fleet, Host
from patchctl.models.plan import Action, Artifact, Transition
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
from patchctl.models.resolution import Resolution
from patchctl.models.settings import AnsibleSettings, Assignment, Settings
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot

TAKEN = 1_763_800_000
SECURITY = ("Debian", "Debian-Security", "bookworm-security")
RINGS = ("staging", "canary", "production")


def package(name: str, version: str = "1.0-1", *, source: str = "", held: bool = False) -> Package:
    return Package(name=name, version=version, arch="amd64", source=source or name, held=held)


def update(name: str, candidate: str = "1.0-2", *, security: bool = True) -> PendingUpdate:
    origin, label, codename = SECURITY if security else ("Debian", "Debian", "bookworm")
    return PendingUpdate(
        name=name,
        arch="amd64",
        installed="1.0-1",
        candidate=candidate,
        origin=origin,
        label=label,
        codename=codename,
        security=security,
    )


def repository(*, security: bool = True, trusted: bool = True) -> Repository:
    origin, label, codename = SECURITY if security else ("Debian", "Debian", "bookworm")
    return Repository(
        uri="http://mirror.example/debian",
        origin=origin,
        label=label,
        codename=codename,
        trusted=trusted,
    )


def facts(
    packages: Sequence[Package] = (),
    pending: Sequence[PendingUpdate] = (),
    *,
    manager: PackageManager = PackageManager.APT,
    repositories: Sequence[Repository] = (),
    file_systems: Sequence[FileSystem] = (),
    reboot_required: bool = False,
    machine_id: str = "",
) -> HostFacts:
    known = {item.name for item in packages}
    return HostFacts(
        os=OsRelease(id="debian", version_id="12"),
        manager=manager,
        architecture="amd64",
        machine_id=machine_id or "0" * 32,
        hostname="h",
        kernel=Kernel(running="6.1.0"),
        boot=Boot(boot_id="b", pid1_start=1),
        packages=(*packages, *(package(item.name) for item in pending if item.name not in known)),
        pending=tuple(pending),
        repositories=tuple(repositories) or (repository(), repository(security=False)),
        services=(),
        failed_units=(),
        listeners=(),
        stale_processes=(),
        file_systems=tuple(file_systems),
        containers=(),
        images=(),
        competing_updaters=(),
        reboot_required=reboot_required,
    )


def host(name: str, ring: str | None = "staging") -> Host:
    reason = "variable patch_ring" if ring else "no rule gives a ring"
    return Host(name=name, ring=ring, ring_reason=reason, groups=("all",), variables={"x": 0.5})


def fleet(*hosts: Host) -> Fleet:
    return Fleet(
        hosts=tuple(sorted(hosts, key=lambda item: item.name)),
        groups=(),
        sources=("inventory",),
        rings=RINGS,
        digest="sha256:" + "0" * 64,
    )


def host_result(name: str, known: HostFacts | None) -> HostResult:
    return HostResult(
        name=name,
        status=HostStatus.OK if known else HostStatus.UNREACHABLE,
        reason="" if known else "Connection refused",
        facts=known,
        facts_digest=f"sha256:{name}" if known else "",
    )


def snapshot(*results: HostResult) -> Snapshot:
    return Snapshot(id="s-1", taken=TAKEN, elapsed_ms=1, hosts=results)


def ring(name: str, *, at_once: int = 2, reboot: RebootPolicy = RebootPolicy.NEVER) -> RingPolicy:
    return RingPolicy(
        name=name,
        budget=Amount(hosts=0),
        max_concurrent=Amount(hosts=at_once),
        soak_s=0,
        promote=Promote.AUTO,
        reboot=reboot,
        on_failure=OnFailure.ROLLBACK,
        rollback_ready=RollbackReady.REQUIRE,
        updaters=UpdaterPolicy.WARN,
    )


def settings(
    *rings: RingPolicy, undo_safe: Sequence[str] = (), allow_removals: bool = False
) -> Settings:
    return Settings(
        rings=rings or tuple(ring(name) for name in RINGS),
        assign=Assignment(),
        inventory=("inventory/",),
        unproven=UnprovenPolicy.HOLD,
        allow_removals=allow_removals,
        undo_safe=tuple(undo_safe),
        plan_expires_s=14 * 86400,
        discovery_timeout_s=60,
        ansible=AnsibleSettings(),
        state=".patchctl",
    )


def transition(name: str, before: str = "1.0-1", after: str = "1.0-2") -> Transition:
    return Transition(
        package=name,
        arch="amd64",
        action=Action.UPGRADE if before and after else Action.NEW if after else Action.REMOVE,
        from_=before,
        to=after,
        source=name,
        origin="Debian-Security:bookworm-security" if after else "",
        file=Artifact(name=f"{name}_{after}_amd64.deb", size=1000, sha256="ab" * 32)
        if after
        else None,
        requested=True,
    )


def resolution(name: str, *transitions: Transition, **more: object) -> Resolution:
    made = Resolution(host=name, manager=PackageManager.APT, transitions=transitions)
    return structs.replace(made, **more)
