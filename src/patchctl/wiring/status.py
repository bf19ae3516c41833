"""Build the state of the fleet from what is stored; no host is asked."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .. import __version__
from ..adapters.clock import now_ms
from ..adapters.database import Database
from ..adapters.figures_cache import FiguresCache
from ..config import exceptions_file
from ..errors import NotFoundError
from ..models import canonical, words
from ..models.feeds import FeedInfo, aged
from ..models.fleet import Fleet
from ..models.fleet_status import FleetStatus, HostFigures, HostOrder, Need
from ..models.ids import IMPORT_PREFIX
from ..models.state import LastLook, LastLooks
from ..workflows.assessment.assess import assess
from ..workflows.fleet import fleet_status as workflow
from ..workflows.fleet import last_looks as workflow_of_looks
from ..workflows.fleet.figures import figures
from ..workflows.inventory.show import left_out
from .assess import fleet_or_none, parts_of, with_imported
from .fleet import Say, limited
from .workspace import Workspace

# Counts up where figures mean something else, so that kept ones are not used any more.
_FORM = "1"


def status(
    workspace: Workspace,
    say: Say,
    *,
    limit: str = "",
    ring: str = "",
    group: str = "",
    needs: Need | None = None,
    order: HostOrder = HostOrder.URGENCY,
) -> FleetStatus:
    """Return the state of the hosts of a limit, a ring and a group. `say` takes warnings.

    Raises UsageError for a limit, ring or group that fits nothing.
    """
    database = _database(workspace)
    looks = database.snapshots.last_looks() if database else []
    fleet = _fleet(workspace, looks, say)
    question = workflow.Question(
        hosts=limited(workspace, fleet, limit) if limit else None,
        ring=ring,
        group=group,
        needs=needs,
        order=order,
    )
    workflow.chosen(fleet, question)  # refuse a wrong name before the feeds are read
    now_s = now_ms() // 1000
    feeds = workspace.feeds.list()
    held = database.leases.held(host.name for host in fleet.hosts) if database else {}
    return workflow.fleet_status(
        fleet,
        workflow.Stored(
            figures=_figures(workspace, fleet, looks, feeds, words.day(now_s)),
            looks={look.host: look for look in looks},
            patched=database.journal_reader().patched() if database else {},
            held=held,
            runs={run: database.runs.get(run).state for run in set(held.values())}
            if database
            else {},
            feeds=[
                aged(feed, workspace.settings.feeds.max_age_of(feed.name), now_s) for feed in feeds
            ],
        ),
        question,
        now_s=now_s,
        max_age_s=workspace.settings.lists_max_age_s,
    )


def last_looks(workspace: Workspace, say: Say) -> LastLooks:
    """Return the last look at each host. Raises NotFoundError where no host was looked at yet."""
    snapshots = workspace.database(create=False).snapshots
    looks = {look.host: look for look in snapshots.last_looks()}
    return workflow_of_looks.last_looks(
        _fleet(workspace, looks.values(), say),
        looks,
        snapshots.newest_results(),
        {snapshot.id: snapshot.elapsed_ms for snapshot in snapshots.list()},
    )


def _fleet(workspace: Workspace, looks: Collection[LastLook], say: Say) -> Fleet:
    """Return the fleet with the hosts that came from files. `say` takes warnings."""
    imported = [look.host for look in looks if look.facts_snapshot.startswith(IMPORT_PREFIX)]
    fleet = fleet_or_none(workspace, imported=bool(imported))
    for line in left_out(fleet):
        say(f"warning: {line}")
    return with_imported(fleet, imported)


def _database(workspace: Workspace) -> Database | None:
    """The state database, None where there is none yet: then nothing is known of any host."""
    try:
        return workspace.database(create=False)
    except NotFoundError:
        return None


def _figures(
    workspace: Workspace,
    fleet: Fleet,
    looks: Sequence[LastLook],
    feeds: Sequence[FeedInfo],
    today: str,
) -> Mapping[str, HostFigures]:
    """Return the figures of every host that has facts, by name; those that were kept where nothing
    has changed since."""
    if not any(look.facts_digest for look in looks):
        return {}
    cache = FiguresCache(workspace.state / "cache")
    key = _key(workspace, fleet, looks, feeds, today)
    counted = cache.get(key)
    if counted is None:
        counted = _counted(workspace, today)
        cache.put(key, counted)
    return {row.name: row for row in counted}


def _counted(workspace: Workspace, today: str) -> Collection[HostFigures]:
    parts, _ = parts_of(workspace, "")
    # That feeds are too old is said of each host, and stops nothing here.
    running = assess(replace(parts, refuse_stale=lambda: ()), None, (), today)
    known = {host.name: host for host in parts.seen()}
    return list(figures(running.assessor, known, running.assessor.exclusions))


def _key(
    workspace: Workspace,
    fleet: Fleet,
    looks: Sequence[LastLook],
    feeds: Sequence[FeedInfo],
    today: str,
) -> str:
    """Return a digest of all that figures are counted from."""
    settings = workspace.settings
    digest = hashlib.sha256()
    exceptions = workspace.root / exceptions_file.FILE_NAME
    for part in (
        canonical.encode([_FORM, __version__, today, fleet.digest]),
        canonical.encode([(look.host, look.facts_snapshot, look.facts_digest) for look in looks]),
        canonical.encode(feeds),
        canonical.encode([settings.assessment, settings.exclude]),
        exceptions.read_bytes() if exceptions.is_file() else b"",
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
