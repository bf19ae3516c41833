"""Load the fleet: sources read, hosts checked, rings assigned."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..inventory import load
from ..models.fleet import Fleet
from ..models.settings import Settings


class Raw(load.Raw, Protocol):
    """What the sources say, and what Ansible warned about."""

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Reader(Protocol):
    """Reads inventory sources."""

    def read(self, sources: Sequence[str]) -> Raw:
        """All sources together. Raises InvalidInputError."""

    def locate(self, name: str, sources: Sequence[str]) -> str:
        """Where a host's name stands."""


class Loaded(NamedTuple):
    """The fleet and what a person should know about it."""

    fleet: Fleet
    warnings: tuple[str, ...]


def load_fleet(settings: Settings, reader: Reader, sources: Sequence[str] = ()) -> Loaded:
    """The fleet of the workspace, or of other sources given with `-i`.

    Raises InvalidInputError with a line for every source or host that cannot be taken.
    """
    chosen = tuple(sources or settings.inventory)
    raw = reader.read(chosen)
    fleet = load.build(
        raw,
        sources=chosen,
        rings=settings.ring_names,
        assignment=settings.assign,
        locate=lambda name: reader.locate(name, chosen),
    )
    return Loaded(fleet, (*raw.warnings, *_unknown_groups(settings, fleet)))


def _unknown_groups(settings: Settings, fleet: Fleet) -> list[str]:
    known = {group.name for group in fleet.groups}
    return [
        f"patchctl.yml: rule {number} names the group {group}, which the inventory has not"
        for number, rule in enumerate(settings.assign.rules, start=1)
        for group in rule.groups
        if group not in known
    ]
