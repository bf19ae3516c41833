"""What `patchctl.yml` says, with every default filled in."""

from .base import Model, Record
from .plan import RingPolicy, UnprovenPolicy


class Rule(Record):
    """Hosts in one of the groups, or whose name matches one of the globs, belong to the ring."""

    ring: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Share(Record):
    """A ring's part of the hosts that nothing else assigns."""

    ring: str
    percent: int


class Shares(Record):
    """Deterministic assignment by name. Percentages sum to 100, in the order of the rings.

    `stratum` names variables; hosts that agree in them are dealt out among themselves.
    """

    seed: str
    parts: tuple[Share, ...]
    stratum: tuple[str, ...] = ()


class Assignment(Record):
    """How a host without `patch_ring` and without a ring's group gets its ring: the first rule
    that fits, else its share."""

    rules: tuple[Rule, ...] = ()
    shares: Shares | None = None


class AnsibleSettings(Record):
    """How hosts are reached. Paths are relative to the workspace; passwords stand only in files."""

    user: str = ""
    private_key: str = ""
    forks: int = 25
    connect_timeout_s: int = 10
    become_password_file: str = ""
    vault_password_file: str = ""
    vault_ids: tuple[str, ...] = ()


class Settings(Model):
    """A workspace's settings. `rings` are in the order in which a rollout walks them and carry all
    of policy, probes and hooks. Paths are as written: relative to the workspace, or absolute."""

    rings: tuple[RingPolicy, ...]
    assign: Assignment
    inventory: tuple[str, ...]
    unproven: UnprovenPolicy
    allow_removals: bool
    undo_safe: tuple[str, ...]
    plan_expires_s: int
    discovery_timeout_s: int
    ansible: AnsibleSettings
    state: str

    @property
    def ring_names(self) -> tuple[str, ...]:
        """Names of the rings, first to last."""
        return tuple(ring.name for ring in self.rings)
