"""The frozen plan (`patch.lock`).

`body` decides what happens and its canonical digest is the plan's identity; `about` says who made
it and when, and is outside the digest. `body` depends on neither the machine nor the time beyond
what it names, so the same inputs give the same digest everywhere.
"""

from enum import StrEnum

from msgspec import field

from . import canonical
from .base import Model, Record
from .exclusions import Exclusion
from .facts import PackageManager
from .policy import RingPolicy, StaleLists, UnprovenPolicy


class Action(StrEnum):
    """What happens to one package. `remove` has no `to`, `new` has no `from`."""

    UPGRADE = "upgrade"
    NEW = "new"
    REMOVE = "remove"
    DOWNGRADE = "downgrade"


class Undo(StrEnum):
    """Whether a transition may be undone without a person.

    `unsafe`: the new version may have changed data or the system in a way that the old one does
    not understand (kernels, libc, dpkg, databases, new upstream versions).
    """

    SAFE = "safe"
    UNSAFE = "unsafe"


class SelectionMode(StrEnum):
    """Which pending updates a plan takes."""

    SECURITY = "security"
    ALL = "all"
    PACKAGE = "package"
    # Updates that remove the selected findings, also if they are no security updates.
    FINDINGS = "findings"


class Selection(Record):
    """The updates that were asked for. `packages` are binary or source names, for mode `package`.

    For mode `findings`, all that are set must hold: `cves`, any of them; `decision`, that urgent or
    more; `due_before`, an ISO date. `phased`: also updates that the host's own package manager
    defers, since their phase has not reached it.
    """

    mode: SelectionMode
    packages: tuple[str, ...] = ()
    limit: str = ""
    cves: tuple[str, ...] = ()
    decision: str = ""
    due_before: str = ""
    phased: bool = False


class Artifact(Record):
    """The file that installs the new version of a package. `size` is in bytes."""

    name: str
    size: int
    sha256: str


class Transition(Record):
    """One package changes on a host. Versions are full, `from_` is written `from`.

    `cves` affect the source package before and no longer after, by the feeds that the plan names;
    all transitions of one source in one transaction have the same. `unsigned`: its repository says
    that its packages need no signature, so that only its SHA-256 identifies it.
    """

    package: str
    arch: str
    action: Action
    from_: str = field(name="from", default="")
    to: str = ""
    source: str = ""
    origin: str = ""
    file: Artifact | None = None
    requested: bool = False
    cves: tuple[str, ...] = ()
    undo: Undo = Undo.SAFE
    undo_reason: str = ""
    unsigned: bool = False


def proof_key(transition: Transition) -> str:
    """Return the digest of what an earlier ring must have proven: the same step with the same file.

    `cves` are not part of it, because feeds change while the file stays the same.
    """
    return canonical.digest(
        [
            transition.package,
            transition.arch,
            transition.action,
            transition.from_,
            transition.to,
            transition.file.sha256 if transition.file else "",
        ]
    )


class Cohort(Record):
    """An identical complete transaction of some hosts. `id` is `c-<12 hex>` of its content."""

    id: str
    manager: PackageManager
    transitions: tuple[Transition, ...]
    download_bytes: int
    reboot: bool = False


class PlannedHost(Record):
    """One host of the plan. `wave` counts from 1 inside its ring.

    Preflight compares `machine_id`, so a re-installed or swapped host is refused.
    """

    name: str
    ring: str
    wave: int
    cohort: str
    machine_id: str
    expected_reboot: bool = False
    expected_s: int = 0


class LeftOutReason(StrEnum):
    """Why a host or a pending update is not in the plan."""

    NO_RING = "no-ring"
    UNREACHABLE = "unreachable"
    DISCOVERY_FAILED = "discovery-failed"
    NO_UPDATES = "up-to-date"
    NOT_SECURITY = "not-security"
    # Its repository does not say which updates are security updates.
    NO_ADVISORIES = "no-advisories"
    NOT_SELECTED = "not-selected"
    HELD = "held"
    # In the host's repositories, but the host's own preferences exclude it.
    PINNED = "pinned"
    # Its repository gives it to some machines first, and this host is not one of them.
    PHASED = "phased"
    EXCLUDED = "excluded"
    REMOVES_PACKAGE = "removes-package"
    UNSUPPORTED_MANAGER = "unsupported-package-manager"
    RESOLVE_FAILED = "resolve-failed"
    DISK_TOO_SMALL = "disk-too-small"
    LOCKED = "locked"
    NOT_ROOT = "no-root"
    HALF_INSTALLED = "not-fully-installed"
    NOT_TRUSTED = "repository-not-trusted"
    FETCH_FAILED = "fetch-failed"
    # Another host got another file for the same version from the same repository.
    DISPUTED = "file-disputed"
    # The host has none of the findings that were selected.
    NO_FINDING = "no-such-finding"
    WAIVED = "waived"
    NO_FIX = "no-fix"
    WONT_FIX = "wont-fix"
    END_OF_LIFE = "end-of-life"
    NOT_IN_REPOSITORIES = "not-in-repositories"
    NOT_EFFECTIVE = "not-effective"
    # Some of its repositories could not be read, or their lists are too old.
    STALE_LISTS = "stale-lists"


