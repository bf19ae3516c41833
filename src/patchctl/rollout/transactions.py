"""Ids of transactions on hosts, and the decision that begins one."""

import hashlib

from ..models.rollout import HostMoved, HostState, Stage


def begun(run: str, host: str, attempt: int, transaction: str = "") -> HostMoved:
    """The host begins this attempt, with a transaction of its own or with one that is there."""
    return HostMoved(
        host=host,
        attempt=attempt,
        to=HostState.PREFLIGHT,
        stage=Stage.PREFLIGHT,
        transaction=transaction or transaction_id(run, host, attempt),
    )


def transaction_id(run: str, host: str, attempt: int) -> str:
    """The idempotency key of one attempt on one host: letters, digits and dashes only.

    It names a folder on the host, so the host's own name does not go into it.
    """
    short = hashlib.sha256(host.encode()).hexdigest()[:8]
    return f"{run}-{short}-{attempt}"
