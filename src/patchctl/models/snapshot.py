"""A snapshot: the results of one discovery for all hosts that were asked."""

from enum import StrEnum

from .base import Model
from .facts import HostFacts


class HostStatus(StrEnum):
    """How discovery ended on a host. A host's failure is a result, not an exception."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class HostResult(Model):
    """`facts` is None unless `status` is ok; otherwise `reason` is one line.

    `facts_digest` is the content address of the facts in the state database.
    """

    name: str
    status: HostStatus
    reason: str = ""
    facts: HostFacts | None = None
    facts_digest: str = ""
    elapsed_ms: int = 0


class Snapshot(Model):
    """One discovery. `taken` is epoch seconds UTC; `id` sorts by time."""

    id: str
    taken: int
    elapsed_ms: int
    hosts: tuple[HostResult, ...]

    def host(self, name: str) -> HostResult | None:
        """Return the result of that host, or None where it was not asked."""
        return next((host for host in self.hosts if host.name == name), None)


class SnapshotSummary(Model):
    """A snapshot in the list of snapshots: counts by status."""

    id: str
    taken: int
    elapsed_ms: int
    ok: int
    unreachable: int
    failed: int
