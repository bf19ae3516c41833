"""Offer names to shell completion in milliseconds: no Ansible, no SQLAlchemy, no program.

Host and group names come from the last reading of the workspace's inventory, kept in `names.json`
beside the state. Runs, snapshots and plans are read from an SQLite state database.
"""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdapterError
from ..models.words import short
from .files import write_atomic

_FILE = "names.json"
_MAX_BYTES = 16 << 20
_NEWEST = 200
_BUSY_S = 0.1
# The words that a shell may be given: zsh evaluates the answer.
_WORD = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]+@-]{0,252}")


def remember(state: Path, hosts: Iterable[str], groups: Iterable[str]) -> None:
    """Keep the names for later completions where there is a state folder.

    Completion is a comfort: a read-only or missing folder is no error, and reading an inventory
    makes no state folder.
    """
    if not state.is_dir():
        return
    data = json.dumps({"hosts": sorted(hosts), "groups": sorted(groups)}).encode()
    path = state / _FILE
    with contextlib.suppress(OSError, AdapterError):
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)


@dataclass(frozen=True)
class KnownNames:
    """The names that a workspace knows. What cannot be read has no names."""

    state: Path
    rings: tuple[str, ...]

    def hosts(self) -> list[str]:
        """Hosts of the inventory."""
        return self._remembered("hosts")

    def patterns(self) -> list[str]:
        """Hosts and groups, for `--limit`."""
        rings = [f"ring_{name.replace('-', '_')}" for name in self.rings]
        groups = [name for name in self._remembered("groups") if name not in rings]
        return [*self.hosts(), *rings, *groups]

    def runs(self) -> list[str]:
        """Ids, newest first."""
        return self._stored("SELECT id FROM run ORDER BY number DESC LIMIT ?")

    def snapshots(self) -> list[str]:
        """Ids, newest first."""
        return self._stored("SELECT id FROM snapshot ORDER BY number DESC LIMIT ?")

    def plans(self) -> list[str]:
        """The first twelve digits of the digests, newest first."""
        digests = self._stored("SELECT digest FROM plan ORDER BY number DESC LIMIT ?")
        return [short(digest) for digest in digests]

    def _remembered(self, key: str) -> list[str]:
        path = self.state / _FILE
        try:
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                return []
            names = json.loads(path.read_bytes())[key]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []
        return _words(names if isinstance(names, list) else ())

    def _stored(self, query: str) -> list[str]:
        path = self.state / "state.db"
        if not path.is_file():
            return []
        try:
            address = f"{path.as_uri()}?mode=ro"
            with contextlib.closing(
                sqlite3.connect(address, uri=True, timeout=_BUSY_S)
            ) as connection:
                return _words(row[0] for row in connection.execute(query, (_NEWEST,)))
        except (OSError, sqlite3.Error):
            return []


def _words(values: Iterable[object]) -> list[str]:
    return [word for word in values if isinstance(word, str) and _WORD.fullmatch(word)]
