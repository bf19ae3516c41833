"""The closed transaction that a host's package manager computed, as planning receives it."""

from .base import Model, Record
from .facts import PackageManager
from .plan import LeftOut, Transition


class Unusable(Record):
    """A package of a transaction that cannot be used, with the reason, and its installed version,
    which must stay; `arch` and `installed` are empty where it is not installed."""

    left_out: LeftOut
    arch: str = ""
    installed: str = ""


class Resolution(Model):
    """The closed transaction that a host's own package manager computed.

    `error` is one line where it could not, and `locked` who used the package manager then;
    `transitions` is empty. `uris` are the addresses from which the host would fetch the files, by
    file name; they are not part of the plan's identity. `dropped` are requested updates that the
    host's package manager would not install. Where a package is `unusable` there is no transaction:
    the host must be asked again for one without it. `needed_kib` is the space that the transaction
    needs, by the path that it writes to. `source_versions` are the new versions of source packages,
    by binary package, where they differ from the binary's own.
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
