"""Ids of transactions on hosts."""

import hashlib


def transaction_id(run: str, host: str, attempt: int) -> str:
    """The idempotency key of one attempt on one host: letters, digits and dashes only.

    It names a folder on the host, so the host's own name does not go into it.
    """
    short = hashlib.sha256(host.encode()).hexdigest()[:8]
    return f"{run}-{short}-{attempt}"
