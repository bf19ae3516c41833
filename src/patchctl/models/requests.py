"""What a host's package manager is asked to resolve."""

from .base import Record
from .facts import PackageManager


class Wanted(Record):
    """One package that is asked for, in one version."""

    package: str
    arch: str
    version: str


class HostRequest(Record):
    """What is asked of one host. `wanted` is sorted: in a conflict the earlier one stays."""

    host: str
    ring: str
    manager: PackageManager
    wanted: tuple[Wanted, ...]
