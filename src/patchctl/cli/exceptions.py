"""`patchctl exceptions`: list, add, check."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..report.formats import Format
from . import completion, output
from .options import Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace

_HELP = """Findings that their owner decided to live with: for a while, with a reason and a control.

\b
Examples:
  patchctl exceptions list
  patchctl exceptions add --cve CVE-2024-6387 --host 'web-*' --owner ops@example.com \\
      --reason 'no login from outside' --control 'port 22 closed at the firewall' --expires 90d
  patchctl exceptions check                     for a pipeline: exit 1 where one needs attention

\b
They stand in exceptions.yml beside patchctl.yml and are reviewed like it. One that has expired, or
whose CVE is known to be exploited (KEV), holds no more: its findings are open again and say why.
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, help=_HELP)

_LIST = """Every exception, the next to expire first.

\b
Examples:
  patchctl exceptions list
  patchctl exceptions list -o json | jq '.[] | select(.state == "expired") | .exception.id'
"""

_ADD = """Add an exception to the end of exceptions.yml; the rest of the file stays as it is.

\b
Examples:
  patchctl exceptions add --cve CVE-2024-6387 --host '*' --owner ops@example.com \\
      --reason 'no login from outside' --control 'port 22 closed at the firewall' --expires 90d
  patchctl exceptions add --package 'linux*' --group lab --id LAB-1 --owner lab@example.com \\
      --reason 'hosts live for a day' --control 'network of its own' --expires 2027-01-31

\b
Of --cve and --package at least one, of --host and --group at least one: --host '*' is every host.
Several of one kind are alternatives; a CVE and a package must both fit.
"""

_CHECK = """Which exceptions need attention; exit 1 where one does.

\b
Examples:
  patchctl exceptions check
  patchctl exceptions check -o json | jq '.complaints[]'

\b
Told are those that have expired or will within 30 days, that name what is known to be exploited
(KEV), and that fit no finding. Asks no host and no network, like `patchctl assess`.
"""


@app.command("list", help=_LIST)
def list_(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    from ..report.exceptions_view import ExceptionsView
    from ..wiring.exceptions import listed

    output.show(ExceptionsView(listed(state(ctx).workspace())), form)


Names = list[str] | None


@app.command(help=_ADD)
def add(
    ctx: typer.Context,
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is not fixed.")],
    control: Annotated[str, typer.Option("--control", help="What protects instead.")],
    expires: Annotated[
        str, typer.Option("--expires", metavar="DATE|DAYS", help="Last day: 2027-01-31, or 90d.")
    ],
    cve: Annotated[
        Names, typer.Option("--cve", metavar="CVE", help="A CVE; may be repeated.")
    ] = None,
    package: Annotated[
        Names,
        typer.Option("--package", metavar="NAME", help="A source or binary package, or glob."),
    ] = None,
    host: Annotated[
        Names,
        typer.Option(
            "--host",
            metavar="NAME",
            help="A host's name, or a glob.",
            autocompletion=completion.hosts,
        ),
    ] = None,
    group: Annotated[
        Names, typer.Option("--group", metavar="NAME", help="A group of the inventory.")
    ] = None,
    ident: Annotated[str, typer.Option("--id", help="A name for it; default: EX-1, ...")] = "",
    form: Output = Format.TABLE,
) -> None:
    from ..report.exceptions_view import NewExceptionView
    from ..wiring.exceptions import NewException, add

    wanted = NewException(
        id=ident,
        owner=owner,
        reason=reason,
        control=control,
        expires=expires,
        cves=tuple(cve or ()),
        packages=tuple(package or ()),
        hosts=tuple(host or ()),
        groups=tuple(group or ()),
    )
    new, caution = add(state(ctx).workspace(), wanted)
    output.show(NewExceptionView(new), form)
    if caution:
        output.note(caution)


@app.command(help=_CHECK)
@reaches_hosts
def check(ctx: typer.Context, workspace: "Workspace", form: Output = Format.TABLE) -> None:
    from ..report import exceptions_view as text
    from ..wiring.exceptions import check as run

    review = run(workspace)
    output.show(text.ExceptionsReviewView(review), form)
    if not state(ctx).quiet:
        output.note(text.closing(review))
    raise typer.Exit(0 if review.ok else 1)
