"""The settings of `patchctl.yml`, with every default filled in."""

from .base import Model, Record
from .exclusions import Exclusion
from .feeds import Stale
from .policy import RingPolicy, StaleLists, UnprovenPolicy
from .priority import PriorityPolicy


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

    `stratum` names variables; each group of hosts with equal values is divided among the rings
    separately.
    """

    seed: str
    parts: tuple[Share, ...]
    stratum: tuple[str, ...] = ()


class Assignment(Record):
    """How a host without `patch_ring` and without a ring's group gets its ring: by the first rule
    that matches, else by its share."""

    rules: tuple[Rule, ...] = ()
    shares: Shares | None = None


class AnsibleSettings(Record):
    """How to connect to hosts. Paths are relative to the workspace; passwords are only in files."""

    user: str = ""
    private_key: str = ""
    forks: int = 25
    connect_timeout_s: int = 10
    become_password_file: str = ""
    vault_password_file: str = ""
    vault_ids: tuple[str, ...] = ()


class FeedSource(Record):
    """The operator's settings for one source. `address` replaces a known source's public one, or
    makes a source of its own; `max_age_s` None: that of all feeds."""

    name: str
    address: str = ""
    enabled: bool = True
    max_age_s: int | None = None


class FeedSettings(Record):
    """Where vulnerability data comes from and how old it may be. `mirror` is a base address that
    replaces the public ones; `ecosystems` are fetched besides those of the fleet."""

    mirror: str = ""
    ecosystems: tuple[str, ...] = ()
    max_age_s: int = 7 * 86_400
    stale: Stale = Stale.WARN
    sources: tuple[FeedSource, ...] = ()

    def max_age_of(self, name: str) -> int:
        """Return the maximum age of the feed of that name in seconds."""
        for source in self.sources:
            if source.name == name and source.max_age_s is not None:
                return source.max_age_s
        return self.max_age_s


class Settings(Model):
    """A workspace's settings. `rings` are in the order of a rollout, and contain policy, probes and
    hooks. Paths are as written: relative to the workspace, or absolute.
    """

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
    stale_lists: StaleLists = StaleLists.HOLD
    lists_max_age_s: int = 2 * 86_400
    feeds: FeedSettings = FeedSettings()
    assessment: PriorityPolicy = PriorityPolicy()
    exclude: tuple[Exclusion, ...] = ()

    @property
    def ring_names(self) -> tuple[str, ...]:
        """Names of the rings, first to last."""
        return tuple(ring.name for ring in self.rings)
