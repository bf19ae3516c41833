"""Show labs to people and programs. Pure: models to views."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.lab import LabStatus
from .view import Part, Table, View, all_notes


@dataclass(frozen=True)
class LabView(View):
    """`lab up` and `lab status`."""

    status: LabStatus

    def data(self) -> LabStatus:
        """The hosts."""
        return self.status

    def parts(self) -> Iterator[Part]:
        """A row for each host."""
        yield Table(
            ("NAME", "ADDRESS", "PORT", "IMAGE", "STATE", "LAB"),
            (
                (host.name, host.address, str(host.port), host.image, host.state, host.lab)
                for host in self.status.hosts
            ),
        )


@dataclass(frozen=True)
class LabOffersView(View):
    """`lab publish` without names. `offers` are (name, meaning, pending from the start, image)."""

    offers: Sequence[tuple[str, str, str, str]]

    def data(self) -> dict[str, Any]:
        """Every update that can be published."""
        rows = [
            {"name": name, "pending_at_first": first, "image": image, "what": what}
            for name, what, first, image in self.offers
        ]
        return {"updates": rows}

    def parts(self) -> Iterator[Part]:
        """A row for each update."""
        rows = [(name, first, image, what) for name, what, first, image in self.offers]
        yield Table(("UPDATES", "PENDING AT FIRST", "ONLY ON", "WHAT IT DOES"), rows)


@dataclass(frozen=True)
class LabChangedView(View):
    """The result of a change to a lab: `fields` for programs, `said` for people."""

    lab: str
    fields: dict[str, Any]
    said: Sequence[str]

    def data(self) -> dict[str, Any]:
        """The lab's name and the change."""
        return {"lab": self.lab, **self.fields}

    def parts(self) -> Iterator[Part]:
        """The same in words."""
        yield from all_notes(f"lab {self.lab}: {line}" for line in self.said)
