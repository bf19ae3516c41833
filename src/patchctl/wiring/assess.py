"""Build the assessment from a workspace's state, settings and exceptions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import structs

from ..adapters.clock import now_ms
from ..adapters.database.snapshots import Snapshots
from ..adapters.feeds.store import FeedStore
from ..assessment.findings.exceptions import Waivers
from ..assessment.findings.fail_on import gate
from ..assessment.priority.context import context_of
from ..assessment.priority.rulings import prioritise
from ..config import exceptions_file
from ..errors import EmptyInventoryError
from ..models.advisory import Advisory, CveFacts, ExploitChance, FeedKind, KnownExploited, Lifecycle
from ..models.explain import Explanation
from ..models.facts import HostFacts
from ..models.fleet import Fleet, Host
from ..models.snapshot import Snapshot
from ..models.state import KnownHost
from ..workflows.assessment import assess as workflow
from ..workflows.assessment.assess import AssessmentRun, Parts
from ..workflows.assessment.remediation_status import RemediationStatus
from ..workflows.assessment.snapshot_findings import known_hosts
from ..workflows.exclusions import holding
from ..workflows.history import FindingsRecorder
from .collecting import paused
from .feeds import stale
from .fleet import limited, load
from .runs import rollouts
from .workspace import Workspace


def assess(workspace: Workspace, limit: str, fail_on: Sequence[str], as_of: str) -> AssessmentRun:
    """Begin an assessment of the hosts of `limit` (empty: all known hosts) on the day `as_of`.
    Raises NotFoundError where no feed covers any of them."""
    today = workflow.day("", now_ms() // 1000)
    chosen_day = workflow.day(as_of, now_ms() // 1000)
    gate(fail_on, chosen_day)  # refuse a wrong rule before anything is opened
    parts, hosts = parts_of(workspace, limit)
    running = workflow.judged(workflow.assess(parts, hosts, fail_on, chosen_day))
    if chosen_day == today:  # another day is a question, not what happened
        # The inventory of -i may be a part of the workspace's.
        whole = hosts is None and not workspace.access.sources
        running.recorder = FindingsRecorder(workspace.database(create=False), whole=whole)
    return running


def explain(workspace: Workspace, subject: str, limit: str, as_of: str) -> Explanation:
    """Explain why a host, CVE or package is, or is not, affected."""
    today = workflow.day(as_of, now_ms() // 1000)
    with paused():
        parts, hosts = parts_of(workspace, limit)
        return workflow.explain(parts, subject, hosts, _remediation_status(workspace), today)


def _remediation_status(workspace: Workspace) -> RemediationStatus:
    database = workspace.database(create=False)
    newest = database.runs.latest()
    run = rollouts(workspace).status(newest.id) if newest is not None else None
    return RemediationStatus(database.plans.latest(), run)


def parts_of(workspace: Workspace, limit: str) -> tuple[Parts, Collection[str] | None]:
    """Return the inputs of an assessment, and the names of the hosts of `limit`, None for all."""
    database = workspace.database(create=False)
    hosts_known = list(database.snapshots.latest_of_every_host())
    fleet = fleet_or_none(workspace, imported=any(host.imported for host in hosts_known))
    names = (
        limited(workspace, with_imported(fleet, _imported(hosts_known)), limit) if limit else None
    )
    parts = _parts(workspace, fleet, hosts_known, database.snapshots.undiscovered)
    return parts, names


def parts_of_snapshot(workspace: Workspace, fleet: Fleet, snapshot: Snapshot) -> Parts:
    """Return the inputs of an assessment of one snapshot's hosts, without later discoveries."""
    reasons = {host.name: host.reason for host in snapshot.hosts if host.facts is None}
    return _parts(workspace, fleet, list(known_hosts(snapshot)), lambda: reasons)


def _parts(
    workspace: Workspace,
    fleet: Fleet,
    hosts_known: Collection[KnownHost],
    reasons: Callable[[], Mapping[str, str]],
) -> Parts:
    store, policy = workspace.feeds, workspace.settings.assessment
    stored = workspace.database(create=False).snapshots
    exceptions = exceptions_file.load(workspace.root / exceptions_file.FILE_NAME)
    return Parts(
        fleet=fleet,
        seen=lambda: hosts_known,
        reasons=reasons,
        snapshot=max((host.snapshot for host in hosts_known), default=""),
        feeds=_Feeds(store),
        held=store.list,
        context=context_of,
        prioritise=lambda today: lambda threat, context: prioritise(threat, context, policy, today),
        waiver=lambda today: Waivers(exceptions, today) if exceptions else None,
        refuse_stale=lambda: stale(workspace),
        exclusions=lambda day: holding(workspace.settings, fleet, day),
        earlier=lambda host, moment: _earlier(stored, host, moment),
    )


def _earlier(stored: Snapshots, host: str, moment: int) -> HostFacts | None:
    """Return the newest facts of the host that were taken at or before `moment`, epoch seconds."""
    for discovery in stored.history(host):
        if discovery.facts_digest and discovery.taken <= moment:
            return stored.facts(discovery.facts_digest)
    return None


def fleet_or_none(workspace: Workspace, *, imported: bool) -> Fleet:
    """Return the fleet; an empty one is enough where hosts were imported."""
    try:
        return load(workspace).fleet
    except EmptyInventoryError:
        if workspace.access.sources or not imported:
            raise
        return Fleet(hosts=(), groups=(), sources=(), rings=(), digest="")


def _imported(hosts_known: Iterable[KnownHost]) -> Iterable[str]:
    return (host.name for host in hosts_known if host.imported)


def with_imported(fleet: Fleet, names: Iterable[str]) -> Fleet:
    """Return the fleet with hosts of these names added, which came from a file, so that patterns
    can name them too."""
    known = {host.name for host in fleet.hosts}
    imported = [
        Host(name=name, ring=None, ring_reason="imported", groups=("all",), variables={})
        for name in names
        if name not in known
    ]
    hosts = tuple(sorted((*fleet.hosts, *imported), key=lambda host: host.name))
    return structs.replace(fleet, hosts=hosts)


class _Feeds:
    """Reads the feed store for an assessment, and adds the kind of each feed."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self._kinds = {info.name: info.kind for info in store.list()}

    def ecosystems(self) -> Collection[str]:
        return self._store.ecosystems()

    def advisories(self, ecosystem: str) -> Iterable[tuple[str, FeedKind, Advisory]]:
        for name, advisory in self._store.advisories(ecosystem):
            yield name, self._kinds[name], advisory

    def known_exploited(self) -> Mapping[str, KnownExploited]:
        return self._store.known_exploited()

    def exploit_chances(self, cves: Collection[str]) -> Mapping[str, ExploitChance]:
        return self._store.exploit_chances(cves)

    def cve_facts(self, cves: Collection[str]) -> Mapping[str, CveFacts]:
        return self._store.cve_facts(cves)

    def lifecycles(self) -> Iterable[Lifecycle]:
        return self._store.lifecycles()
