"""The fleet by what is stored: what is unknown is never well, and the worst host is first."""

from typing import Any

import pytest
from msgspec import structs

from patchctl.errors import UsageError
from patchctl.models.advisory import FeedKind
from patchctl.models.feeds import FeedAge, FeedInfo
from patchctl.models.fleet import Fleet, Group, Host
from patchctl.models.fleet_status import FleetStatus, Gap, HostFigures, HostOrder, Need, StatusHost
from patchctl.models.priority import Decision
from patchctl.models.rollout import RunState
from patchctl.models.snapshot import HostStatus
from patchctl.models.state import LastLook
from patchctl.workflows.fleet.fleet_status import Question, Stored, fleet_status

NOW, MAX_AGE = 1_795_435_800, 1000
NO_FINDINGS = dict.fromkeys(Decision, 0)
WELL = HostFigures(
    name="",
    os="debian 12",
    taken=NOW - 10,
    imported=False,
    pending=0,
    security=0,
    excluded=0,
    reboot_required=False,
    old_code=0,
    findings=NO_FINDINGS,
    overdue=0,
    excluded_findings=0,
    waived=0,
    ecosystems=("Debian:12",),
    lists_fetched=NOW - 20,
    faulty_repositories=0,
)
FEED = FeedInfo(
    name="debian", kind=FeedKind.OSV, entries=1, digest="d", imported=1, ecosystems={"Debian:12": 1}
)
RINGS = ("staging", "production")


def world(
    *figures: HostFigures | None,
    status: HostStatus = HostStatus.OK,
    feeds: tuple[FeedAge, ...] = (FeedAge(feed=FEED, age_s=1, max_age_s=10),),
    patched: dict[str, int] | None = None,
    held: dict[str, RunState] | None = None,
) -> tuple[Fleet, Stored]:
    """Hosts h1, h2, …: the odd ones in staging, the even ones in production and the group web."""
    names = [f"h{number}" for number in range(1, len(figures) + 1)]
    hosts = tuple(
        Host(
            name=name,
            ring=RINGS[index % 2],
            ring_reason="",
            groups=("all", "web") if index % 2 else ("all",),
            variables={},
        )
        for index, name in enumerate(names)
    )
    groups = (Group(name="web", hosts=(), children=()),)
    fleet = Fleet(hosts=hosts, groups=groups, sources=(), rings=RINGS, digest="")
    known = {name: row for name, row in zip(names, figures, strict=True) if row is not None}
    looks = {
        name: LastLook(host=name, snapshot="s", taken=NOW, status=status, reason="")
        for name in known
    }
    stored = Stored(
        figures=known,
        looks=looks,
        patched=patched or {},
        held={host: f"r-{host}" for host in held or {}},
        runs={f"r-{host}": state for host, state in (held or {}).items()},
        feeds=feeds,
    )
    return fleet, stored


def shown(fleet: Fleet, stored: Stored, **question: Any) -> FleetStatus:
    return fleet_status(fleet, stored, Question(**question), now_s=NOW, max_age_s=MAX_AGE)


def only(*figures: HostFigures | None, **stored: Any) -> StatusHost:
    (host,) = shown(*world(*figures, **stored)).hosts
    return host


def test_a_host_is_well_where_it_needs_nothing_and_all_is_known() -> None:
    host = only(WELL)
    assert (host.needs, host.unknown) == ((), ())
    assert shown(*world(WELL)).counts.all.well == 1


@pytest.mark.parametrize(
    ("figures", "stored", "gap"),
    [
        (None, {}, Gap.NEVER_LOOKED_AT),
        (WELL, {"status": HostStatus.UNREACHABLE}, Gap.LOOK_FAILED),
        (structs.replace(WELL, taken=NOW - MAX_AGE - 1), {}, Gap.OLD_LOOK),
        (WELL, {"patched": {"h1": NOW}}, Gap.PATCHED_SINCE),
        (structs.replace(WELL, pending=None), {}, Gap.UPDATES_UNREAD),
        (structs.replace(WELL, faulty_repositories=1), {}, Gap.REPOSITORIES),
        (structs.replace(WELL, lists_fetched=1), {}, Gap.REPOSITORIES),
        (structs.replace(WELL, reboot_required=None), {}, Gap.REBOOT_UNREAD),
        (structs.replace(WELL, old_code=None), {}, Gap.REBOOT_UNREAD),
        (structs.replace(WELL, findings=None), {}, Gap.NO_FEED),
        (WELL, {"feeds": (FeedAge(feed=FEED, age_s=11, max_age_s=10),)}, Gap.STALE_FEED),
    ],
)
def test_what_is_not_known_is_named_and_never_well(
    figures: HostFigures | None, stored: dict[str, Any], gap: Gap
) -> None:
    status = shown(*world(figures, **stored))
    assert status.hosts[0].unknown == (gap,)
    assert status.counts.all.gaps == {gap: 1}
    assert (status.counts.all.well, status.counts.all.unknown) == (0, 1)


