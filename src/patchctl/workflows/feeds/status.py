"""Tell which feeds a fleet needs, which are stored, and how old they are, without fetching any."""

from collections.abc import Iterable, Sequence

from ...assessment.matching.platforms import ecosystem_of
from ...errors import InvalidInputError, NotFoundError, Problem, UsageError
from ...models.advisory import FeedKind
from ...models.facts import OsRelease
from ...models.feeds import FeedAge, FeedInfo, FeedsStatus, Stale, aged
from ...models.settings import FeedSettings
from ...models.words import some
from ..interfaces import FeedStore
from .sources import Source, Sources, family, plan

_DAY = 86_400


def needed(settings: FeedSettings, systems: Iterable[OsRelease]) -> Sources:
    """The sources that hosts of these systems need."""
    return plan(settings, set(filter(None, map(ecosystem_of, systems))))


def choose(sources: Sources, names: Sequence[str]) -> tuple[Source, ...]:
    """The sources of these names, all for no names. Raises UsageError for an unknown name."""
    by_name = {source.name: source for source in sources.sources}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        known = ", ".join(by_name) or "none"
        raise UsageError(
            f"no source {unknown[0]} for this fleet",
            hint=f"there are {known}; others are named in patchctl.yml under feeds.sources",
        )
    return tuple(by_name[name] for name in dict.fromkeys(names)) if names else sources.sources


def status(store: FeedStore, settings: FeedSettings, sources: Sources, now_s: int) -> FeedsStatus:
    """How old every feed is, and what is missing."""
    held = store.list()
    names = {feed.name for feed in held}
    families = {family(ecosystem) for feed in held for ecosystem in feed.ecosystems}
    return FeedsStatus(
        as_of=now_s,
        feeds=tuple(aged(feed, settings.max_age_of(feed.name), now_s) for feed in held),
        missing=tuple(
            source.name
            for source in sources.sources
            if source.name not in names and not _imported(source, held)
        ),
        uncovered=tuple(
            ecosystem for ecosystem in sources.uncovered if family(ecosystem) not in families
        ),
    )


def _imported(source: Source, held: Iterable[FeedInfo]) -> bool:
    """Whether a stored feed of another name has the content of the source."""
    if source.folder or source.kind is None:
        return any(
            feed.kind is source.kind and feed.name.startswith(f"{source.name}-") for feed in held
        )
    return any(feed.kind is source.kind for feed in held)


def stale_lines(feeds: Iterable[FeedInfo], settings: FeedSettings, now_s: int) -> tuple[str, ...]:
    """A warning for each feed that is too old.

    Raises InvalidInputError with all of them where the settings refuse stale feeds.
    """
    lines = []
    for feed in feeds:
        age = aged(feed, settings.max_age_of(feed.name), now_s)
        if age.stale:
            lines.append(f"the feed {feed.name} is {_old(age)}")
    if lines and settings.stale is Stale.REFUSE:
        raise InvalidInputError(
            problems=[Problem(message=line) for line in lines],
            hint="`patchctl feeds update`, or feeds.max_age in patchctl.yml",
        )
    return tuple(lines)


def outdated_lines(feeds: Iterable[FeedInfo]) -> tuple[str, ...]:
    """A warning with its remedy for feeds that an older patchctl has read in another way."""
    outdated = [feed for feed in feeds if feed.outdated]
    fetched = [feed.name for feed in outdated if feed.address]
    imported = [feed for feed in outdated if not feed.address]
    remedies = []
    if fetched:
        remedies.append(f"`patchctl feeds update` fixes {some(fetched, 5)}")
    if imported:
        asked = any(feed.kind is FeedKind.UPDATEINFO for feed in imported)
        hosts = " or `patchctl feeds update --from-hosts`" if asked else ""
        remedies.append(
            f"`patchctl feeds import` of the files{hosts} fixes"
            f" {some([feed.name for feed in imported], 5)}"
        )
    return (f"feeds were read by an older patchctl: {'; '.join(remedies)}",) if remedies else ()


def _old(age: FeedAge) -> str:
    if age.age_s < 0:
        return "dated in the future"
    return f"{age.age_s // _DAY} days old, more than {age.max_age_s // _DAY}"


def remove(store: FeedStore, names: Sequence[str]) -> None:
    """Remove feeds. Raises NotFoundError, before anything is changed, for an unknown one."""
    for name in names:
        if store.get(name) is None:
            held = ", ".join(info.name for info in store.list()) or "none"
            raise NotFoundError(f"there is no feed {name}", hint=f"held: {held}")
    for name in names:
        store.remove(name)
