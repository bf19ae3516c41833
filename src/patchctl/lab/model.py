"""Models of a lab: hosts, their slots and addresses."""

from collections.abc import Sequence

from msgspec.structs import replace

from ..models.base import Model
from ..models.lab import LabHost

DEFAULT_NAME = "lab"
PORT = 2222
"""Not 22: an sshd of this machine that listens on 0.0.0.0:22 gets connections to 127.x.x.x:22."""

RELEASES = ("bookworm", "trixie")
"""Debian releases for rpm hosts, with dnf 4.14 and 4.23. All else is made of the first."""

RINGS = ("staging", "canary", "production")
_PER_NET = 250

MIXED_HOSTS = 7
"""The fewest hosts of a mixed lab: one of each kind in staging and two in production."""


class HostSlot(Model):
    """A host that is to be made: its name, ring and address. `changed`: its conffile is edited as
    if by hand.
    """

    name: str
    ring: str
    image: str
    address: str
    groups: tuple[str, ...]
    changed: bool = False


def nets(count: int) -> int:
    """Return how many 127.0.X nets this many hosts need."""
    return -(-count // _PER_NET)


def host_slots(count: int, images: str, first_net: int) -> tuple[HostSlot, ...]:
    """Spread `count` hosts over the rings: about a quarter in staging and a tenth in canary.

    `images` is debian, rpm or mixed; mixed alternates inside each ring and from ring to ring. A
    single host is in staging; with three or more no ring is empty. The last host of each image gets
    a changed conffile.
    """
    staging = max(1, round(count / 4))
    canary = max(1, count // 10) if count > 2 else 0
    sizes = (staging, canary, count - staging - canary)
    slots: list[HostSlot] = []
    filled = [(ring, size) for ring, size in zip(RINGS, sizes, strict=True) if size]
    for turn, (ring, size) in enumerate(filled):
        for number in range(1, size + 1):
            index = len(slots)
            slots.append(
                HostSlot(
                    name=f"{ring}-{number}",
                    ring=ring,
                    image=_image(images, turn + number),
                    address=f"127.0.{first_net + index // _PER_NET}.{index % _PER_NET + 1}",
                    groups=("web" if number % 2 else "db",),
                )
            )
    last = {slot.image: slot for slot in slots}
    return tuple(replace(slot, changed=slot is last[slot.image]) for slot in slots)


def _image(images: str, turn: int) -> str:
    if images != "mixed":
        return images
    return "debian" if turn % 2 else "rpm"


def known_hosts(keys: Sequence[tuple[LabHost, str]]) -> str:
    """Return lines for known_hosts (see sshd(8)): `[address]:port TYPE KEY`."""
    return "".join(f"[{host.address}]:{host.port} {key}\n" for host, key in keys)
