"""Who asks, and from where: what this process is to a command line, and a request to a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Everything that building for somebody depends on besides the workspace.

    `actor` is `user@machine`, as plans, the journal and the audit log name it. `folder` is where
    relative paths begin, absolute. `environment` is what programs get and settings are taken from;
    it may hold secrets, so it is never shown. Nothing below the command line looks for any of these
    itself, or it would find those of the server where somebody else asks.
    """

    actor: str
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def expand(self, name: str) -> Path:
        """The path of that name, where a leading `~` is the caller's home folder."""
        first, _, rest = name.partition("/")
        home = self.environment.get("HOME")
        return Path(home, rest) if first == "~" and home else Path(name).expanduser()
