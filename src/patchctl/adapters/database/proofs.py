"""Store which transitions have succeeded in which rings, as proof for later rings."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import delete, insert, select

from .schema import proof
from .transactions import Transactions

_AT_ONCE = 500


class Proofs:
    """Keys are `models.plan.proof_key`s."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def record(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Store the transitions that succeeded on hosts of these rings in the run."""
        with self._transactions.write() as connection:
            for ring, keys in by_ring.items():
                ordered = sorted(keys)
                for start in range(0, len(ordered), _AT_ONCE):
                    batch = ordered[start : start + _AT_ONCE]
                    known = set(
                        connection.scalars(
                            select(proof.c.key).where(proof.c.ring == ring, proof.c.key.in_(batch))
                        )
                    )
                    rows = [
                        {"key": key, "ring": ring, "run": run} for key in batch if key not in known
                    ]
                    if rows:
                        connection.execute(insert(proof), rows)

    def withdraw(self, run: str, by_ring: Mapping[str, Collection[str]]) -> None:
        """Remove the run's proofs there: its hosts were returned to their old state."""
        with self._transactions.write() as connection:
            for ring, keys in by_ring.items():
                ordered = sorted(keys)
                for start in range(0, len(ordered), _AT_ONCE):
                    connection.execute(
                        delete(proof).where(
                            proof.c.run == run,
                            proof.c.ring == ring,
                            proof.c.key.in_(ordered[start : start + _AT_ONCE]),
                        )
                    )

    def by_ring(self) -> dict[str, frozenset[str]]:
        """Ring -> all keys that are proven there."""
        proven: dict[str, set[str]] = {}
        with self._transactions.read() as connection:
            for row in connection.execute(select(proof.c.ring, proof.c.key)):
                proven.setdefault(row.ring, set()).add(row.key)
        return {ring: frozenset(keys) for ring, keys in proven.items()}
