"""Use cases of the lab."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..models.lab import LabStatus
from . import fleet, handle, model, packages
from .builder import Say

DEFAULT_NAME = model.DEFAULT_NAME


@dataclass(frozen=True)
class Labs:
    """The labs of this machine. `environment` says which engine works, and where images come from
    and are kept."""

    environment: Mapping[str, str] = field(repr=False)

    def up(
        self, name: str, count: int, image: str, root: Path, say: Say, *, release: str
    ) -> LabStatus:
        """Make a lab and its workspace in `root`, an absolute path; the hosts. rpm hosts are made
        of a `release` of Debian."""
        made = fleet.up(name, count, image, root, say, self.environment, release=release)
        return LabStatus(hosts=made.hosts())

    def down(self, name: str, say: Say, *, with_images: bool) -> int:
        """Remove a lab; how many hosts it had."""
        return fleet.down(name, say, self.environment, with_images=with_images)

    def status(self, name: str) -> LabStatus:
        """Hosts of one lab, or of all where the name is empty."""
        return fleet.status(self.environment, name)

    def publish(self, name: str, channels: Sequence[str], *, drop: bool, reset: bool) -> None:
        """Change a lab's repository: first state where `reset`, then add or drop channels."""
        lab = handle.find(name, self.environment)
        if reset:
            lab.reset_repository()
        if channels and drop:
            lab.withdraw(*channels)
        elif channels:
            lab.publish(*channels)

    def reboot(self, name: str, hosts: Sequence[str]) -> int:
        """Switch hosts of a lab off and on, all where none is named; how many."""
        return handle.find(name, self.environment).restart(*hosts)


def offers() -> list[tuple[str, str, str, str]]:
    """Name, meaning, whether it is pending from the start, and the image (empty for all) of whose
    hosts it is, of all that can be published."""
    return [
        (channel.name, channel.summary, "yes" if channel.initial else "", channel.image)
        for channel in packages.CHANNELS
    ]
