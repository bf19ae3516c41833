"""Freeze the results of select, resolve and fetch into the body of a plan with its digest."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import UsageError
from ..models import canonical
from ..models.exclusions import Exclusion
from ..models.facts import HostFacts
from ..models.fleet import Fleet, Host
from ..models.plan import (
    Cohort,
    CouldNotLook,
    HookFile,
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    PlanBody,
    PlanFeed,
    PlannedHost,
    Selection,
    SnapshotRef,
    Urgent,
)
from ..models.policy import RebootPolicy, RingPolicy, UnprovenPolicy
from ..models.resolution import Resolution
from ..models.settings import Settings
from ..models.snapshot import Snapshot
from ..models.unsafe import marked
from .cohorts import cohort
from .managers import DECISIONS
from .unproven import unproven
from .waves import waves

VERSION = 1


def freeze(
    *,
    fleet: Fleet,
    snapshot: Snapshot,
    selection: Selection,
    settings: Settings,
    resolutions: Iterable[Resolution],
    left_out: Iterable[LeftOut],
    proven: Mapping[str, frozenset[str]] | None = None,
    feeds: Iterable[PlanFeed] = (),
    urgent: Iterable[Urgent] = (),
    hooks: Iterable[HookFile] = (),
    could_not_look: Iterable[CouldNotLook] = (),
    exclusions: Sequence[Exclusion] = (),
) -> PlanBody:
    """Return the body of a plan. Equal inputs in any order give equal bytes.

    `resolutions` are those that the plan takes: each host has a ring of the settings and facts in
    the snapshot; two resolutions of one host are a bug of the caller. `proven` is ring -> the
    `proof_key`s that earlier runs proved there. `feeds` are the feeds that gave the CVEs of the
    resolutions. `hooks` are the files of the settings' hooks. `could_not_look` are the hosts and
    repositories that the snapshot has no data of. `exclusions` are the rules by which the updates
    were selected.
    """
    taken = {resolution.host: resolution for resolution in resolutions}
    left_out = tuple(left_out)
    hosts = {host.name: host for host in fleet.hosts if host.name in taken}
    facts = {host.name: host.facts for host in snapshot.hosts if host.facts is not None}
    assigned = _assign(taken.values(), settings.undo_safe)
    cohorts = {cohort.id: cohort for cohort in assigned.values()}
    placed = {
        ring.name: {
            name: assigned[name].id
            for name, host in sorted(hosts.items())
            if host.ring == ring.name
        }
        for ring in settings.rings
    }
    if sum(map(len, placed.values())) != len(taken):
        raise ValueError("every planned host is in the fleet and in a ring of the settings")
    return PlanBody(
        version=VERSION,
        as_of=snapshot.taken,
        expires=snapshot.taken + settings.plan_expires_s,
        selection=msgspec.structs.replace(
            selection,
            packages=tuple(sorted(selection.packages)),
            cves=tuple(sorted(set(selection.cves))),
        ),
        fleet=fleet_digest(hosts.values()),
        policy=policy_digest(
            settings.rings,
            settings.unproven,
            allow_removals=settings.allow_removals,
            undo_safe=settings.undo_safe,
            plan_expires_s=settings.plan_expires_s,
        ),
        snapshots=tuple(
            SnapshotRef(host=host.name, facts=host.facts_digest)
            for host in sorted(snapshot.hosts, key=lambda host: host.name)
            if host.facts_digest
        ),
        rings=settings.rings,
        unproven_policy=settings.unproven,
        cohorts=tuple(cohorts[key] for key in sorted(cohorts)),
        hosts=tuple(
            planned
            for ring in settings.rings
            for planned in _ring_hosts(ring, placed[ring.name], assigned, facts)
        ),
        left_out=tuple(
            sorted(
                set(left_out),
                key=lambda row: (
                    *(row.host, row.package, row.reason, row.version, row.detail),
                    *(row.cves, row.rule, row.needs),
                ),
            )
        ),
        unproven=unproven(settings.ring_names, cohorts, placed, proven or {}),
        feeds=tuple(sorted(feeds, key=lambda feed: feed.name)),
        urgent=tuple(sorted(urgent, key=lambda vulnerability: vulnerability.cve)),
        hooks=tuple(sorted(hooks, key=lambda file: file.path)),
        could_not_look=tuple(
            sorted(set(could_not_look), key=lambda look: (look.host, look.repository, look.reason))
        ),
        stale_lists=settings.stale_lists,
        exclusions=tuple(_of_the_plan(exclusions, hosts.keys(), left_out)),
        allow_removals=settings.allow_removals,
        undo_safe=tuple(sorted(settings.undo_safe)),
    )


def _of_the_plan(
    exclusions: Iterable[Exclusion], planned: Collection[str], left_out: Iterable[LeftOut]
) -> Iterator[Exclusion]:
    """Yield the exclusions that concern the plan, each with only the hosts that it has to do with.

    An exclusion without hosts is for all hosts, and stays. An edit of the inventory for any other
    host does not change the plan.
    """
    concerned = {row.host for row in left_out if row.reason is LeftOutReason.EXCLUDED}
    concerned |= set(planned)
    for exclusion in exclusions:
        hosts = tuple(sorted(set(exclusion.hosts) & concerned))
        if hosts or not exclusion.hosts:
            yield msgspec.structs.replace(exclusion, hosts=hosts)


def seal(body: PlanBody, about: PlanAbout) -> Plan:
    """Return the plan with that body. The digest of the body is the plan's identity."""
    return Plan(digest=canonical.digest(body), body=body, about=about)


