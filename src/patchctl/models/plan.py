"""The frozen plan (`patch.lock`).

`body` decides what happens and its canonical digest is the plan's identity; `about` says who made
it and when, and is outside the digest. Nothing in `body` depends on the machine or the moment
beyond what it names, so the same inputs give the same digest everywhere.
"""

from enum import StrEnum

from msgspec import field

from . import canonical
from .base import Model, Record
from .exclusions import Exclusion
from .facts import PackageManager
from .hooks import RingHook


class Action(StrEnum):
    """What happens to one package. `remove` has no `to`, `new` has no `from`."""

    UPGRADE = "upgrade"
    NEW = "new"
    REMOVE = "remove"
    DOWNGRADE = "downgrade"


class Undo(StrEnum):
    """May this transition be undone without a person?

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
    # Updates that remove certain findings, be they security updates or not.
    FINDINGS = "findings"


class Selection(Record):
    """What was asked for. `packages` are binary or source names, for mode `package`.

    For mode `findings`, of which all that are set must hold: `cves`, any of them; `decision`, that
    urgent or more; `due_before`, an ISO date. `phased`: also what the host's own package manager
    defers, since its phase has not reached it.
    """

    mode: SelectionMode
    packages: tuple[str, ...] = ()
    limit: str = ""
    cves: tuple[str, ...] = ()
    decision: str = ""
    due_before: str = ""
    phased: bool = False


class Artifact(Record):
    """The one file that brings a package to its new version. `size` in bytes."""

    name: str
    size: int
    sha256: str


class Transition(Record):
    """One package changes on a host. Versions are full, `from_` is written `from`.

    `cves` apply to the source package before and no longer after, by the feeds that the plan names;
    all transitions of one source in one transaction carry the same. `unsigned`: its repository says
    that its packages need no signature, so that it is known by its SHA-256 alone.
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
    """What an earlier ring must have proven: the same step to the same bytes, as a digest.

    What feeds say of a step (`cves`) is no part of it: it changes while the bytes do not.
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
    """Hosts with an identical closed transaction share one. `id` is `c-<12 hex>` of its content."""

    id: str
    manager: PackageManager
    transitions: tuple[Transition, ...]
    download_bytes: int
    reboot: bool = False


class PlannedHost(Record):
    """One host's place in the plan. `wave` counts from 1 inside its ring.

    `machine_id` is what preflight compares with, so a re-installed or swapped host is refused.
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
    # In the host's repositories, and its own preferences keep it from it.
    PINNED = "pinned"
    # Its repository brings it to some machines first, and this one is not among them.
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
    # Of findings that were asked for.
    NO_FINDING = "no-such-finding"
    WAIVED = "waived"
    NO_FIX = "no-fix"
    WONT_FIX = "wont-fix"
    END_OF_LIFE = "end-of-life"
    NOT_IN_REPOSITORIES = "not-in-repositories"
    NOT_EFFECTIVE = "not-effective"
    # Some of its repositories could not be looked into, or only by old lists.
    STALE_LISTS = "stale-lists"


class LeftOut(Record):
    """A host (no `package`), one of its updates, or findings of one of its source packages (`cves`)
    that the plan leaves out, and why. Of what is excluded: `rule` is the exclusion's, `needs` the
    excluded packages that the update cannot go without, empty where it is excluded itself."""

    host: str
    reason: LeftOutReason
    package: str = ""
    version: str = ""
    detail: str = ""
    cves: tuple[str, ...] = ()
    rule: str = ""
    needs: tuple[str, ...] = ()


class CouldNotLook(Model):
    """What nobody could look into when the plan was made, and why: a repository of a host as its
    package manager names it, or all of the host where `repository` is empty."""

    host: str
    repository: str = ""
    reason: str = ""


class StaleLists(StrEnum):
    """What becomes of a host some of whose repositories could not be looked into: it is left out,
    or gets what is known of."""

    HOLD = "hold"
    WARN = "warn"


class UnprovenPolicy(StrEnum):
    """What production does with a transition that no earlier ring has proven."""

    HOLD = "hold"
    APPROVE = "approve"
    ALLOW = "allow"


class Unproven(Record):
    """Transitions of a ring that no earlier ring of the plan proves."""

    ring: str
    package: str
    arch: str
    from_: str = field(name="from")
    to: str
    hosts: tuple[str, ...]


