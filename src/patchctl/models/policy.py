"""The policy that a plan freezes: how each ring is patched, and which hosts are held back.

Its source is `patchctl.yml`, read by `config`.
"""

from enum import StrEnum

from .base import Record
from .hooks import RingHook


class StaleLists(StrEnum):
    """What happens to a host if some of its repositories could not be read: it is left out, or gets
    the known updates."""

    HOLD = "hold"
    WARN = "warn"


class UnprovenPolicy(StrEnum):
    """What production does with a transition that no earlier ring has proven."""

    HOLD = "hold"
    APPROVE = "approve"
    ALLOW = "allow"


class Amount(Record):
    """A number of hosts or a percentage of a ring (rounded up). Exactly one is not None."""

    hosts: int | None = None
    percent: int | None = None

    def of(self, hosts: int) -> int:
        """Return the number of hosts out of `hosts`. It may be 0, or more than `hosts`."""
        if self.percent is not None:
            return -(-hosts * self.percent // 100)
        return self.hosts or 0


class Promote(StrEnum):
    """How a ring begins: automatically, or after an approval."""

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
    """`require`: a host whose old versions cannot be stored is not patched."""

    REQUIRE = "require"
    WARN = "warn"


class UpdaterPolicy(StrEnum):
    """What preflight does about programs such as unattended-upgrades."""

    REFUSE = "refuse"
    WARN = "warn"
    HOLD_FOR_RUN = "hold-for-run"


class ProbeKind(StrEnum):
    """How a probe checks a service. All probes run on the host itself."""

    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"
    UNIT = "unit"


class Probe(Record):
    """A check on the host that must succeed after patching.

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
    """How the hosts of a ring are patched. `soak_s` is the wait after its last host before the next
    ring, `lock_wait_s` the wait for somebody else who uses a host's package manager.

    `drain_sees`, `undrain_sees` are groups whose hosts the hook may reach and read besides those
    that it works on, by the inventory at the time when a run begins or goes on.
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
        """Return how many of the ring's `hosts` may fail before it halts: those of the budget, and
        those in flight when it is used up, which go on."""
        return min(hosts, self.budget.of(hosts) + max(1, self.max_concurrent.of(hosts)))

    @property
    def hooks(self) -> tuple[RingHook, ...]:
        """The hooks of the ring."""
        both = (
            RingHook(stage="drain", file=self.drain, sees=self.drain_sees),
            RingHook(stage="undrain", file=self.undrain, sees=self.undrain_sees),
        )
        return tuple(hook for hook in both if hook.file)