class LeftOut(Record):
    """A host (no `package`), one of its updates, or findings of one of its source packages (`cves`)
    that the plan leaves out, and why. For an excluded update, `rule` is the exclusion's and `needs`
    are the excluded packages that the update needs, empty where it is excluded itself."""

    host: str
    reason: LeftOutReason
    package: str = ""
    version: str = ""
    detail: str = ""
    cves: tuple[str, ...] = ()
    rule: str = ""
    needs: tuple[str, ...] = ()


class CouldNotLook(Model):
    """A repository that could not be read when the plan was made, and why. It is named as the
    host's package manager names it; empty: nothing of the host could be read."""

    host: str
    repository: str = ""
    reason: str = ""


class Unproven(Record):
    """Transitions of a ring that no earlier ring of the plan proves."""

    ring: str
    package: str
    arch: str
    from_: str = field(name="from")
    to: str
    hosts: tuple[str, ...]


class HookMode(StrEnum):
    """The part of a file's mode that git stores, so that every umask gives the same checkout."""

    FILE = "file"
    EXECUTABLE = "executable"
    LINK = "link"


class HookFile(Record):
    """A file of a hook, or one that a hook may include or run, by its path in the workspace.

    `sha256` is of its content; a link has the text of its `target` instead.
    """

    path: str
    mode: HookMode
    sha256: str = ""
    target: str = ""


class SnapshotRef(Record):
    """The facts of one host that the plan was made from, by content address."""

    host: str
    facts: str


class PlanFeed(Record):
    """A feed that was used. `dated` is the content's own date (ISO), empty where it states none."""

    name: str
    dated: str = ""
    entries: int = 0


class Urgent(Record):
    """A CVE that the plan removes and that is urgent: known to be exploited (`kev`), or to be acted
    on now on at least one of the plan's hosts (`act`)."""

    cve: str
    kev: bool = False
    act: bool = False


# Defaults are not written, so that a plan from before these fields has the same bytes and digest.
class PlanBody(Model, omit_defaults=True):
    """The frozen part of a plan.

    `as_of` is the newest snapshot's time, `expires` is computed from it (epoch seconds UTC). Tuples
    are sorted so that equal plans are equal bytes. `feeds` is empty where none were stored: then
    nothing is known about CVEs. `hooks` are all files of the folders in which the rings' hooks lie;
    empty where no ring has a hook, and in a plan from before they were frozen. `could_not_look` is
    what discovery could not read on the hosts that were asked for. `exclusions` are the rules that
    held when the plan was made, in their order. `policy` is the digest of the settings that were
    frozen: `rings`, `unproven_policy`, `allow_removals`, `undo_safe`, and how long a plan holds.
    """

    version: int
    as_of: int
    expires: int
    selection: Selection
    fleet: str
    policy: str
    snapshots: tuple[SnapshotRef, ...]
    rings: tuple[RingPolicy, ...]
    unproven_policy: UnprovenPolicy
    cohorts: tuple[Cohort, ...]
    hosts: tuple[PlannedHost, ...]
    left_out: tuple[LeftOut, ...]
    unproven: tuple[Unproven, ...]
    feeds: tuple[PlanFeed, ...] = ()
    urgent: tuple[Urgent, ...] = ()
    hooks: tuple[HookFile, ...] = ()
    could_not_look: tuple[CouldNotLook, ...] = ()
    stale_lists: StaleLists = StaleLists.HOLD
    exclusions: tuple[Exclusion, ...] = ()
    allow_removals: bool = False
    undo_safe: tuple[str, ...] = ()

    @property
    def holds_back(self) -> bool:
        """Whether it leaves out hosts because their repositories could not be read."""
        held = any(left_out.reason is LeftOutReason.STALE_LISTS for left_out in self.left_out)
        return held and self.stale_lists is StaleLists.HOLD

    @property
    def hook_names(self) -> tuple[str, ...]:
        """The task files of its rings' hooks, each once."""
        names = (name for ring in self.rings for name in (ring.drain, ring.undrain) if name)
        return tuple(dict.fromkeys(names))


class PlanAbout(Model):
    """Who made the plan, when, from which revision. `created` is epoch seconds UTC."""

    created: int
    author: str
    tool: str
    commit: str = ""
    dirty: bool = False
    comment: str = ""


class Plan(Model):
    """A `patch.lock`: `digest` is `sha256:…` of the canonical encoding of `body`."""

    digest: str
    body: PlanBody
    about: PlanAbout
