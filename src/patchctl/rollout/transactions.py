"""Make the ids of transactions on hosts, and the step that begins one."""

import hashlib

from ..models.journal import HostMoved
from ..models.rollout import HostState, Stage
from .view import RunView


def transaction_id(run: str, host: str, attempt: int) -> str:
    """Return the idempotency key of one attempt on one host: letters, digits and dashes only.

    It names a folder on the host, so it does not contain the host's name.
    """
    short = hashlib.sha256(host.encode()).hexdigest()[:8]
    return f"{run}-{short}-{attempt}"


def begun(view: RunView, name: str, attempt: int = 0, transaction: str = "") -> HostMoved:
    """Return the first step of a host's attempt. Without `attempt` it is the present one, without
    `transaction` it gets a new id."""
    number = attempt or view.hosts[name].attempt
    return HostMoved(
        host=name,
        attempt=number,
        to=HostState.PREFLIGHT,
        stage=Stage.PREFLIGHT,
        transaction=transaction or transaction_id(view.run, name, number),
    )
