"""Transactions on hosts: their ids, and the step that begins one."""

import hashlib

from ..models.rollout import HostMoved, HostState, Stage
from .view import RunView


def transaction_id(run: str, host: str, attempt: int) -> str:
    """The idempotency key of one attempt on one host: letters, digits and dashes only.

    It names a folder on the host, so the host's own name does not go into it.
    """
    short = hashlib.sha256(host.encode()).hexdigest()[:8]
    return f"{run}-{short}-{attempt}"


def begun(view: RunView, name: str) -> HostMoved:
    """The first step of a host's present attempt."""
    host = view.hosts[name]
    return HostMoved(
        host=name,
        attempt=host.attempt,
        to=HostState.PREFLIGHT,
        stage=Stage.PREFLIGHT,
        transaction=transaction_id(view.run, name, host.attempt),
    )
