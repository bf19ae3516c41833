"""Entries of the lists that the state database returns."""

from .base import Model
from .facts import HostFacts
from .rollout import RunState
from .snapshot import HostStatus, Snapshot


class PlanSummary(Model):
    """A stored plan. `created` is epoch seconds UTC; `transitions` counts over all hosts."""

    digest: str
    created: int
    author: str
    comment: str
    hosts: int
    transitions: int


class RunSummary(Model):
    """A run. `created` is epoch seconds UTC; `state` is that of the journal's last event of it.

    `fence` is that of the last controller, 0 where the run never had one.
    """

    id: str
    plan: str
    hosts: int
    created: int
    by: str
    state: RunState
    fence: int


class HostHistory(Model):
    """The result of one discovery for a host. `taken` is epoch seconds UTC."""

    snapshot: str
    taken: int
    status: HostStatus
    reason: str
    facts_digest: str


class LastLook(Model):
    """How the newest discovery or import of a host ended. `taken` is epoch seconds UTC, `snapshot`
    its id. `facts_digest` is that of the host's newest facts, empty where it never had any;
    `facts_snapshot` is the snapshot that they came with."""

    host: str
    snapshot: str
    taken: int
    status: HostStatus
    reason: str
    facts_digest: str = ""
    facts_snapshot: str = ""


class LastLooks(Model):
    """The last look at every host. `snapshot` has the result of each host, and the id and times of
    the newest of these looks; `snapshots` and `taken` (epoch seconds UTC) are each host's own, in
    the order of its hosts. `never` are hosts that were never looked at."""

    snapshot: Snapshot
    snapshots: tuple[str, ...]
    taken: tuple[int, ...]
    never: tuple[str, ...]


class KnownHost(Model):
    """The newest facts of a host. `taken` is epoch seconds UTC. `imported`: they came from a file
    (`discover --import`), so the host need not be in the inventory. `software` is equal
    where os-release, packages, pending updates and repositories all are."""

    name: str
    snapshot: str
    taken: int
    imported: bool
    software: str
    facts: HostFacts


class Known(Model):
    """`discover show HOST -o json`. `status` and `reason` are those of the last discovery of the
    host. `facts` come from the newest one that could read it; `snapshot` and `taken` are its id and
    time."""

    name: str
    status: HostStatus
    reason: str
    snapshot: str
    taken: int
    facts: HostFacts | None
