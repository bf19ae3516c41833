"""Models of the files that patchctl stores on a host."""

from .base import Model, Record


class Claim(Record):
    """The run that holds a host, or held it last. `since` is epoch seconds UTC."""

    run: str
    active: bool
    fence: int
    since: int
    transaction: str


class HostTransaction(Record):
    """A transaction whose files a host still has. `created` is epoch seconds UTC.

    `outcome`: begun, prepared, or `apply-ok`, `apply-failed`, `apply-unfinished`, `undo-…`.
    """

    transaction: str
    created: int
    kib: int
    outcome: str


class HostKeeps(Model):
    """One host's answer. `error` is one line where it gave none. `running` is the job that runs
    now."""

    name: str
    error: str = ""
    claim: Claim | None = None
    running: str = ""
    held_updaters: tuple[str, ...] = ()
    transactions: tuple[HostTransaction, ...] = ()
