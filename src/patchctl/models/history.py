"""What became of findings over time: the state keeps it when snapshots are pruned.

Hosts are numbered, and a set of hosts is an int that has the bit of each (bit 0: host number 0):
what is equal on thousands of hosts is one row. Times are epoch seconds UTC, 0 where there is none.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .assessment import FindingState
from .base import Model
from .priority import Decision

HostSet = int
Key = tuple[str, str]
"""CVE and source package."""


class Ending(StrEnum):
    """Why a spell ended. After `changed` the finding goes on in another spell; after the others it
    is closed."""

    CHANGED = "changed"
    RUN = "run"  # a run brought the fix, and a later look at the host no longer has the finding
    ELSEWHERE = "elsewhere"  # a later look no longer has it, and no run brought the fix
    REMOVED = "removed"  # a later look no longer has the package
    DATA = "data"  # the host is as it was, the feeds no longer say that it is affected
    HOST_GONE = "host_gone"  # the host left the inventory


# When the finding comes back after these, it is the same one: the host did not change.
RESUMED = frozenset({Ending.DATA, Ending.HOST_GONE})
WITH_FIX = frozenset({FindingState.FIXABLE, FindingState.NOT_EFFECTIVE})


class Standing(Model):
    """What an assessment says of a finding, as far as its changes are kept. `excluded`: a rule
    keeps the update away."""

    state: FindingState
    decision: Decision
    excluded: bool = False

    @property
    def has_fix(self) -> bool:
        """Whether the hosts can have the fix, or have it and still run the old code."""
        return self.state in WITH_FIX


class Sighting(Model):
    """A finding as an assessment sees it now, on some hosts."""

    key: Key
    standing: Standing
    due: str


class Spell(Model):
    """A time in which one finding stood alike on these hosts.

    `first_seen` and `fix_seen` (a fix could first be had) are those of the finding and go on from
    spell to spell. `until` is 0 while the spell lasts. `due` is the last date that was known, ""
    where no rule set one. `run` brought the fix to the hosts, `run_at`: when it was done with them.
    `number` is 0 where the spell is not stored yet.
    """

    subject: int
    hosts: HostSet
    standing: Standing
    first_seen: int
    since: int
    fix_seen: int = 0
    due: str = ""
    run: str = ""
    run_at: int = 0
    until: int = 0
    ending: Ending | None = None
    number: int = 0


class Subject(Model):
    """A CVE in a source package, as the feeds told of it last. `published` and `fix_published` are
    ISO dates, "" where they are not known."""

    number: int
    cve: str
    package: str
    severity: str = ""
    kev: bool = False
    published: str = ""
    fix_published: str = ""


class HistoryHost(Model):
    """A host that was assessed at any time. `looked` is the number of the snapshot that was judged
    last, 0 where the host was never discovered. `there`: in the inventory, or imported. `silent`:
    the last look failed."""

    number: int
    name: str
    ring: str = ""
    looked: int = 0
    there: bool = False
    silent: bool = False


class Figures(Model):
    """The figures of a day and ring ("" for hosts without a ring), as the last assessment or run
    of that day left them.

    `hosts` are all of the ring: `unknown` of them were never discovered, `silent` did not answer
    the last time, `on_time` were discovered and have nothing overdue. `findings` counts each CVE on
    each host that is not waived, `decisions` the same by decision; `fixable` can be fixed now,
    `kev` are known to be exploited. `waived` and `excluded` are beside them: an excluded finding
    counts as open too.
    """

    hosts: int = 0
    unknown: int = 0
    silent: int = 0
    on_time: int = 0
    findings: int = 0
    decisions: dict[str, int] = {}
    fixable: int = 0
    overdue: int = 0
    kev: int = 0
    excluded: int = 0
    waived: int = 0


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the state holds of the history.

    `spells` are those that last; `ended` gives those of these subjects that are closed.
    `generation` grows with every change. `journal` is the last entry of the journal whose runs are
    in the history. `figures` are of the day that was asked for, by ring.
    """

    hosts: Collection[HistoryHost] = ()
    subjects: Mapping[Key, Subject] = field(default_factory=dict)
    spells: Collection[Spell] = ()
    ended: Callable[[Collection[int]], Collection[Spell]] = lambda subjects: ()
    figures: Mapping[str, Figures] = field(default_factory=dict)
    generation: int = 0
    journal: int = 0


class Changes(Model):
    """What is to be stored: all of it or nothing. `dropped` are numbers of spells, which `added`
    replace. `subjects` are new or changed; `figures` are those of `day`, by ring."""

    hosts: tuple[HistoryHost, ...] = ()
    subjects: tuple[Subject, ...] = ()
    dropped: tuple[int, ...] = ()
    added: tuple[Spell, ...] = ()
    day: str = ""
    figures: Mapping[str, Figures] = {}
    journal: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(
            self.hosts
            or self.subjects
            or self.dropped
            or self.added
            or self.figures
            or self.journal
        )


class Brought(Model):
    """What a run has done on a host. `cves` are CVE -> the packages that it changed for it, `at` is
    when it was done there; empty where the run has undone it or did not succeed."""

    run: str
    host: str
    at: int = 0
    cves: Mapping[str, frozenset[str]] = {}
