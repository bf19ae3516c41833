"""`patchctl explain`: parse, ask why, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..report.formats import Format
from . import output
from .options import Limit, Output, reaches_hosts

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace

_HELP = """Why a host, a CVE or a package is, or is not, affected.

\b
Examples:
  patchctl explain CVE-2024-6387            which version decides, on which hosts
  patchctl explain openssl --limit web1     a package, by source or binary name
  patchctl explain web1                     everything found on a host, and what holds it up

\b
First on how many hosts which version is in which state; then the reasons: the advisory and its
range, the version that decides, who would deliver the fix, the rule that set the priority and the
date, and where it is stuck.
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=_HELP)
@reaches_hosts
def explain(
    ctx: typer.Context,
    workspace: "Workspace",
    subject: Annotated[
        str, typer.Argument(metavar="HOST|CVE|PACKAGE", help="What the question is about.")
    ],
    limit: Limit = "",
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="Reckon due dates as of this day; default: today.")
    ] = "",
    full: Annotated[
        bool, typer.Option("--full", help="Every host and every judgement, not only the first.")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    from ..report.explain_view import ExplanationView
    from ..wiring.assess import explain as ask

    output.show(ExplanationView(ask(workspace, subject, limit, as_of), full=full), form)
