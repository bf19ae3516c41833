"""List the hosts and repositories that a plan has no current data of, and hold back such hosts."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import structs

from ..models.base import Record
from ..models.facts import HostFacts, PackageLists
from ..models.fleet import Fleet
from ..models.plan import CouldNotLook, LeftOut, LeftOutReason
from ..models.policy import StaleLists
from ..models.snapshot import HostStatus, Snapshot
from ..models.words import count, moment, more
from ..protocol.cleaning import sentence
from ..protocol.managers import SUPPORTED

# Reasons of a host that has nothing to do. They are true only where all its repositories were read.
_NOTHING = frozenset({LeftOutReason.NO_UPDATES, LeftOutReason.NO_FINDING})
# Sections of a host's answer that are about updates.
_OF_UPDATES = frozenset({"pending", "advisories"})


class Looks(Record):
    """What a plan has no current data of, each list sorted by host.

    `hosts` gave no usable data at all. `repositories` are repositories of other hosts that could
    not be read; an empty name means all repositories of the host. `optional` are repositories that
    the host's own settings let it go on without; they hold back no host. `unreadable` are hosts
    with lines about pending updates that could not be parsed: their other updates are planned, but
    no such host counts as up to date. `policy` says what becomes of hosts in `repositories`.
    """

    hosts: tuple[CouldNotLook, ...] = ()
    repositories: tuple[CouldNotLook, ...] = ()
    optional: tuple[CouldNotLook, ...] = ()
    unreadable: tuple[CouldNotLook, ...] = ()
    policy: StaleLists = StaleLists.HOLD

    @property
    def all(self) -> tuple[CouldNotLook, ...]:
        """All rows, sorted by host."""
        rows = (*self.hosts, *self.repositories, *self.optional, *self.unreadable)
        return tuple(sorted(rows, key=_order))

    @property
    def held(self) -> dict[str, str]:
        """Hosts that the policy leaves out for their repositories, with the reason."""
        return _reasons(self.repositories) if self.policy is StaleLists.HOLD else {}

    def mark_uncertain(self, left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
        """Return the rows; a host in `repositories` or `unreadable` is not called up to date.

        Its row "nothing to do" becomes STALE_LISTS with the reason.
        """
        reasons = _reasons((*self.repositories, *self.unreadable))
        return tuple(
            structs.replace(row, reason=LeftOutReason.STALE_LISTS, detail=reasons[row.host])
            if row.reason in _NOTHING and not row.package and row.host in reasons
            else row
            for row in left_out
        )


def _reasons(rows: Iterable[CouldNotLook]) -> dict[str, str]:
    """Return host -> its first reason, with the number of the others."""
    rows_of: dict[str, list[CouldNotLook]] = {}
    for row in rows:
        rows_of.setdefault(row.host, []).append(row)
    return {host: _reason(of_host) for host, of_host in rows_of.items()}


def _order(row: CouldNotLook) -> tuple[str, str, str]:
    return row.host, row.repository, row.reason


def _reason(rows: Sequence[CouldNotLook]) -> str:
    first = rows[0]
    reason = f"{first.repository}: {first.reason}" if first.repository else first.reason
    return f"{reason}; {more(len(rows) - 1)}" if rows[1:] else reason


def looks(
    fleet: Fleet,
    snapshot: Snapshot,
    limit: Collection[str] | None,
    *,
    policy: StaleLists,
    oldest: int,
) -> Looks:
    """Return what the snapshot has no current data of, for the hosts in `limit` (None: all).

    Hosts without a ring are ignored, because no plan has them. Package lists that were fetched
    before `oldest`, epoch seconds UTC, are too old.
    """
    asked = {
        host.name
        for host in fleet.hosts
        if host.ring is not None and (limit is None or host.name in limit)
    }
    hosts: list[CouldNotLook] = []
    repositories: list[CouldNotLook] = []
    optional: list[CouldNotLook] = []
    unreadable: list[CouldNotLook] = []
    for result in snapshot.hosts:
        if result.name not in asked:
            continue
        facts = result.facts
        if result.status is not HostStatus.OK or facts is None:
            hosts.append(CouldNotLook(host=result.name, reason=sentence(result.reason)))
        elif "pending" in facts.unread:
            # One faulty line in its sources hides all repositories of the host.
            whole = repositories if facts.manager in SUPPORTED else hosts
            whole.append(CouldNotLook(host=result.name, reason=_unread(facts)))
        else:
            repositories += _repositories(result.name, facts, oldest, optional=False)
            optional += _repositories(result.name, facts, oldest, optional=True)
            unreadable += _unreadable(result.name, facts)
    unasked = asked - {host.name for host in snapshot.hosts}
    hosts += [CouldNotLook(host=name, reason=f"not in snapshot {snapshot.id}") for name in unasked]
    return Looks(
        hosts=tuple(sorted(hosts, key=_order)),
        repositories=tuple(sorted(repositories, key=_order)),
        optional=tuple(sorted(optional, key=_order)),
        unreadable=tuple(sorted(unreadable, key=_order)),
        policy=policy,
    )


def refused(fleet: Fleet, limit: Collection[str] | None) -> tuple[CouldNotLook, ...]:
    """Return hosts of the inventory that were not asked because their names are refused.

    Empty where `limit` is not the whole fleet: no pattern can be compared with a refused name.
    """
    if limit is not None and {host.name for host in fleet.hosts} - set(limit):
        return ()
    rows = (
        CouldNotLook(host=host.name, reason=sentence(f"its name {host.reason}; rename it"))
        for host in fleet.left_out
    )
    return tuple(sorted(rows, key=_order))


def _unread(facts: HostFacts) -> str:
    why = next(
        (
            repository.fault
            for repository in facts.lists
            if repository.fault and not repository.optional
        ),
        "",
    )
    return sentence(f"its pending updates could not be read{f': {why}' if why else ''}")


def _unreadable(host: str, facts: HostFacts) -> Iterator[CouldNotLook]:
    """Yield a row where lines about updates could not be parsed.

    Such a line may be an update, or the advisory that makes an update a security update.
    """
    lines = [row.line for row in facts.unparsed if row.section in _OF_UPDATES]
    if lines and facts.manager in SUPPORTED:
        reason = (
            f"{count(len(lines), 'line')} of its pending updates could not be read: {lines[0][:80]}"
        )
        yield CouldNotLook(host=host, reason=sentence(reason))


def _repositories(
    host: str, facts: HostFacts, oldest: int, *, optional: bool
) -> Iterator[CouldNotLook]:
    if facts.manager not in SUPPORTED:
        return  # no plan has a host with another package manager
    if not facts.lists and not optional:
        reason = "when its package lists were fetched is not known; discover it again"
        yield CouldNotLook(host=host, reason=reason)
    for repository in facts.lists:
        if repository.optional is optional and (
            reason := repository.fault or _age(repository, oldest)
        ):
            yield CouldNotLook(
                host=host, repository=sentence(repository.repository), reason=sentence(reason)
            )


def _age(lists: PackageLists, oldest: int) -> str:
    if lists.fetched >= oldest:
        return ""
    return (
        f"its package lists are of {moment(lists.fetched)}, older than policy.lists_max_age allows"
    )
