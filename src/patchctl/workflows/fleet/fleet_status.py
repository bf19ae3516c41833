"""Put together what is stored of each host, and count it by ring and by system."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import UsageError
from ...models.feeds import FeedAge
from ...models.fleet import Fleet, Host
from ...models.fleet_status import (
    FleetStatus,
    Gap,
    HostFigures,
    HostOrder,
    Need,
    StatusCount,
    StatusCounts,
    StatusHost,
)
from ...models.priority import Decision
from ...models.rollout import RunState
from ...models.snapshot import HostStatus
from ...models.state import LastLook
from ...models.states import NEEDS_PERSON
from ...models.words import some, timestamp


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is stored: figures of the hosts that have facts, and how the last look at each host
    ended. `patched` is host -> when its last patching succeeded, epoch seconds; `held` is host ->
    run, and `runs` the state of these runs. `feeds` are all that are held, with their ages."""

    figures: Mapping[str, HostFigures]
    looks: Mapping[str, LastLook]
    patched: Mapping[str, int]
    held: Mapping[str, str]
    runs: Mapping[str, RunState]
    feeds: Collection[FeedAge]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: the host names of `--limit` (None: all), a ring, a group, what hosts need,
    and their order."""

    hosts: Collection[str] | None = None
    ring: str = ""
    group: str = ""
    needs: Need | None = None
    order: HostOrder = HostOrder.URGENCY


def fleet_status(
    fleet: Fleet, stored: Stored, question: Question, *, now_s: int, max_age_s: int
) -> FleetStatus:
    """Return the state of the hosts of the fleet. `max_age_s` is how old a look and package lists
    may be.

    Raises UsageError for a ring or group that there is not.
    """
    hosts = chosen(fleet, question)
    oldest = now_s - max_age_s
    stale = [age.feed for age in stored.feeds if age.stale]
    stale_of: dict[tuple[str, ...], bool] = {}

    def feed_is_stale(ecosystems: tuple[str, ...]) -> bool:
        """Whether a feed about one of them, or about all systems, is too old."""
        if ecosystems not in stale_of:
            stale_of[ecosystems] = any(
                not feed.ecosystems or not feed.ecosystems.keys().isdisjoint(ecosystems)
                for feed in stale
            )
        return stale_of[ecosystems]

    rows = [_row(host, stored, oldest, feed_is_stale) for host in hosts]
    held = {row.held_by for row in rows if row.held_by}
    listed = [row for row in rows if question.needs is None or question.needs in row.needs]
    return FleetStatus(
        as_of=timestamp(now_s),
        hosts=tuple(ordered(listed, question.order, fleet.rings)),
        counts=counted(rows, fleet.rings),
        feeds_held=bool(stored.feeds),
        stale_feeds=tuple(feed.name for feed in stale),
        runs={run: state for run, state in stored.runs.items() if run in held},
    )


def chosen(fleet: Fleet, question: Question) -> list[Host]:
    """Return the hosts of ring, group and limit. Raises UsageError for an unknown ring or group."""
    ring, group = question.ring, question.group
    if ring and ring not in fleet.rings:
        raise UsageError(f"no ring {ring}", hint=f"there are {', '.join(fleet.rings)}")
    groups = sorted({group.name for group in fleet.groups})
    if group and group not in groups:
        raise UsageError(
            f"no group {group} in the inventory", hint=f"there are {some(groups, 10) or 'none'}"
        )
    names = None if question.hosts is None else frozenset(question.hosts)
    return [
        host
        for host in fleet.hosts
        if (not ring or host.ring == ring)
        and (not group or group in host.groups)
        and (names is None or host.name in names)
    ]


def _row(
    host: Host, stored: Stored, oldest: int, feed_is_stale: Callable[[tuple[str, ...]], bool]
) -> StatusHost:
    figures = stored.figures.get(host.name)
    look = stored.looks.get(host.name)
    run = stored.held.get(host.name)
    patched = stored.patched.get(host.name, 0)
    gaps = tuple(_gaps(figures, look, patched, oldest, feed_is_stale))
    run_state = stored.runs.get(run) if run else None
    decisions = figures.findings if figures else None
    return StatusHost(
        name=host.name,
        ring=host.ring,
        os=(figures.os or None) if figures else None,
        pending=figures.pending if figures else None,
        security=figures.security if figures else None,
        findings=None if decisions is None else sum(decisions.values()),
        overdue=figures.overdue if figures else None,
        reboot_required=figures.reboot_required if figures else None,
        looked_at=timestamp(figures.taken) if figures else None,
        patched_at=timestamp(patched) or None,
        held_by=run,
        held_state=run_state,
        decisions=decisions,
        excluded=figures.excluded if figures else None,
        excluded_findings=figures.excluded_findings if figures else None,
        waived=figures.waived if figures else None,
        restart_needed=figures.old_code if figures else None,
        last_look=look.status if look else None,
        reason=look.reason if look else "",
        imported=figures.imported if figures else False,
        groups=host.groups,
        needs=tuple(_needs(figures, gaps, run_state)),
        unknown=gaps,
    )


def _gaps(
    figures: HostFigures | None,
    look: LastLook | None,
    patched: int,
    oldest: int,
    feed_is_stale: Callable[[tuple[str, ...]], bool],
) -> Iterator[Gap]:
    """Yield what is not known of a host."""
    if look is None:
        yield Gap.NEVER_LOOKED_AT
    elif look.status is not HostStatus.OK:
        yield Gap.LOOK_FAILED
    if figures is None:
        return
    if figures.taken < oldest:
        yield Gap.OLD_LOOK
    if figures.taken < patched:
        yield Gap.PATCHED_SINCE
    if figures.pending is None:
        yield Gap.UPDATES_UNREAD
    elif figures.faulty_repositories or 0 < figures.lists_fetched < oldest:
        yield Gap.REPOSITORIES
    if figures.reboot_required is None or figures.old_code is None:
        yield Gap.REBOOT_UNREAD
    if figures.findings is None:
        yield Gap.NO_FEED
    elif feed_is_stale(figures.ecosystems):
        yield Gap.STALE_FEED


def _needs(
    figures: HostFigures | None, gaps: Collection[Gap], run_state: RunState | None
) -> Iterator[Need]:
    if figures is not None:
        if figures.reboot_required:
            yield Need.REBOOT
        if figures.old_code:
            yield Need.RESTART
        if figures.pending:
            yield Need.UPDATES
    urgent = figures is not None and (figures.overdue or (figures.findings or {}).get(Decision.ACT))
    unseen = Gap.NEVER_LOOKED_AT in gaps or Gap.LOOK_FAILED in gaps
    if urgent or unseen or run_state in NEEDS_PERSON:
        yield Need.ATTENTION


# --- order --------------------------------------------------------------------------------------


def ordered(
    hosts: Iterable[StatusHost], order: HostOrder, rings: Sequence[str]
) -> list[StatusHost]:
    """Return the hosts in this order; equal ones by urgency, then by name. What is not known
    stands before what is good and behind what is bad."""
    rank = {ring: index for index, ring in enumerate(rings)}
    rows = sorted(hosts, key=lambda host: host.name)
    if order is not HostOrder.NAME:
        rows.sort(key=_urgency)
    match order:
        case HostOrder.RING:
            rows.sort(key=lambda host: rank.get(host.ring or "", len(rank)))
        case HostOrder.LOOKED_AT:
            rows.sort(key=lambda host: host.looked_at or "")
        case HostOrder.PATCHED_AT:
            rows.sort(key=lambda host: host.patched_at or "")
        case HostOrder.UPDATES:
            rows.sort(key=lambda host: _most(host.pending))
        case HostOrder.SECURITY:
            rows.sort(key=lambda host: _most(host.security))
        case HostOrder.FINDINGS:
            rows.sort(key=lambda host: _most(host.findings))
        case HostOrder.OVERDUE:
            rows.sort(key=lambda host: _most(host.overdue))
        case _:
            pass
    return rows


def _urgency(host: StatusHost) -> tuple[Any, ...]:
    """The key by which the worst host is first."""
    decisions = host.decisions or {}
    return (
        Need.ATTENTION not in host.needs,
        host.held_state not in NEEDS_PERSON,
        not host.overdue,
        not decisions.get(Decision.ACT),
        not ({Gap.NEVER_LOOKED_AT, Gap.LOOK_FAILED} & set(host.unknown)),
        -(host.overdue or 0),
        -decisions.get(Decision.ACT, 0),
        not host.security,
        not host.reboot_required,
        not host.restart_needed,
        not host.needs,
        not host.unknown,
        -decisions.get(Decision.OUT_OF_CYCLE, 0),
        -(host.security or 0),
        -(host.pending or 0),
    )


def _most(number: int | None) -> float:
    """The key by which the highest number is first, and an unknown one is worse than none."""
    return -0.5 if number is None else -number


# --- counts -------------------------------------------------------------------------------------


def counted(hosts: Collection[StatusHost], rings: Sequence[str]) -> StatusCounts:
    """Return the counts of all hosts, of each ring that has hosts, and of each system."""
    by_ring: dict[str | None, list[StatusHost]] = {ring: [] for ring in rings}
    by_system: dict[str | None, list[StatusHost]] = {}
    for host in hosts:
        by_ring.setdefault(host.ring, []).append(host)
        by_system.setdefault(host.os, []).append(host)
    largest = sorted(
        by_system, key=lambda system: (system is None, -len(by_system[system]), system or "")
    )
    return StatusCounts(
        all=_count("all", hosts),
        rings=tuple(_count(ring, rows) for ring, rows in by_ring.items() if rows),
        systems=tuple(_count(system, by_system[system]) for system in largest),
    )


def _count(name: str | None, hosts: Collection[StatusHost]) -> StatusCount:
    needs = Counter(need for host in hosts for need in host.needs)
    gaps = Counter(gap for host in hosts for gap in host.unknown)
    findings: Counter[Decision] = Counter()
    for host in hosts:
        findings.update(host.decisions or {})
    return StatusCount(
        name=name,
        hosts=len(hosts),
        well=sum(not host.needs and not host.unknown for host in hosts),
        updates=needs[Need.UPDATES],
        security=sum(bool(host.security) for host in hosts),
        act=sum(bool((host.decisions or {}).get(Decision.ACT)) for host in hosts),
        overdue=sum(bool(host.overdue) for host in hosts),
        excluded=sum(bool(host.excluded or host.excluded_findings) for host in hosts),
        reboot=needs[Need.REBOOT],
        restart=needs[Need.RESTART],
        attention=needs[Need.ATTENTION],
        held=sum(host.held_by is not None for host in hosts),
        unknown=sum(bool(host.unknown) for host in hosts),
        updates_known=sum(host.pending is not None for host in hosts),
        reboot_known=sum(host.reboot_required is not None for host in hosts),
        findings_known=sum(host.findings is not None for host in hosts),
        gaps={gap: gaps[gap] for gap in Gap if gaps[gap]},
        findings={decision: findings[decision] for decision in Decision},
        overdue_findings=sum(host.overdue or 0 for host in hosts),
    )
