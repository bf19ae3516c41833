"""The closed transaction that a host's package manager computed, as planning receives it."""

from .base import Model, Record
from .facts import PackageManager
from .plan import LeftOut, Transition


class Unusable(Record):
    """A package of a transaction that cannot be taken, with the reason, and what of it is installed
    and must stay; `arch` and `installed` are empty where it is not installed."""

    left_out: LeftOut
    arch: str = ""
    installed: str = ""


class Resolution(Model):
    """The closed transaction that a host's own package manager computed.

    `error` is one line when it could not, and `locked` who worked with the package manager then;
    `transitions` is empty. `uris` are where the host
    would fetch the files from, by file name; they are not part of the plan's identity.
    `dropped` are requested updates that the host's package manager would not take. Where a package
    is `unusable`, the transaction is none: the host is to be asked again for one without it.
    `needed_kib` is the space that the transaction needs, by the path it writes to.
    `source_versions` are the new versions of source packages, by binary package, where they are not
    the binary's own.
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
