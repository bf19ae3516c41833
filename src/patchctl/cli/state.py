"""What the global options said, and the workspace they lead to."""

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
    """Global options of one invocation."""

    directory: Path | None = None
    color: bool = True
    quiet: bool = False
    verbose: int = 0
    debug: bool = False
    trusted: bool = False

    @cached_property
    def caller(self) -> "Caller":
        """Who asks, and from where."""
        from .caller import this_process

        return this_process()

    def say(self, line: str) -> None:
        """A line of progress, which `--quiet` drops."""
        if not self.quiet:
            output.note(line)

    def workspace(self) -> "Workspace":
        """The workspace at or above the folder. Raises InvalidInputError where there is none, or
        where others can write it and it is not said to be trusted."""
        from ..wiring.workspace import open_workspace

        return open_workspace(self.directory, self.caller, trusted=self.trusted)


def state(ctx: "typer.Context") -> State:
    """The global options of this invocation."""
    shared = ctx.find_object(State)
    return shared if shared is not None else State()
