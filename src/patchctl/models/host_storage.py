"""What patchctl keeps on a host, as the host tells it."""

from .base import Model, Record


class Claim(Record):
    """The run that holds a host, or held it last. `since` is epoch seconds UTC."""

    run: str
    active: bool
    fence: int
    since: int
    transaction: str


class Kept(Record):
    """A transaction that a host still has. `created` is epoch seconds UTC.

    `outcome`: begun, prepared, or `apply-ok`, `apply-failed`, `apply-unfinished`, `undo-…`.
    """

    transaction: str
    created: int
    kib: int
    outcome: str


class HostKeeps(Model):
    """One host's answer; `error` is one line where there was none. `running` is at work now."""

    name: str
    error: str = ""
    claim: Claim | None = None
    running: str = ""
    held_updaters: tuple[str, ...] = ()
    transactions: tuple[Kept, ...] = ()
