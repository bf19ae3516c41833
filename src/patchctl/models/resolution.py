"""The complete transaction that a host's package manager computed, as planning receives it."""

from .base import Model, Record
from .facts import PackageManager
from .plan import LeftOut, Transition


class Unusable(Record):
    """A package that the plan cannot use in a transaction, with the reason, and its installed
    version, which must stay; `arch` and `installed` are empty where it is not installed."""

    left_out: LeftOut
    arch: str = ""
    installed: str = ""


class Resolution(Model):
    """The complete transaction that a host's own package manager computed.

    `error` is one line where it could not compute one, and `locked` names the user of the package
    manager where it was in use; `transitions` is empty then. `uris` is file name -> the address
    from which the host would fetch the file; it is not part of the plan's identity. `dropped` are
    requested updates that the host's package manager would not install. Where a package is
    `unusable` there is no transaction: the host must be asked again for one without it.
    `needed_kib` is path -> KiB that the transaction writes there. `source_versions` is binary
    package -> new version of its source package, where that differs from the binary's.
    """

    host: str
    manager: PackageManager
    transitions: tuple[Transition, ...] = ()
    dropped: tuple[LeftOut, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    error: str = ""
    locked: str = ""
    uris: dict[str, str] = {}
    needed_kib: dict[str, int] = {}
    source_versions: dict[str, str] = {}
