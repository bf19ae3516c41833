"""Show what patchctl stores on hosts, for people and programs. Pure: models to views."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.host_storage import HostKeeps
from ..models.words import second
from .view import Note, Part, Table, View

_HEADER = ("HOST", "CLAIM", "TRANSACTION", "CREATED", "KIB", "OUTCOME")


@dataclass(frozen=True)
class HostStorageView(View):
    """`host show` and `host clean`."""

    hosts: Sequence[HostKeeps]

    def data(self) -> dict[str, Any]:
        """The answer of each host."""
        return {"hosts": self.hosts}

    def parts(self) -> Iterator[Part]:
        """A row for each transaction, then the hosts without an answer."""
        yield Table(_HEADER, (row for host in self.hosts for row in _rows(host)))
        for host in self.hosts:
            if host.error:
                yield Note(f"{host.name}: {host.error}", kept=True)


def _rows(host: HostKeeps) -> list[tuple[str, ...]]:
    claim = host.claim
    held = claim.run if claim is not None and claim.active else "-"
    if not host.transactions:
        return [(host.name, held if not host.error else "?", "-", "-", "-", "-")]
    return [
        (
            host.name,
            held,
            transaction.transaction,
            second(transaction.created),
            str(transaction.kib),
            transaction.outcome,
        )
        for transaction in host.transactions
    ]
