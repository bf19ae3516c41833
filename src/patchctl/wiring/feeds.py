"""Read, update, import and remove the vulnerability feeds of a workspace."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.clock import now_ms
from ..errors import NotFoundError
from ..models.facts import OsRelease
from ..models.feeds import FUTURE_S, FeedsStatus, FeedUpdate
from ..models.fleet import Fleet
from ..models.state import KnownHost
from ..workflows.feeds import status as feed_status
from ..workflows.feeds.sources import Sources
from .workspace import Workspace

if TYPE_CHECKING:
    from ..adapters.feeds.limits import Limits
    from ..assessment.feeds import Reading
    from ..workflows.feeds.keep import Feeds

Say = Callable[[str], None]


def read(
    path: Path,
    ecosystem: str = "",
    *,
    shown: str = "",
    limits: "Limits | None" = None,
    latest: int = 0,
) -> "Reading":
    """Return the feeds in a file or folder, opened under these limits. Messages name a temporary
    file by `shown`; `latest` is the latest date that a record may have, in epoch seconds."""
    from ..adapters.feeds.archives import archives
    from ..assessment.feeds import Reading

    opened = partial(archives, limits=limits, shown=shown)
    return Reading(path, ecosystem, opened, shown=shown, latest=latest)


def sources(workspace: Workspace) -> Sources:
    """Return the feed sources that the workspace's known hosts need."""
    systems: Collection[OsRelease] = ()
    with contextlib.suppress(NotFoundError):
        systems = workspace.database(create=False).snapshots.systems()
    return feed_status.needed(workspace.settings.feeds, systems)


def status(workspace: Workspace) -> FeedsStatus:
    """Return how old each feed is, and which feeds are missing."""
    return feed_status.status(
        workspace.feeds, workspace.settings.feeds, sources(workspace), now_ms() // 1000
    )


def stale(workspace: Workspace) -> tuple[str, ...]:
    """Return a warning for each feed that is too old, and one for feeds that an older patchctl has
    read. Raises InvalidInputError where the settings refuse a feed of such an age."""
    feeds = workspace.feeds.list()
    return (
        *feed_status.stale_lines(feeds, workspace.settings.feeds, now_ms() // 1000),
        *feed_status.outdated_lines(feeds),
    )


def update(
    workspace: Workspace, names: Iterable[str], say: Say, *, force: bool
) -> Iterator[FeedUpdate]:
    """Update the named feeds (none: all that the fleet needs)."""
    from ..adapters.http import Fetcher

    chosen = feed_status.choose(sources(workspace), tuple(names))
    return _feeds(workspace, say).update(chosen, Fetcher(), force=force)


def update_from_hosts(
    workspace: Workspace, fleet: Fleet, names: Collection[str], say: Say, *, force: bool
) -> Iterator[FeedUpdate]:
    """Store the advisories of the repositories of these hosts. Raises NotFoundError where no host
    has dnf."""
    from ..adapters.feeds.limits import ONE_FILE
    from ..workflows.feeds.host_feeds import HostFeeds, groups

    host_groups = groups(_hosts(workspace), names)
    return HostFeeds(
        _feeds(workspace, say),
        fleet=fleet,
        runner=workspace.runner,
        read=partial(read, limits=ONE_FILE, latest=_latest()),
        job=f"feeds-{now_ms()}",
        force=force,
    ).update(host_groups)


def import_paths(
    workspace: Workspace,
    paths: Iterable[Path],
    say: Say,
    *,
    name: str,
    ecosystem: str,
    force: bool,
) -> Iterator[FeedUpdate]:
    """Store the feeds at these paths."""
    return _feeds(workspace, say).import_paths(
        tuple(paths), name=name, ecosystem=ecosystem, force=force
    )


def remove(workspace: Workspace, names: Sequence[str]) -> None:
    """Remove feeds. Raises NotFoundError, before any change, for a feed that is not held."""
    feed_status.remove(workspace.feeds, names)


def _feeds(workspace: Workspace, say: Say) -> "Feeds":
    from ..adapters import files
    from ..workflows.feeds.keep import Feeds

    return Feeds(
        store=workspace.feeds,
        files=files,
        read=partial(read, latest=_latest()),
        folder=workspace.state / "feeds",
        say=say,
    )


def _latest() -> int:
    return now_ms() // 1000 + FUTURE_S


def _hosts(workspace: Workspace) -> Iterator[KnownHost]:
    with contextlib.suppress(NotFoundError):
        yield from workspace.database(create=False).snapshots.latest_of_every_host()