class Amount(Record):
    """A number of hosts or a percentage of a ring (rounded up). Exactly one is not None."""

    hosts: int | None = None
    percent: int | None = None

    def of(self, hosts: int) -> int:
        """The amount out of `hosts`. May be 0, or more than `hosts`."""
        if self.percent is not None:
            return -(-hosts * self.percent // 100)
        return self.hosts or 0


class Promote(StrEnum):
    """How a ring is entered: by itself, or after somebody said so."""

    AUTO = "auto"
    MANUAL = "manual"


class RebootPolicy(StrEnum):
    """`never` leaves "pending reboot"; `if-required` reboots where the platform asks for it."""

    NEVER = "never"
    IF_REQUIRED = "if-required"


class OnFailure(StrEnum):
    """What happens to a host that failed after its packages were touched."""

    ROLLBACK = "rollback"
    STOP = "stop"


class RollbackReady(StrEnum):
    """`require`: a host whose old versions cannot be kept is not patched."""

    REQUIRE = "require"
    WARN = "warn"


class UpdaterPolicy(StrEnum):
    """What preflight does about unattended-upgrades and its like."""

    REFUSE = "refuse"
    WARN = "warn"
    HOLD_FOR_RUN = "hold-for-run"


class ProbeKind(StrEnum):
    """How a probe asks whether a service answers. All run on the host itself."""

    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"
    UNIT = "unit"


class Probe(Record):
    """A question to the host that must be answered well after patching.

    `target`: URL, `host:port`, a shell command, or a unit name, by `kind`. `expect` is text that an
    HTTP answer's body contains. `groups`/`packages` say on which hosts it applies (all when both
    are empty; on hosts in one of the groups, or with one of the packages installed).
    It is retried every 2 s until `within_s` is over.
    """

    name: str
    kind: ProbeKind
    target: str
    expect: str = ""
    within_s: int = 30
    groups: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


class RingPolicy(Record):
    """How a ring is walked. `soak_s` is waited after its last host before the next ring,
    `lock_wait_s` for somebody else who works with a host's package manager.

    `drain_sees`, `undrain_sees` are groups whose hosts the hook may reach and read besides those
    that it works on; which hosts these are says the inventory when a run begins or goes on.
    """

    name: str
    budget: Amount
    max_concurrent: Amount
    soak_s: int
    promote: Promote
    reboot: RebootPolicy
    on_failure: OnFailure
    rollback_ready: RollbackReady
    updaters: UpdaterPolicy
    probes: tuple[Probe, ...] = ()
    drain: str = ""
    undrain: str = ""
    transaction_timeout_s: int = 3600
    verify_timeout_s: int = 120
    reboot_timeout_s: int = 600
    drain_timeout_s: int = 300
    drain_sees: tuple[str, ...] = ()
    undrain_sees: tuple[str, ...] = ()
    lock_wait_s: int = 120

    def worst_case(self, hosts: int) -> int:
        """How many of the ring's `hosts` may fail before it halts: what the budget allows, and what
        is in flight when that is used up, which goes on."""
        return min(hosts, self.budget.of(hosts) + max(1, self.max_concurrent.of(hosts)))

    @property
    def hooks(self) -> tuple[RingHook, ...]:
        """Those that it has."""
        both = (
            RingHook(stage="drain", file=self.drain, sees=self.drain_sees),
            RingHook(stage="undrain", file=self.undrain, sees=self.undrain_sees),
        )
        return tuple(hook for hook in both if hook.file)


class HookMode(StrEnum):
    """What git knows of a file's mode, so that a checkout is the same under every umask."""

    FILE = "file"
    EXECUTABLE = "executable"
    LINK = "link"


class HookFile(Record):
    """A file that hooks are, may include or may run, by its path in the workspace.

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
    """A feed that counted. `dated` is the content's own date (ISO), empty where it states none."""

    name: str
    dated: str = ""
    entries: int = 0


class Urgent(Record):
    """A CVE that the plan removes and that does not wait: known to be exploited (`kev`), or to be
    acted on now on at least one of the plan's hosts (`act`)."""

    cve: str
    kev: bool = False
    act: bool = False


# Defaults are not written, so that a plan from before these fields keeps its bytes and its digest.
class PlanBody(Model, omit_defaults=True):
    """What is frozen. `as_of` is the newest snapshot's time, `expires` is computed from it (epoch
    seconds UTC). Tuples are sorted so that equal plans are equal bytes. `feeds` is empty where none
    were held: then nothing is known of CVEs. `hooks` are all files of the folders that the rings'
    hooks lie in; empty where no ring has a hook, and in a plan from before they were kept.
    `could_not_look` is what the snapshot could not tell of the hosts that were asked for.
    `exclusions` are the rules that held when it was made, in the order in which they count."""

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

    @property
    def holds_back(self) -> bool:
        """Does it leave out hosts because their repositories could not be looked into?"""
        held = any(one.reason is LeftOutReason.STALE_LISTS for one in self.left_out)
        return held and self.stale_lists is StaleLists.HOLD

    @property
    def hook_names(self) -> tuple[str, ...]:
        """The task files that its rings run, each once."""
        names = (name for ring in self.rings for name in (ring.drain, ring.undrain) if name)
        return tuple(dict.fromkeys(names))


class PlanAbout(Model):
    """Who made it, when, from which revision. `created` is epoch seconds UTC."""

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


# --- what the resolve step hands to the freeze step ---------------------------------------------


class Unusable(Record):
    """A package of a transaction that cannot be taken, with the reason, and what of it is installed
    and must stay; `arch` and `installed` are empty where it is not installed."""

    left_out: LeftOut
    arch: str = ""
    installed: str = ""


class Resolution(Model):
    """The closed transaction that a host's own package manager computed.

    `error` is one line when it could not, and `locked` who worked with the package manager then;
    `transitions` is empty. `uris` are where the host
    would fetch the files from, by file name; they are not part of the plan's identity.
    `dropped` are requested updates that the host's package manager would not take. Where a package
    is `unusable`, the transaction is none: the host is to be asked again for one without it.
    `needed_kib` is the space that the transaction needs, by the path it writes to.
    `source_versions` are the new versions of source packages, by binary package, where they are not
    the binary's own.
    """

    host: str
    manager: PackageManager
    transitions: tuple[Transition, ...] = ()
    dropped: tuple[LeftOut, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    error: str = ""
    locked: str = ""
    uris: dict[str, str] = {}
    needed_kib: dict[str, int] = {}
    source_versions: dict[str, str] = {}
