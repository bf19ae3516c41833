"""`patchctl lab`: parse, call the lab, print."""

import shlex
import signal
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..models import words
from ..models.lab import LabStatus
from ..report.formats import Format
from ..wiring.lab import DEFAULT_NAME, labs, offers
from . import output
from .options import Output
from .state import state

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="""A fleet of throw-away hosts on this machine.

\b
Examples:
  patchctl lab up --hosts 6 --workspace demo
  patchctl -C demo discover
  patchctl -C demo feeds import demo/lab/feed
                                   the CVEs that its updates fix
  patchctl lab publish bad-web     a bad update appears
  patchctl lab reboot              what waits for a reboot gets one
  patchctl lab status -o json
  patchctl lab down
""",
)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Which lab.")]


class Image(StrEnum):
    """`--image`."""

    DEBIAN = "debian"
    RPM = "rpm"
    MIXED = "mixed"


class Release(StrEnum):
    """`--release`."""

    BOOKWORM = "bookworm"
    TRIXIE = "trixie"


@app.command()
def up(
    ctx: typer.Context,
    hosts: Annotated[int, typer.Option("--hosts", min=1, help="How many hosts.")] = 6,
    image: Annotated[
        Image, typer.Option("--image", help="What they run; mixed: both kinds, at least 7 hosts.")
    ] = Image.DEBIAN,
    release: Annotated[
        Release, typer.Option("--release", help="Of which of Debian's releases rpm hosts are made.")
    ] = Release.BOOKWORM,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", metavar="DIR", help="Where to write the workspace [./NAME]."),
    ] = None,
    name: Name = DEFAULT_NAME,
    form: Output = Format.TABLE,
) -> None:
    """Start hosts with pending updates, and write a workspace whose inventory reaches them.

    Example: patchctl lab up --hosts 6 --workspace demo && patchctl -C demo discover
    """
    # A cancelled pipeline sends SIGTERM: clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    root = workspace or (state(ctx).directory or Path()) / name
    caller = state(ctx).caller
    made = labs(caller).up(
        name, hosts, image.value, caller.folder / root, state(ctx).say, release=release.value
    )
    if not state(ctx).quiet:
        output.note(f"lab {name} is up; try: patchctl -C {shlex.quote(str(root))} discover")
    _print(made, form)


@app.command()
def down(
    ctx: typer.Context,
    name: Name = DEFAULT_NAME,
    images: Annotated[bool, typer.Option("--images", help="Remove the cached images too.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Remove every trace of a lab; the images stay cached for the next one."""
    count = labs(state(ctx).caller).down(name, state(ctx).say, with_images=images)
    said = f"{words.count(count, 'host')} removed"
    _changed(ctx, name, {"removed": count}, [said], form)


@app.command()
def status(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Only this lab.")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Show the hosts of all labs."""
    _print(labs(state(ctx).caller).status(name), form)


@app.command()
def publish(
    ctx: typer.Context,
    updates: Annotated[
        list[str] | None, typer.Argument(metavar="UPDATES...", help="Without: what there is.")
    ] = None,
    name: Name = DEFAULT_NAME,
    drop: Annotated[bool, typer.Option("--drop", help="Take them away again.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the lab's first state.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Put prepared updates, good and bad ones, into a lab's repository, and renew its feed.

    Example: patchctl lab publish bad-web
    """
    if not updates and not reset:
        from ..report.lab_view import LabOffersView

        output.show(LabOffersView(offers()), form)
        return
    labs(state(ctx).caller).publish(name, updates or [], drop=drop, reset=reset)
    said = [
        "repository changed; hosts see it when they look next",
        "its feed is renewed: patchctl feeds import lab/feed",
    ]
    fields = {"updates": updates or [], "drop": drop, "reset": reset}
    _changed(ctx, name, fields, said, form)


@app.command()
def reboot(
    ctx: typer.Context,
    hosts: Annotated[
        list[str] | None, typer.Argument(metavar="HOSTS...", help="Which; without: all.")
    ] = None,
    name: Name = DEFAULT_NAME,
    form: Output = Format.TABLE,
) -> None:
    """Switch hosts off and on, as what waits for a reboot needs it.

    Example: patchctl lab reboot staging-1
    """
    count = labs(state(ctx).caller).reboot(name, hosts or [])
    said = f"{words.count(count, 'host')} rebooted"
    _changed(ctx, name, {"rebooted": count}, [said], form)


def _print(status: LabStatus, form: Format) -> None:
    from ..report.lab_view import LabView

    output.show(LabView(status), form)


def _changed(
    ctx: typer.Context, lab: str, fields: dict[str, Any], said: Sequence[str], form: Format
) -> None:
    from ..report.lab_view import LabChangedView

    output.show(LabChangedView(lab, fields, said), form, quiet=state(ctx).quiet)
