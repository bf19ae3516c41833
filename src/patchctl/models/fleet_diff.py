"""The differences between two revisions of an inventory."""

from .base import Model


class PlacedHost(Model):
    """A host that appears or vanishes, with its ring."""

    host: str
    ring: str | None


class RingMove(Model):
    """A host in another ring; None is no ring."""

    host: str
    before: str | None
    after: str | None


class ConnectionChange(Model):
    """An `ansible_*` variable of a host. The texts are as written, None where it is not set;
    secrets are words such as `(hidden)`."""

    host: str
    variable: str
    before: str | None
    after: str | None


class OtherChange(Model):
    """Groups that a host enters or leaves, and names of other variables that change."""

    host: str
    groups_added: tuple[str, ...]
    groups_removed: tuple[str, ...]
    variables: tuple[str, ...]


class InvalidPlan(Model):
    """A plan that the edit makes invalid: its digest, its file where it has one, and those of its
    hosts whose description changes."""

    digest: str
    path: str
    hosts: tuple[str, ...]


class NotCompared(Model):
    """A source that was not read, and why. `changed`: its files differ, so anything may change."""

    source: str
    reason: str
    changed: bool


class InventoryDiff(Model):
    """From `revision` (a commit) to the working tree. `differs` is the exit code."""

    revision: str
    differs: bool
    rings_before: tuple[str, ...]
    rings_after: tuple[str, ...]
    appeared: tuple[PlacedHost, ...]
    vanished: tuple[PlacedHost, ...]
    moved: tuple[RingMove, ...]
    connection: tuple[ConnectionChange, ...]
    other: tuple[OtherChange, ...]
    invalid_plans: tuple[InvalidPlan, ...]
    not_compared: tuple[NotCompared, ...]
