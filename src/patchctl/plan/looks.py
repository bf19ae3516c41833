"""Say what could not be looked at when a plan is made, and hold the hosts that this concerns."""

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

# Reasons that a host is given where nothing of it is wanted. They are true where all was looked at.
_NOTHING = frozenset({LeftOutReason.NO_UPDATES, LeftOutReason.NO_FINDING})
# Sections of an answer that tell of updates.
_OF_UPDATES = frozenset({"pending", "advisories"})


class Looks(Record):
    """`hosts` could not be looked at at all, `repositories` are those of other hosts, "" where it
    is all of a host's; `optional` are those that their hosts are told to go on without, which keeps
    no host back. `unreadable` are hosts that said something of their pending updates in a form that
    is not known: the others of their updates count, but none of them is up to date. All sorted."""

    hosts: tuple[CouldNotLook, ...] = ()
    repositories: tuple[CouldNotLook, ...] = ()
    optional: tuple[CouldNotLook, ...] = ()
    unreadable: tuple[CouldNotLook, ...] = ()
    policy: StaleLists = StaleLists.HOLD

    @property
    def all(self) -> tuple[CouldNotLook, ...]:
        """Everything, by host."""
        rows = (*self.hosts, *self.repositories, *self.optional, *self.unreadable)
        return tuple(sorted(rows, key=_order))

    @property
    def held(self) -> dict[str, str]:
        """Hosts that the policy leaves out for their repositories, with the reason."""
        return _reasons(self.repositories) if self.policy is StaleLists.HOLD else {}

    def honest(self, left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
        """The same, but no host is up to date that has repositories nobody could look into, or
        pending updates that nobody could read."""
        reasons = _reasons((*self.repositories, *self.unreadable))
        return tuple(
            structs.replace(row, reason=LeftOutReason.STALE_LISTS, detail=reasons[row.host])
            if row.reason in _NOTHING and not row.package and row.host in reasons
            else row
            for row in left_out
        )


def _reasons(looked: Iterable[CouldNotLook]) -> dict[str, str]:
    """Why, by host."""
    rows_of: dict[str, list[CouldNotLook]] = {}
    for row in looked:
        rows_of.setdefault(row.host, []).append(row)
    return {host: _reason(rows) for host, rows in rows_of.items()}


def _order(row: CouldNotLook) -> tuple[str, str, str]:
    return row.host, row.repository, row.reason


def _reason(rows: Sequence[CouldNotLook]) -> str:
    first = rows[0]
    said = f"{first.repository}: {first.reason}" if first.repository else first.reason
    return f"{said}; {more(len(rows) - 1)}" if rows[1:] else said


def looks(
    fleet: Fleet,
    snapshot: Snapshot,
    limit: Collection[str] | None,
    *,
    policy: StaleLists,
    oldest: int,
) -> Looks:
    """What the snapshot could not tell of the hosts that are asked for: those with a ring, in
    `limit` (None: all). `oldest`: lists that were fetched before that moment tell nothing, epoch
    seconds UTC.
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
            # One faulty line of its sources hides all repositories: no less than one that fails.
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
    """Hosts of the inventory that nobody asked, since the fleet cannot have their names. None where
    `limit` does not mean the whole fleet: which patterns fit such a name is not known."""
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
    """A line that is not understood may be an update, or what makes one a security update."""
    lines = [row.line for row in facts.unparsed if row.section in _OF_UPDATES]
    if lines and facts.manager in SUPPORTED:
        said = (
            f"{count(len(lines), 'line')} of its pending updates could not be read: {lines[0][:80]}"
        )
        yield CouldNotLook(host=host, reason=sentence(said))


def _repositories(
    host: str, facts: HostFacts, oldest: int, *, optional: bool
) -> Iterator[CouldNotLook]:
    if facts.manager not in SUPPORTED:
        return  # its hosts are in no plan
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
