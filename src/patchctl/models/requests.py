"""The request that a host's package manager is to resolve."""

from .base import Record
from .exclusions import Exclusion
from .facts import PackageManager


class PackageRequest(Record):
    """One requested package in one version."""

    package: str
    arch: str
    version: str


class Kept(Record):
    """One package that must stay as it is: in this version, or absent where `version` is empty."""

    package: str
    arch: str = ""
    version: str = ""


class HostRequest(Record):
    """The request to one host. `wanted` is sorted: in a conflict the earlier one stays.

    `kept` are packages that the transaction may not touch, since too little is known about them.
    `exclusions` hold on this host, and the transaction must change nothing that they name; `held`
    are the installed packages among those, in the version in which they stay.
    """

    host: str
    ring: str
    manager: PackageManager
    wanted: tuple[PackageRequest, ...]
    kept: tuple[Kept, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    held: tuple[PackageRequest, ...] = ()