def _assign(taken: Iterable[Resolution], undo_safe: Sequence[str]) -> dict[str, Cohort]:
    """Return host -> cohort. Equal transactions, common in a large fleet, share one cohort."""
    made: dict[object, Cohort] = {}
    assigned = {}
    for resolution in taken:
        key = (resolution.manager, resolution.transitions)
        if key not in made:
            made[key] = cohort(resolution.manager, resolution.transitions, undo_safe)
        assigned[resolution.host] = made[key]
    return assigned


def _ring_hosts(
    ring: RingPolicy,
    placed: dict[str, str],
    assigned: dict[str, Cohort],
    facts: dict[str, HostFacts],
) -> list[PlannedHost]:
    rows = []
    for number, wave in enumerate(waves(list(placed), ring.max_concurrent), start=1):
        for name in wave:
            reboots = ring.reboot is RebootPolicy.IF_REQUIRED and (
                assigned[name].reboot or facts[name].reboot_required
            )
            rows.append(
                PlannedHost(
                    name=name,
                    ring=ring.name,
                    wave=number,
                    cohort=placed[name],
                    machine_id=facts[name].machine_id,
                    expected_reboot=reboots,
                    expected_s=expected_seconds(assigned[name], reboots=reboots),
                )
            )
    return rows


def expected_seconds(cohort: Cohort, *, reboots: bool) -> int:
    """Estimate the seconds that a host takes, by its package manager's pace; a reboot is 120 s."""
    pace = DECISIONS[cohort.manager].pace
    return (
        pace.around_s
        + pace.package_s * len(cohort.transitions)
        + cohort.download_bytes // pace.bytes_a_second
        + (120 if reboots else 0)
    )


# Paths of the inventory on the machine that reads it. They are not part of the fleet.
_PLACES = frozenset({"inventory_dir", "inventory_file"})


def fleet_digest(hosts: Iterable[Host]) -> str:
    """Return the digest of the planned hosts' inventory data.

    An inventory edit that changes none of these hosts leaves the digest as it is.
    """
    return canonical.digest(
        [
            {
                "name": host.name,
                "ring": host.ring,
                "groups": sorted(host.groups),
                "variables": _without_floats(
                    {
                        key: marked(value)
                        for key, value in host.variables.items()
                        if key not in _PLACES
                    }
                ),
            }
            for host in sorted(hosts, key=lambda host: host.name)
        ]
    )


def _without_floats(value: Any) -> Any:
    """Replace floats by their repr: inventory variables may be floats, canonical JSON has none."""
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {str(key): _without_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(item) for item in value]
    return value


def policy_digest(
    rings: Sequence[RingPolicy],
    unproven: UnprovenPolicy,
    *,
    allow_removals: bool,
    undo_safe: Iterable[str],
    plan_expires_s: int,
) -> str:
    """The digest of the settings that a plan freezes."""
    return canonical.digest(
        {
            "rings": rings,
            "unproven": unproven,
            "allow_removals": allow_removals,
            "undo_safe": sorted(undo_safe),
            "plan_expires_s": plan_expires_s,
        }
    )


def check_rings(rings: Sequence[RingPolicy], fleet: Fleet) -> None:
    """Raise UsageError where the fleet has a ring that the settings do not name."""
    names = {ring.name for ring in rings}
    for host in fleet.hosts:
        if host.ring is not None and host.ring not in names:
            raise UsageError(
                f"host {host.name} is in ring {host.ring!r}, which the settings do not name",
                hint=f"use one of {', '.join(ring.name for ring in rings)}",
            )
