"""Get advisories of the hosts' own repositories from a few hosts; each repository is a feed.

This is for systems that publish their advisories nowhere else, and for private repositories, which
need the hosts' credentials.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from ...assessment.feeds import Feed, Reading
from ...assessment.feeds.common import slug
from ...assessment.feeds.feed_date import FeedDate
from ...assessment.matching.platforms import platform_of
from ...errors import InvalidInputError, NotFoundError, PatchctlError
from ...inventory.export import generate
from ...models.advisory import Advisory, BadRecord, FeedKind, FeedRecord
from ...models.base import Record
from ...models.facts import PackageManager, Repository
from ...models.feeds import FeedUpdate, UpdateOutcome
from ...models.fleet import Fleet
from ...models.state import KnownHost
from ...protocol.advisories import Given, Nothing, parse
from ...protocol.cleaning import sentence
from ...protocol.jobs import Answer, AnswerStatus, Job, Runner
from .keep import Feeds, Read

TIMEOUT_S = 300
# At most so many hosts of a group are asked.
_TRIES = 3


class Group(Record):
    """Hosts with the same system, architecture and enabled repositories, and so the same
    advisories. The host with the newest repositories comes first."""

    ecosystem: str
    architecture: str
    hosts: tuple[str, ...]


def groups(known: Iterable[KnownHost], names: Collection[str]) -> tuple[Group, ...]:
    """The hosts to ask among those of these names. Raises NotFoundError where there are none."""
    by_system: dict[tuple[str, str, tuple[str, ...]], list[tuple[int, str]]] = {}
    for host in known:
        platform = platform_of(host.facts)
        if (
            host.name not in names
            or host.imported
            or host.facts.manager is not PackageManager.DNF
            or platform.scheme is None
        ):
            continue
        enabled = tuple(sorted({repository.origin for repository in host.facts.repositories}))
        key = (platform.ecosystem, host.facts.architecture, enabled)
        by_system.setdefault(key, []).append((-_newest(host.facts.repositories), host.name))
    if not by_system:
        raise NotFoundError(
            "no host with dnf and a system of its family among the discovered ones",
            hint="`patchctl discover` first; for apt import the packages of a plan:"
            " `patchctl feeds import .patchctl/store`",
        )
    return tuple(
        Group(
            ecosystem=key[0],
            architecture=key[1],
            hosts=tuple(name for _, name in sorted(ranked_hosts)),
        )
        for key, ranked_hosts in sorted(by_system.items())
    )


def _newest(repositories: Iterable[Repository]) -> int:
    return max((repository.dated for repository in repositories), default=0)


def feed_name(ecosystem: str, architecture: str, repository: str) -> str:
    """The name of a repository's feed, such as `updateinfo-almalinux-9-x86-64-appstream`. It has
    the architecture, because advisories may differ between architectures."""
    return slug(f"updateinfo {ecosystem} {architecture} {repository}")


def _rank(feed: Feed) -> tuple[int, int]:
    """(date, number of records): of two hosts' feeds of one name the higher one is stored."""
    count = sum(not isinstance(record, BadRecord) for record in feed.records())
    return feed.dated, count