def test_an_old_feed_is_a_gap_only_where_it_speaks_of_the_host() -> None:
    other = structs.replace(FEED, ecosystems={"AlmaLinux:8": 1})
    everywhere = structs.replace(FEED, ecosystems={})
    assert only(WELL, feeds=(FeedAge(feed=other, age_s=11, max_age_s=10),)).unknown == ()
    stale = only(WELL, feeds=(FeedAge(feed=everywhere, age_s=11, max_age_s=10),))
    assert stale.unknown == (Gap.STALE_FEED,)


@pytest.mark.parametrize(
    ("figures", "stored", "needs"),
    [
        (structs.replace(WELL, reboot_required=True), {}, (Need.REBOOT,)),
        (structs.replace(WELL, old_code=2), {}, (Need.RESTART,)),
        (structs.replace(WELL, pending=2), {}, (Need.UPDATES,)),
        (structs.replace(WELL, overdue=1), {}, (Need.ATTENTION,)),
        (
            structs.replace(WELL, findings={**NO_FINDINGS, Decision.ACT: 1}),
            {},
            (Need.ATTENTION,),
        ),
        (None, {}, (Need.ATTENTION,)),
        (WELL, {"status": HostStatus.FAILED}, (Need.ATTENTION,)),
        (WELL, {"held": {"h1": RunState.HALTED}}, (Need.ATTENTION,)),
        (WELL, {"held": {"h1": RunState.RUNNING}}, ()),
    ],
)
def test_needs(
    figures: HostFigures | None, stored: dict[str, Any], needs: tuple[Need, ...]
) -> None:
    assert only(figures, **stored).needs == needs


def test_times_are_those_of_programs_and_null_where_there_is_none() -> None:
    host = only(WELL, patched={"h1": NOW - 20}, held={"h1": RunState.SOAKING})
    assert (host.looked_at, host.patched_at) == ("2026-11-23T12:09:50Z", "2026-11-23T12:09:40Z")
    assert (host.held_by, host.held_state) == ("r-h1", RunState.SOAKING)
    never = only(None)
    assert (never.looked_at, never.patched_at, never.held_by, never.findings) == (None,) * 4


def test_needs_choose_which_hosts_are_listed_and_leave_the_counts() -> None:
    status = shown(*world(WELL, structs.replace(WELL, pending=1)), needs=Need.UPDATES)
    assert [host.name for host in status.hosts] == ["h2"]
    assert (status.counts.all.hosts, status.counts.all.updates) == (2, 1)


def test_ring_group_and_limit_choose_what_is_counted() -> None:
    fleet, stored = world(WELL, WELL, WELL)
    for question, names in (
        ({"ring": "staging"}, ["h1", "h3"]),
        ({"group": "web"}, ["h2"]),
        ({"hosts": ["h3"], "ring": "staging"}, ["h3"]),
    ):
        status = shown(fleet, stored, **question)
        assert [host.name for host in status.hosts] == names
        assert status.counts.all.hosts == len(names)


@pytest.mark.parametrize("question", [{"ring": "stagin"}, {"group": "wbe"}])
def test_a_ring_or_group_that_there_is_not_is_refused(question: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"there are|no (ring|group)"):
        fleet, stored = world(WELL)
        shown(fleet, stored, **question)


def test_counts_are_by_ring_in_their_order_and_by_system_with_the_unknown_last() -> None:
    counts = shown(*world(WELL, None, WELL)).counts
    assert [(ring.name, ring.hosts) for ring in counts.rings] == [("staging", 2), ("production", 1)]
    assert [(row.name, row.hosts) for row in counts.systems] == [("debian 12", 2), (None, 1)]


def test_the_worst_host_is_first() -> None:
    reboot = structs.replace(WELL, reboot_required=True)
    overdue = structs.replace(WELL, overdue=3)
    unread = structs.replace(WELL, pending=None)
    fleet, stored = world(WELL, unread, reboot, None, overdue)
    names = [host.name for host in shown(fleet, stored).hosts]
    assert names == ["h5", "h4", "h3", "h2", "h1"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (HostOrder.NAME, ["h1", "h2", "h3"]),
        (HostOrder.RING, ["h3", "h1", "h2"]),
        (HostOrder.UPDATES, ["h3", "h2", "h1"]),
        (HostOrder.PATCHED_AT, ["h3", "h2", "h1"]),
    ],
)
def test_orders(order: HostOrder, names: list[str]) -> None:
    """An unknown number stands before none, and a host that was never patched before all."""
    fleet, stored = world(
        WELL,
        structs.replace(WELL, pending=None),
        structs.replace(WELL, pending=5),
        patched={"h1": 20, "h2": 10},
    )
    assert [host.name for host in shown(fleet, stored, order=order).hosts] == names
