"""Keep the figures that were counted from stored facts and feeds, until one of them changes.

The key is a digest of all that was counted, so nothing has to be invalidated.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..errors import AdapterError
from ..models.base import Model
from ..models.fleet_status import HostFigures
from .files import private_folder, write_atomic

_FILE = "fleet.figures"


class _Kept(Model):
    key: str
    hosts: list[HostFigures]


@dataclass(frozen=True)
class FiguresCache:
    """One file in a folder of the state. It never raises: what cannot be read or written is treated
    as missing."""

    folder: Path

    def get(self, key: str) -> Collection[HostFigures] | None:
        """The figures that were put with this key last, or None."""
        with contextlib.suppress(OSError, msgspec.MsgspecError, RecursionError):
            kept = msgspec.json.decode((self.folder / _FILE).read_bytes(), type=_Kept)
            return kept.hosts if kept.key == key else None
        return None

    def put(self, key: str, hosts: Collection[HostFigures]) -> None:
        """Keep the figures in place of earlier ones."""
        with contextlib.suppress(OSError, AdapterError):
            private_folder(self.folder)
            write_atomic(
                self.folder / _FILE, msgspec.json.encode(_Kept(key=key, hosts=list(hosts)))
            )
