"""Make a small world to assess: hosts with a few packages, and advisories, all in memory."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import structs

from patchctl.assessment.findings.assess import Assessor, Waiver
from patchctl.assessment.findings.fleet import HostInput
from patchctl.models.advisory import (
    Advisory,
    AdvisoryKind,
    Affected,
    CveFacts,
    ExploitChance,
    FeedKind,
    KnownExploited,
    Lifecycle,
    NameKind,
)
from patchctl.models.assessment import Finding, FindingState
from patchctl.models.facts import (
    Boot,
    HostFacts,
    Kernel,
    OsRelease,
    Package,
    PackageManager,
    PendingUpdate,
    Repository,
)
from patchctl.models.priority import Context, Decision, Priority, Threat

TODAY = "2026-06-01"
SYSTEMS = {
    "Debian:12": OsRelease(id="debian", version_id="12", codename="bookworm"),
    "Debian:10": OsRelease(id="debian", version_id="10", codename="buster"),
    "Ubuntu:22.04": OsRelease(id="ubuntu", version_id="22.04", codename="jammy"),
    "AlmaLinux:8": OsRelease(id="almalinux", version_id="8.10"),
    "Rocky Linux:9": OsRelease(id="rocky", version_id="9.4"),
    "Red Hat:9": OsRelease(id="rhel", version_id="9.2"),
    "Alpine:v3.19": OsRelease(id="alpine", version_id="3.19.1"),
    "SUSE": OsRelease(id="sles", version_id="15.5"),
    "other": OsRelease(id="plan9", version_id="4"),
}


def package(
    name: str, version: str, source: str = "", source_version: str = "", **more: object
) -> Package:
    made = Package(
        name=name, version=version, arch="amd64", source=source, source_version=source_version
    )
    return structs.replace(made, **more)


def facts(
    system: str,
    packages: Iterable[Package],
    *,
    running: str = "",
    managed: bool = True,
    pending: Mapping[str, str] | None = None,
    repositories: Sequence[Repository] = (),
) -> HostFacts:
    """`pending` maps names to candidates; if it is not None, the repositories are known."""
    known = tuple(repositories)
    if pending is not None and not known:
        known = (Repository(uri="https://mirror.example", label="Debian"),)
    return HostFacts(
        os=SYSTEMS[system],
        manager=PackageManager.APT,
        architecture="amd64",
        machine_id="m",
        hostname="h",
        kernel=Kernel(running=running, managed=managed),
        boot=Boot(boot_id="", pid1_start=0),
        packages=tuple(packages),
        pending=tuple(
            PendingUpdate(
                name=name,
                arch="amd64",
                installed="",
                candidate=candidate,
                label="Debian-Security",
                codename="bookworm-security",
            )
            for name, candidate in (pending or {}).items()
        ),
        repositories=known,
        services=(),
        failed_units=(),
        listeners=(),
        stale_processes=(),
        file_systems=(),
        containers=(),
        images=(),
        competing_updaters=(),
    )


def by_source(ecosystem: str, name: str, fixed: str = "", **more: object) -> Affected:
    made = Affected(ecosystem=ecosystem, name=name, kind=NameKind.SOURCE, fixed=fixed)
    return structs.replace(made, **more)


def by_binary(ecosystem: str, name: str, fixed: str = "", **more: object) -> Affected:
    return structs.replace(by_source(ecosystem, name, fixed, **more), kind=NameKind.BINARY)


def advisory(
    ident: str, cve: str, *affected: Affected, title: str = "", **more: object
) -> Advisory:
    made = Advisory(
        id=ident, kind=AdvisoryKind.SECURITY, title=title, cves=(cve,), affected=affected
    )
    return structs.replace(made, **more)


class World:
    """Feeds in memory."""

    def __init__(self) -> None:
        self.held: list[tuple[str, FeedKind, Advisory]] = []
        self.kev: dict[str, KnownExploited] = {}
        self.epss: dict[str, ExploitChance] = {}
        self.cves: dict[str, CveFacts] = {}
        self.cycles: list[Lifecycle] = []

    def add(self, *advisories: Advisory, kind: FeedKind = FeedKind.OSV) -> "World":
        self.held += [(kind.value, kind, advisory) for advisory in advisories]
        return self

    def ecosystems(self) -> Collection[str]:
        return {
            affected.ecosystem for _, _, advisory in self.held for affected in advisory.affected
        }

    def advisories(self, ecosystem: str) -> Iterable[tuple[str, FeedKind, Advisory]]:
        for feed, kind, advisory in self.held:
            own = tuple(
                affected for affected in advisory.affected if affected.ecosystem == ecosystem
            )
            if own:
                yield feed, kind, structs.replace(advisory, affected=own)

    def known_exploited(self) -> Mapping[str, KnownExploited]:
        return self.kev

    def exploit_chances(self, cves: Collection[str]) -> Mapping[str, ExploitChance]:
        return {cve: self.epss[cve] for cve in cves if cve in self.epss}

    def cve_facts(self, cves: Collection[str]) -> Mapping[str, CveFacts]:
        return {cve: self.cves[cve] for cve in cves if cve in self.cves}

    def lifecycles(self) -> Iterable[Lifecycle]:
        return self.cycles

    def assessor(self, *hosts: HostFacts, waiver: Waiver | None = None) -> Assessor:
        inputs = [
            HostInput(f"h{number}", host, software=f"s{number}", context=Context())
            for number, host in enumerate(hosts, 1)
        ]
        return Assessor(inputs, self, scheduled, TODAY, waiver=waiver)

    def findings(self, host: HostFacts) -> dict[str, Finding]:
        """Return the host's findings by CVE."""
        return {
            finding.cve: finding
            for _, findings in self.assessor(host).findings()
            for finding in findings
        }

    def states(self, host: HostFacts) -> dict[str, FindingState]:
        return {cve: finding.state for cve, finding in self.findings(host).items()}


def scheduled(threat: Threat, context: Context) -> Priority:
    return Priority(decision=Decision.SCHEDULED, score=1)
