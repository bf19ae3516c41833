"""`patchctl feeds`: fetch, import, list and remove vulnerability data."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..report.formats import Format
from . import output
from .options import Limit, Output, reaches_hosts
from .state import state

if TYPE_CHECKING:
    from ..models.feeds import FeedUpdate
    from ..wiring.workspace import Workspace

_HELP = """Vulnerability data: fetched, or carried into an air-gapped site.

\b
Examples:
  patchctl feeds update                       what the fleet's systems need
  patchctl feeds update kev epss              only these
  patchctl feeds update --from-hosts          advisories of the dnf hosts' own repositories
  patchctl feeds import /media/usb/feeds      every feed file in a folder
  patchctl feeds import updateinfo.xml.gz --ecosystem "Rocky Linux:9"
  patchctl feeds import .patchctl/store       changelogs of the packages of plans
  patchctl feeds status --fail-on stale       for a pipeline
  patchctl feeds remove osv-almalinux-8

\b
A feed is replaced whole or not at all: a broken download or file leaves what is held. Exit codes
of update and import: 0 all is current, 1 some failed and the others are in, 2 nothing came in.
"""

_UPDATE = """Bring the feeds that the fleet needs up to date.

\b
Fetched are the exploited CVEs of CISA (kev), EPSS (epss), endoflife.date (eol), Debian's
tracker and OSV's records of the distributions that the last discovery or import saw. CVE
records with SSVC (cve) have no public file: name an address in patchctl.yml, or import them.

\b
Below `feeds.mirror` lie:
  known_exploited_vulnerabilities.json   epss_scores-current.csv.gz
  eol.json (endoflife.date's api/v1/products/full)
  debian-tracker.json   cve-records.zip (where a source named cve is in the settings)
  osv/AlmaLinux/all.zip, and likewise Alpine, Red Hat, Rocky Linux, SUSE, Ubuntu, openSUSE;
  beside it modified_id.csv and ID.json, where single records shall be fetched

\b
Proxies: HTTPS_PROXY, HTTP_PROXY, NO_PROXY. Credentials: ~/.netrc.

\b
With --from-hosts nothing is fetched by this machine: of the discovered dnf hosts one for each set
of enabled repositories is asked for their updateinfo. Only its dnf cache changes.
  patchctl feeds update --from-hosts --limit staging
"""


class FailOn(StrEnum):
    """When `feeds status` exits 1."""

    NEVER = "never"
    STALE = "stale"
    MISSING = "missing"
    ANY = "any"


Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Also what is older, of another kind, or half as large as what is held."
    ),
]

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True, help=_HELP)


@app.command(help=_UPDATE)
@reaches_hosts
def update(
    ctx: typer.Context,
    workspace: "Workspace",
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these feeds.")
    ] = None,
    from_hosts: Annotated[
        bool, typer.Option("--from-hosts", help="Ask hosts for their repositories' advisories.")
    ] = False,
    limit: Limit = "",
    force: Force = False,
    form: Output = Format.TABLE,
) -> None:
    from ..wiring import feeds as wiring
    from ..wiring.fleet import limited, load

    say = state(ctx).say
    if from_hosts and names:
        raise UsageError("--from-hosts takes no NAME", hint="choose hosts with --limit")
    if limit and not from_hosts:
        raise UsageError("--limit is for --from-hosts")
    if from_hosts:
        fleet = load(workspace).fleet
        hosts = limited(workspace, fleet, limit)
        updates = wiring.update_from_hosts(workspace, fleet, hosts, say, force=force)
    else:
        updates = wiring.update(workspace, names or (), say, force=force)
    raise typer.Exit(_show(ctx, updates, form))


@app.command("import")
def import_(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files or folders; recognised by content."),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Call the feed so; for a single feed.")
    ] = "",
    ecosystem: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Release of updateinfo and changelogs that do not tell it."
        ),
    ] = "",
    force: Force = False,
    form: Output = Format.TABLE,
) -> None:
    """Hold feeds from files: OSV, Debian's tracker, updateinfo, changelogs, KEV, EPSS, CVE records,
    end of life; plain, compressed, zip, tar, or a folder of them. A newer edition takes the place
    of the older one; another repository of the same release is held beside it."""
    from ..wiring import feeds as wiring

    workspace = state(ctx).workspace()
    say = state(ctx).say
    updates = wiring.import_paths(
        workspace, paths, say, name=name, ecosystem=ecosystem, force=force
    )
    raise typer.Exit(_show(ctx, updates, form))


@app.command()
def status(
    ctx: typer.Context,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit 1 where a feed is stale or missing.")
    ] = FailOn.NEVER,
    form: Output = Format.TABLE,
) -> None:
    """What is held, how old it is, and what the fleet lacks."""
    from ..report.feeds_view import FeedsStatusView
    from ..wiring import feeds as wiring

    feeds_status = wiring.status(state(ctx).workspace())
    output.show(FeedsStatusView(feeds_status), form, quiet=state(ctx).quiet)
    stale = any(age.stale for age in feeds_status.feeds) and fail_on in (FailOn.STALE, FailOn.ANY)
    missing = bool(feeds_status.missing) and fail_on in (FailOn.MISSING, FailOn.ANY)
    raise typer.Exit(int(stale or missing))


@app.command()
def remove(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Feeds that are held.")],
    form: Output = Format.TABLE,
) -> None:
    """Forget feeds."""
    from ..report.feeds_view import FeedsRemovedView
    from ..wiring.feeds import remove as forget

    forget(state(ctx).workspace(), names)
    output.show(FeedsRemovedView(names), form, quiet=state(ctx).quiet)


def _show(ctx: typer.Context, updates: "Iterable[FeedUpdate]", form: Format) -> int:
    from ..models.feeds import UpdateOutcome
    from ..report.feeds_view import FeedsUpdateView

    done = []
    for update in updates:
        done.append(update)
        if update.outcome is UpdateOutcome.FAILED:
            output.error(f"{update.name}: {update.reason}")
    output.show(FeedsUpdateView(done), form, quiet=state(ctx).quiet)
    failed = sum(update.outcome is UpdateOutcome.FAILED for update in done)
    return 0 if not failed else 2 if failed == len(done) else 1
