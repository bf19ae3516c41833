"""The state of the fleet by what is stored (`patchctl status`)."""

from enum import StrEnum, auto

from .base import Model
from .priority import Decision
from .rollout import RunState
from .snapshot import HostStatus


class Gap(StrEnum):
    """What is not known of a host. A host with a gap never counts as well."""

    NEVER_LOOKED_AT = auto()
    # The last look failed: the figures are those of an earlier look.
    LOOK_FAILED = auto()
    # The last look is older than package lists may be (policy.lists_max_age).
    OLD_LOOK = auto()
    # A run has patched it after the look, so pending updates and findings are those of before.
    PATCHED_SINCE = auto()
    # Pending updates could not be read whole, or the host came from a file without them.
    UPDATES_UNREAD = auto()
    # A repository could not be looked into, or its lists are too old.
    REPOSITORIES = auto()
    # Nothing says whether the host needs a reboot or restarts.
    REBOOT_UNREAD = auto()
    # No feed that is held speaks of its system.
    NO_FEED = auto()
    # A feed that speaks of it is older than it may be.
    STALE_FEED = auto()


class Need(StrEnum):
    """What a host needs. `attention`: something is overdue, to be done now or in the hands of a
    person, or the host was never looked at or could not be."""

    REBOOT = "reboot"
    RESTART = "restart"
    UPDATES = "updates"
    ATTENTION = "attention"


class HostOrder(StrEnum):
    """The orders of hosts. All but `name` and `ring` have the worst first."""

    URGENCY = "urgency"
    NAME = "name"
    RING = "ring"
    UPDATES = "updates"
    SECURITY = "security"
    FINDINGS = "findings"
    OVERDUE = "overdue"
    LOOKED_AT = "looked-at"
    PATCHED_AT = "patched-at"


class HostFigures(Model):
    """What the newest facts of a host and the feeds say, without the host's ring and runs.

    `taken` is when the facts were taken, epoch seconds UTC. A figure is None where it is not
    known: `pending` and what is counted of it, `findings` and what is counted of them. `pending`
    counts updates, `excluded` those of them that an exclusion keeps out of plans; `old_code`
    counts processes on replaced files. `findings` are open ones, by decision; `lists_fetched` is
    when the oldest package list that counts was fetched, 0 where that is not known.
    `stale_feeds` are the feeds that speak of the host and were too old.
    """

    name: str
    os: str
    taken: int
    imported: bool
    pending: int | None
    security: int | None
    excluded: int | None
    reboot_required: bool | None
    old_code: int | None
    findings: dict[Decision, int] | None
    overdue: int | None
    excluded_findings: int | None
    waived: int | None
    ecosystems: tuple[str, ...]
    lists_fetched: int
    faulty_repositories: int


class StatusHost(Model):
    """A host in `status`. Times are RFC 3339, null where there is none.

    `ring` is null where the host is in none, `os` where nothing is known of it. `pending` counts
    updates, `security` those of them that are security updates, `excluded` those that an exclusion
    keeps out of plans; `findings` counts the open ones, `decisions` them by decision;
    `excluded_findings` are open ones whose update an exclusion keeps away, `waived` those with an
    exception. `restart_needed` counts processes that run replaced files. Each of these is null
    where it is not known. `looked_at` is when these facts were taken, `last_look` how the last look
    ended (null: never), `reason` why it failed. `held_by` is the run that has the host,
    `held_state` that run's state. `needs` and `unknown` say what the host needs and what is not
    known of it; it is well only where both are empty.
    """

    name: str
    ring: str | None
    os: str | None
    pending: int | None
    security: int | None
    findings: int | None
    overdue: int | None
    reboot_required: bool | None
    looked_at: str | None
    patched_at: str | None
    held_by: str | None
    held_state: RunState | None
    decisions: dict[Decision, int] | None
    excluded: int | None
    excluded_findings: int | None
    waived: int | None
    restart_needed: int | None
    last_look: HostStatus | None
    reason: str
    imported: bool
    groups: tuple[str, ...]
    needs: tuple[Need, ...]
    unknown: tuple[Gap, ...]


class StatusCount(Model):
    """Numbers of hosts: all of them, or those of one ring or system (`name`; null: of none).

    `well` need nothing and everything is known of them. `unknown` are those of which something is
    not known, `gaps` them by what; of `updates_known`, `reboot_known` and `findings_known` that is
    known. `act` are those with a finding to act on now. The others are numbers of hosts with such a
    figure above zero. `findings` and `overdue_findings` count findings, not hosts.
    """

    name: str | None
    hosts: int
    well: int
    updates: int
    security: int
    act: int
    overdue: int
    excluded: int
    reboot: int
    restart: int
    attention: int
    held: int
    unknown: int
    updates_known: int
    reboot_known: int
    findings_known: int
    gaps: dict[Gap, int]
    findings: dict[Decision, int]
    overdue_findings: int


class StatusCounts(Model):
    """The counts of `status`: all hosts, by ring in the order of the rings, and by system."""

    all: StatusCount
    rings: tuple[StatusCount, ...]
    systems: tuple[StatusCount, ...]


class FleetStatus(Model):
    """`status -o json`. `as_of` is RFC 3339. `counts` are of all hosts of --ring, --group and
    --limit; --needs chooses which of them `hosts` lists. `feeds_held` is whether there is any
    feed, `stale_feeds` names those that are too old, `runs` has the state of each run that holds
    one of the hosts."""

    as_of: str
    hosts: tuple[StatusHost, ...]
    counts: StatusCounts
    feeds_held: bool
    stale_feeds: tuple[str, ...]
    runs: dict[str, RunState]
