"""Show the last look at every host, as `discover` shows one discovery."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.state import LastLooks
from ..models.words import count, moment, some
from .discovery_view import HEADER, rows, summary
from .view import Cell, Note, Part, RowsView, Table

# Fields of a host in JSON that a cell of CSV cannot hold.
_DEEP = ("os", "failed_units", "competing_updaters", "could_not_look", "notes")


@dataclass(frozen=True)
class LastLooksView(RowsView):
    """`discover show` without a host."""

    looks: LastLooks

    def data(self) -> dict[str, Any]:
        """What `discover` gives, and of each host when it was looked at; `never` names the hosts
        that never were."""
        shown = summary(self.looks.snapshot)
        times = zip(shown["hosts"], self.looks.snapshots, self.looks.taken, strict=True)
        hosts = [{**host, "snapshot": ident, "taken": taken} for host, ident, taken in times]
        return {**shown, "hosts": hosts, "never": self.looks.never}

    def fields(self) -> Sequence[str]:
        """The names of JSON that have one value."""
        return ("name", "status", "reason", "os", *self._flat())

    def rows(self) -> Iterator[Sequence[Cell]]:
        """A row for each host; `os` is distribution and version."""
        flat = self._flat()
        for host in self.data()["hosts"]:
            system = host["os"] or {}
            name = f"{system.get('id', '')} {system.get('version_id', '')}".strip()
            yield (
                *(host["name"], host["status"], host["reason"], name or None),
                *(host[field] for field in flat),
            )

    def _flat(self) -> list[str]:
        hosts: list[dict[str, Any]] = self.data()["hosts"]
        leading = ("name", "status", "reason", *_DEEP)
        return [field for field in hosts[0] if field not in leading] if hosts else []

    def parts(self) -> Iterator[Part]:
        """A row for each host, then the hosts that were never looked at."""
        header = (*HEADER[:-1], "LOOKED AT", HEADER[-1])
        times = zip(rows(self.looks.snapshot), self.looks.taken, strict=True)
        yield Table(header, [(*row[:-1], moment(taken), row[-1]) for row, taken in times])
        if self.looks.never:
            never = count(len(self.looks.never), "host")
            yield Note(f"{never} never looked at: {some(self.looks.never, 5)}", kept=True)
