"""The status of a run as people and scripts see it (`rollout status`)."""

from enum import StrEnum

from .base import Model, Record
from .exclusions import Exclusion
from .plan import CouldNotLook
from .rollout import HostState, Result, RingState, RunState


class BlockerKind(StrEnum):
    """The kinds of blockers. The comment says what ends each kind."""

    OPERATOR = "operator"  # a person paused the run; `rollout resume`
    CLOCK = "clock"  # the controller's clock was set back; `rollout resume`
    BUDGET = "budget"  # too many hosts did not succeed; `rollout resume --accept-failures`
    SOAK = "soak"  # time alone
    APPROVAL = "approval"  # `rollout approve`
    UNPROVEN = "unproven"  # proof in an earlier ring, or `rollout approve` where policy says so


class LeaseKind(StrEnum):
    """How a run keeps a host from other runs. It is held where the run has begun the host's ring or
    works on the host; before that it is only reserved."""

    HELD = "held"
    RESERVED = "reserved"


class Blocker(Model):
    """A reason why a run, a ring or a host (`what`) must wait.

    `reason` is a line for people, `details` are names such as packages. `since` and `until` are
    epoch ms UTC where known; with `until` it ends by itself. `until_at` is the same time in
    RFC 3339.
    """

    kind: BlockerKind
    what: str
    reason: str
    details: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    until_at: str | None = None


class RingStatus(Model):
    """A ring in `rollout status`. `hosts` is state as shown -> number of hosts, all of the ring.

    `approved`: an operator approved the ring; without a controller it waits all the same. `result`
    is what came of it, None while it may still change. Times are RFC 3339, UTC: `started` is when
    the first host was let go, `ended` when the ring was done, `soak_until` when its present soak
    ends; None where that is not so.
    """

    name: str
    state: RingState
    hosts: dict[str, int]
    reason: str = ""
    approved: bool = False
    result: Result | None = None
    started: str | None = None
    ended: str | None = None
    soak_until: str | None = None


class EditedFile(Record):
    """A configuration file that somebody edited after the update, so the undo did not change it.

    `copy` is the path on the host of the file as it was before the update, empty where there was
    none. `gone`: the file came with a new package and was removed with it; `copy` is the edited
    file.
    """

    path: str
    copy: str = ""
    gone: bool = False


class ConfigFile(Model):
    """A configuration file that the update changed or, where `beside` is set, left as it was: then
    `beside` is the path of the package's own version."""

    path: str
    beside: str = ""


class HostStatusLine(Model):
    """One host in `rollout status`.

    `edited`: files that an undo did not touch. `holds`: the run has settled this host, but its
    claim could not be given back there. `lease`: how the run keeps the host from other runs, None
    where it does not. `attempt`: above 1 where it was tried again, or undone later.
    `config`: files that the update kept or changed. `reboot_required`: the host waits for a reboot;
    `old_code`: units, or commands of no unit, that go on with replaced files. `started` and `ended`
    are when this attempt began to work and came to rest, RFC 3339 in UTC, None while it did not.
    """

    name: str
    ring: str
    state: HostState
    stage: str = ""
    reason: str = ""
    edited: tuple[EditedFile, ...] = ()
    holds: bool = False
    lease: LeaseKind | None = None
    attempt: int = 1
    config: tuple[ConfigFile, ...] = ()
    reboot_required: bool = False
    old_code: tuple[str, ...] = ()
    started: str | None = None
    ended: str | None = None


class RunStatus(Model):
    """`rollout status -o json`. `reason` is why the run is in its state, `blockers` is all that
    keeps it from going on, `could_not_look` what could not be read when its plan was made,
    `exclusions` the rules that held then.

    `result` is what came of the run, None while it goes on. Times are RFC 3339, UTC: `created`,
    `started` (it began to work), `ended` (it was over), `soak_until` (its present soak ends by
    itself); None where that is not so.
    """

    run: str
    plan: str
    state: RunState
    reason: str
    rings: tuple[RingStatus, ...]
    hosts: tuple[HostStatusLine, ...]
    controller: str = ""
    blockers: tuple[Blocker, ...] = ()
    could_not_look: tuple[CouldNotLook, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    result: Result | None = None
    created: str | None = None
    started: str | None = None
    ended: str | None = None
    soak_until: str | None = None
