"""The values of the global options, and the workspace that they select."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    import typer

    from ..wiring.caller import Caller
    from ..wiring.workspace import Workspace


@dataclass
class State:
    """The global options of one invocation."""

    directory: Path | None = None
    color: bool = True
    quiet: bool = False
    verbose: int = 0
    debug: bool = False
    trusted: bool = False

    @cached_property
    def caller(self) -> "Caller":
        """Who runs this command, and from where."""
        from .caller import this_process

        return this_process()

    def say(self, line: str) -> None:
        """Print a line of progress, unless `--quiet`."""
        if not self.quiet:
            output.note(line)

    def workspace(self) -> "Workspace":
        """Return the workspace at or above the folder. Raises InvalidInputError where there is
        none, or where other users can write it and no option trusts it.
        """
        from ..wiring.workspace import open_workspace

        return open_workspace(self.directory, self.caller, trusted=self.trusted)


def state(ctx: "typer.Context") -> State:
    """Return the global options of this invocation."""
    shared = ctx.find_object(State)
    return shared if shared is not None else State()
