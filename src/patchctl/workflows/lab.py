"""Use cases of the lab."""

from collections.abc import Sequence
from pathlib import Path

from ..lab import fleet, handle, packages
from ..lab.builder import Say
from ..lab.model import LabHost, Status


def up(name: str, count: int, image: str, root: Path, say: Say) -> tuple[LabHost, ...]:
    """Make a lab and its workspace; the hosts."""
    return fleet.up(name, count, image, root, say).hosts()


def down(name: str, say: Say, *, with_images: bool) -> int:
    """Remove a lab; how many hosts it had."""
    return fleet.down(name, say, with_images=with_images)


def status(name: str) -> Status:
    """Hosts of one lab, or of all where the name is empty."""
    return fleet.status(name)


def publish(name: str, channels: Sequence[str], *, drop: bool, reset: bool) -> None:
    """Change a lab's repository: first state where `reset`, then add or drop channels."""
    lab = handle.find(name)
    if reset:
        lab.reset_repository()
    if channels and drop:
        lab.withdraw(*channels)
    elif channels:
        lab.publish(*channels)


def reboot(name: str, hosts: Sequence[str]) -> int:
    """Switch hosts of a lab off and on, all where none is named; how many."""
    return handle.find(name).restart(*hosts)


def offers() -> list[tuple[str, str, str]]:
    """Name, meaning, and whether it is pending from the start, of all that can be published."""
    return [
        (channel.name, channel.summary, "yes" if channel.initial else "")
        for channel in packages.CHANNELS
    ]
