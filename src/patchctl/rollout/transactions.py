"""Transactions on hosts: their ids, and the step that begins one."""

import hashlib

from ..models.journal import HostMoved
from ..models.rollout import HostState, Stage
from .view import RunView


def transaction_id(run: str, host: str, attempt: int) -> str:
    """The idempotency key of one attempt on one host: letters, digits and dashes only.

    It names a folder on the host, so the host's own name does not go into it.
    """
    short = hashlib.sha256(host.encode()).hexdigest()[:8]
    return f"{run}-{short}-{attempt}"


def begun(view: RunView, name: str, attempt: int = 0, transaction: str = "") -> HostMoved:
    """The first step of a host's attempt, the present one where none is given: with a transaction
    of its own, or with one that is there already."""
    number = attempt or view.hosts[name].attempt
    return HostMoved(
        host=name,
        attempt=number,
        to=HostState.PREFLIGHT,
        stage=Stage.PREFLIGHT,
        transaction=transaction or transaction_id(view.run, name, number),
    )