class HostFeeds:
    """Asks hosts for their advisories, and stores them in `feeds`. `job` is the prefix of the jobs'
    ids; `read` opens the file that a host gave for one repository."""

    def __init__(
        self,
        feeds: Feeds,
        *,
        runner: Runner,
        fleet: Fleet,
        job: str,
        read: Read,
        force: bool = False,
    ) -> None:
        self._feeds = feeds
        self._runner = runner
        self._fleet = fleet
        self._job = job
        self._read = read
        self._force = force

    def update(self, asked: Sequence[Group]) -> Iterator[FeedUpdate]:
        """Ask hosts of these groups. One result for each repository, and one for each group of
        which no host answered. What fails leaves the stored feed as it was."""
        with self._feeds.under_way() as folder:
            feeds: dict[str, list[Feed]] = {}
            failed: list[FeedUpdate] = []
            for group, answer, reason in self._answers(asked):
                if reason:
                    name = slug(f"updateinfo {group.ecosystem} {group.architecture}")
                    failed.append(_failure(name, reason))
                for reply in answer:
                    self._take(group, reply, Path(folder), feeds, failed)
            yield from failed
            for name, candidates in sorted(feeds.items()):
                yield self._hold(name, candidates)

    def _answers(
        self, asked: Sequence[Group]
    ) -> Iterator[tuple[Group, Sequence[tuple[str, Given | Nothing]], str]]:
        """(group, ((host, its reply on a repository), ...), why no host answered)."""
        waiting = list(asked)
        reasons: dict[Group, list[str]] = {group: [] for group in asked}
        for attempt in range(_TRIES):
            by_host = {
                group.hosts[attempt]: group for group in waiting if attempt < len(group.hosts)
            }
            if not by_host:
                break
            self._feeds.say(f"asking {', '.join(sorted(by_host))} for advisories")
            job = Job(
                id=f"{self._job}-{attempt}",
                stage="feeds",
                inventory=generate(self._fleet, sorted(by_host)),
                timeout_s=TIMEOUT_S,
            )
            for answer in self._runner.run(job):
                group = by_host[answer.host]
                replies, reason = _read(answer)
                if reason:
                    reasons[group].append(f"{answer.host}: {reason}")
                else:
                    waiting.remove(group)
                    yield group, [(answer.host, repository) for repository in replies], ""
        for group in waiting:
            yield group, (), "; ".join(reasons[group]) or f"{group.hosts[0]}: no answer"

    def _take(
        self,
        group: Group,
        host_and_reply: tuple[str, Given | Nothing],
        folder: Path,
        feeds: dict[str, list[Feed]],
        failed: list[FeedUpdate],
    ) -> None:
        host, reply = host_and_reply
        name = feed_name(group.ecosystem, group.architecture, reply.repository)
        origin = f"{host}: repository {reply.repository}"
        if isinstance(reply, Nothing):
            if reply.failure:
                failed.append(_failure(name, f"{origin}: {reply.failure}"))
            else:
                self._feeds.say(f"{origin} publishes no advisories")
            return
        path = folder / f"{sum(map(len, feeds.values()))}"
        path.write_bytes(reply.data)
        try:
            feed = _feed(self._read(path, group.ecosystem, shown=origin), reply.revision)
        except PatchctlError as error:
            failed.append(_failure(name, str(error)))
            return
        if feed is None:
            self._feeds.say(f"{origin} publishes no advisories")
        else:
            feeds.setdefault(name, []).append(feed)

    def _hold(self, name: str, candidates: Sequence[Feed]) -> FeedUpdate:
        try:
            best = candidates[0] if len(candidates) == 1 else max(candidates, key=_rank)
            self._feeds.say(f"{name}: from {best.place}")
            info = self._feeds.hold(best, name, of_hosts=True, force=self._force)
        except PatchctlError as error:
            return _failure(name, str(error))
        return FeedUpdate(name=name, outcome=UpdateOutcome.UPDATED, feed=info)


def _failure(name: str, reason: str) -> FeedUpdate:
    return FeedUpdate(name=name, outcome=UpdateOutcome.FAILED, reason=reason)


def _read(answer: Answer) -> tuple[tuple[Given | Nothing, ...], str]:
    """(the host's replies on its repositories, why its answer cannot be used)."""
    if answer.status is not AnswerStatus.OK:
        return (), sentence(answer.reason) or "the host gave no answer"
    try:
        replies = parse(answer.output)
    except ValueError as error:
        return (), str(error)
    for reply in replies:
        if isinstance(reply, Nothing) and reply.repository == "-":
            return (), reply.failure or "the host gave no reason"
    return replies, ""


def _feed(reading: Reading, revision: int) -> Feed | None:
    """The feed in a file that a host gave, None where it names no package. Raises InvalidInputError
    where it is no updateinfo."""
    feeds = list(reading)
    if len(feeds) != 1 or feeds[0].kind is not FeedKind.UPDATEINFO:
        raise InvalidInputError("gave something else than updateinfo", where=reading.place)
    inner = feeds[0]

    def records(feed_date: FeedDate) -> Iterator[FeedRecord]:
        # createrepo's revision shows that a repository without new advisories is current.
        feed_date.date(revision)
        yield from inner.records()
        feed_date.date(inner.dated)

    feed = Feed(FeedKind.UPDATEINFO, inner.name, reading.place, records)
    # Fedora's modular repositories have advisories without packages.
    has_packages = any(
        not isinstance(record, Advisory) or record.affected for record in feed.records()
    )
    return feed if has_packages else None
