"""`patchctl version`: what runs here."""

import typer

from ..report.formats import Format
from . import output
from .options import Output

_HELP = """The versions of patchctl and of what it runs on, for a report of an error.

\b
Examples:
  patchctl version
  patchctl version -o json
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=_HELP)
def version(form: Output = Format.TABLE) -> None:
    from ..report.version_view import VersionView
    from ..wiring.version import versions

    output.show(VersionView(versions()), form)
