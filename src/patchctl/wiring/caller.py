"""The caller of a command: who asks, from which folder and with which environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Caller:
    """All that the wiring needs to know of its caller.

    `actor` is `user@machine`, as plans, the journal and the audit log name it. `folder` is the
    absolute folder where relative paths begin. Programs get `environment`, and settings come from
    it; it may hold secrets, so it is never shown. Nothing below the command line reads these from
    its own process: in a server they would be those of the server, not of the caller.
    """

    actor: str
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def expand(self, name: str) -> Path:
        """Return the path of that name; a leading `~` is the caller's home folder."""
        first, _, rest = name.partition("/")
        home = self.environment.get("HOME")
        return Path(home, rest) if first == "~" and home else Path(name).expanduser()
