"""What the command line can do with labs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..models.lab import LabStatus
from . import fleet, handle, model, packages
from .builder import Say

DEFAULT_NAME = model.DEFAULT_NAME


@dataclass(frozen=True)
class Labs:
    """The labs of this machine. `environment` says which engine to use, and where images come from
    and are kept.
    """

    environment: Mapping[str, str] = field(repr=False)

    def up(
        self, name: str, count: int, image: str, root: Path, say: Say, *, release: str
    ) -> LabStatus:
        """Make a lab and its workspace in `root`, an absolute path. Returns its hosts. rpm hosts
        are made of `release` of Debian.
        """
        made = fleet.up(name, count, image, root, say, self.environment, release=release)
        return LabStatus(hosts=made.hosts())

    def down(self, name: str, say: Say, *, with_images: bool) -> int:
        """Remove a lab and return how many hosts it had."""
        return fleet.down(name, say, self.environment, with_images=with_images)

    def status(self, name: str) -> LabStatus:
        """Return the hosts of one lab, or of all labs where the name is empty."""
        return fleet.status(self.environment, name)

    def publish(self, name: str, channels: Sequence[str], *, drop: bool, reset: bool) -> None:
        """Change a lab's repository: return it to its first state if `reset`, then add channels, or
        remove them if `drop`.
        """
        lab = handle.find(name, self.environment)
        if reset:
            lab.reset_repository()
        if channels and drop:
            lab.withdraw(*channels)
        elif channels:
            lab.publish(*channels)

    def reboot(self, name: str, hosts: Sequence[str]) -> int:
        """Switch hosts of a lab off and on (all without names). Returns how many."""
        return handle.find(name, self.environment).restart(*hosts)


def offers() -> list[tuple[str, str, str, str]]:
    """Return a row for each update that can be published: name, meaning, "yes" or "" for pending
    from the start, and the image whose hosts can have it (empty for all).
    """
    return [
        (channel.name, channel.summary, "yes" if channel.initial else "", channel.image)
        for channel in packages.CHANNELS
    ]
