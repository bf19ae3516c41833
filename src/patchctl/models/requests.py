"""The request to a host's package manager to resolve a transaction."""

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
    """The request to one host. `wanted` is sorted: in a conflict the earlier package is taken.

    `kept` are packages that the transaction must not change, because too little is known about
    them. `exclusions` are the rules that hold on this host: the transaction must not change the
    packages that they name. `held` are the installed packages among these, with the version in
    which they stay.
    """

    host: str
    ring: str
    manager: PackageManager
    wanted: tuple[PackageRequest, ...]
    kept: tuple[Kept, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    held: tuple[PackageRequest, ...] = ()
