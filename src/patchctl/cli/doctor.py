"""`patchctl doctor`: parse, check everything, print."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..report.formats import Format
from . import output
from .options import Limit, Output, can_confirm, confirm, takes_access
from .state import state

if TYPE_CHECKING:
    from ..models.doctor import LearnedKey
    from ..wiring.workspace import Access

_HELP = """Check this machine, the workspace and the way to every host; say what to fix.

Hosts are asked side by side and nothing on them changes. Exits 0 where nothing must be fixed
(warnings are allowed), 1 where something must.

\b
Examples:
  patchctl doctor
  patchctl doctor --limit ring_staging -K       with a sudo password
  patchctl doctor --all                         every check of every host
  patchctl doctor -o json | jq '.checks[] | select(.status == "fail")'
  patchctl doctor --learn-host-keys             write the keys of new hosts into known_hosts

\b
--learn-host-keys asks the hosts for their keys, shows the fingerprints, asks (or needs --yes where
there is no terminal), and appends them to known_hosts beside patchctl.yml, which every connection
of the workspace uses beside your own known_hosts. Compare the fingerprints with the hosts' own
(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) before you trust them. A key that differs from a
known one is never replaced. Hosts behind a jump host cannot be asked; doctor says what to do.
"""

app = typer.Typer(rich_markup_mode=None, add_completion=False, help=_HELP)


@app.command(help=_HELP)
@takes_access
def doctor(
    ctx: typer.Context,
    access: "Access",
    limit: Limit = "",
    learn: Annotated[
        bool, typer.Option("--learn-host-keys", help="Write keys of unknown hosts to known_hosts.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before writing keys.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every check of every host.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Check everything and say what to fix."""
    from ..report import doctor_view as text
    from ..wiring.doctor import doctor as make
    from ..workflows.doctor.checks import CheckRequest

    if learn:
        can_confirm(yes=yes)
    options = state(ctx)

    def approve(keys: Sequence["LearnedKey"]) -> None:
        output.notes(text.keys(keys))
        output.note("Compare them with the hosts' own before you trust them.")
        confirm(f"Append {text.counted(keys)} to known_hosts?", yes=yes)

    caller = options.caller
    report = make(options.directory, caller, access, trusted=options.trusted, say=options.say).run(
        CheckRequest(
            limit=limit,
            cwd=caller.folder,
            forks=access.forks,
            approve=approve if learn else None,
        )
    )
    output.show(text.DoctorView(report, every=every), form, quiet=options.quiet)
    raise typer.Exit(0 if report.ok else 1)
