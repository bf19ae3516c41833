"""What a host's package manager is asked to resolve."""

from .base import Record
from .exclusions import Exclusion
from .facts import PackageManager


class PackageRequest(Record):
    """One package that is asked for, in one version."""

    package: str
    arch: str
    version: str


class Kept(Record):
    """One package that must stay as it is: in this version, or away where `version` is empty."""

    package: str
    arch: str = ""
    version: str = ""


class HostRequest(Record):
    """What is asked of one host. `wanted` is sorted: in a conflict the earlier one stays.

    `kept` are packages that the transaction may not touch, since what is known of them is not
    enough. `exclusions` hold on this host, and the transaction must change nothing that they name;
    `held` are the installed packages among those, in the version in which they stay.
    """

    host: str
    ring: str
    manager: PackageManager
    wanted: tuple[PackageRequest, ...]
    kept: tuple[Kept, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    held: tuple[PackageRequest, ...] = ()
