"""Complete names of hosts, rings, runs and plans in the shell.

On an error it offers nothing and prints nothing: its output is put into the line that the operator
types.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import typer


class Names(Protocol):
    """Names that are known without asking a host."""

    @property
    def rings(self) -> Iterable[str]: ...
    def hosts(self) -> list[str]: ...
    def runs(self) -> list[str]: ...
    def plans(self) -> list[str]: ...
    def snapshots(self) -> list[str]: ...
    def patterns(self) -> list[str]: ...


Completer = Callable[[typer.Context, str], list[str]]


def _offer(names: Callable[[Names], list[str]]) -> Completer:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from ..wiring.completion import known_names
        from .caller import this_process

        try:
            given = ctx.find_root().params
            directory = Path(given["directory"]) if given.get("directory") else None
            offered = names(
                known_names(directory, this_process(), trusted=bool(given.get("trust_workspace")))
            )
        except Exception:  # a traceback would be put into the line that the operator types
            return []
        return [name for name in offered if name.startswith(incomplete)]

    return complete


def _plans(known: Names) -> list[str]:
    """Return plan files relative to the current folder, and digests of stored plans."""
    here = Path()
    files = [*here.glob("*.lock"), *here.glob("plans/*.lock")]
    return [*sorted(map(str, files)), *known.plans()]


hosts = _offer(lambda known: known.hosts())
rings = _offer(lambda known: list(known.rings))
runs = _offer(lambda known: known.runs())
plans = _offer(_plans)
snapshots = _offer(lambda known: ["latest", *known.snapshots()])
_patterns = _offer(lambda known: known.patterns())


def limit(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the last part of a pattern: after `web1,!db` it offers `web1,!db1`."""
    start = max((incomplete.rfind(mark) for mark in ",!&"), default=-1) + 1
    return [incomplete[:start] + name for name in _patterns(ctx, incomplete[start:])]
