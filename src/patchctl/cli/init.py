"""`patchctl init`: write a new workspace."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..report.formats import Format
from ..report.workspace_view import NewWorkspaceView
from ..wiring.init import init as write
from . import output
from .options import Output
from .state import state

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def init(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; none: the current folder.")
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """Write a commented workspace; nothing that is there is overwritten.

    In a repository that has an inventory already it is named in patchctl.yml and stays as it is;
    what of an ansible.cfg is not used is told, with what to set instead.

    \b
    Examples:
      patchctl init fleet
      cd fleet && patchctl inventory list
      cd ansible-repository && patchctl init .
    """
    base = state(ctx).directory or Path()
    root = base / (directory or Path())
    begun = write(root)
    written = [str(path) for path in begun.written]
    not_used = [str(problem) for problem in begun.not_used]
    output.show(NewWorkspaceView(str(root), written, not_used), form)
    if not state(ctx).quiet:
        where = shlex.quote(str(root))
        output.notes(not_used)
        if root / "inventory" / "hosts.yml" in begun.written:
            output.note(f"next: put your hosts into {where}/inventory/hosts.yml, then")
        else:
            output.note(f"next: look at `inventory` and the rings in {where}/patchctl.yml, then")
        output.note(f"  patchctl -C {where} inventory list")
        output.note(f"  patchctl -C {where} discover")
