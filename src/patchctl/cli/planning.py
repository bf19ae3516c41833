"""What the verbs that make a plan share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..models.plan import LeftOutReason, Selection, SelectionMode
from ..workflows.plan.make_plan import Made, PlanRequest
from . import output
from .output import Format

if TYPE_CHECKING:
    from ..wiring.workspace import Workspace


def make(
    workspace: "Workspace",
    selection: Selection,
    *,
    quiet: bool,
    snapshot: str = "",
    comment: str = "",
) -> Made:
    """Make a plan, with progress on stderr."""
    from ..wiring.plan import planner

    if not quiet:
        output.error_lines(f"warning: {line}" for line in workspace.inventory.warnings)
    request = PlanRequest(
        selection=selection,
        hosts=hosts_of(workspace, selection.limit),
        snapshot=snapshot,
        comment=comment,
    )
    return planner(workspace, say(quiet)).make(request)


def hosts_of(workspace: "Workspace", limit: str) -> tuple[str, ...] | None:
    """Names that `--limit` means, None for all. Raises UsageError."""
    from ..workflows.inventory import show as inventory

    return inventory.hosts_of(workspace.fleet, limit, Path.cwd()) if limit else None


def fresh_plan(workspace: "Workspace", *, quiet: bool) -> Made:
    """Discover now and plan the pending security updates."""
    return make(workspace, Selection(mode=SelectionMode.SECURITY), quiet=quiet)


_HARMLESS = frozenset(
    {
        LeftOutReason.NO_UPDATES,
        LeftOutReason.NOT_SECURITY,
        LeftOutReason.NOT_SELECTED,
        LeftOutReason.NO_FINDING,
        LeftOutReason.WAIVED,
    }
)


def nothing_wrong(made: Made) -> bool:
    """Is everything that was left out left out because it needs nothing?"""
    return all(one.reason in _HARMLESS for one in made.left_out)


def say(quiet: bool) -> Callable[[str], None]:
    """Takes lines of progress."""
    return (lambda _: None) if quiet else output.note


def show(made: Made, path: Path | None, form: Format) -> None:
    """Print what became of it; `path` is where the plan was written, None where there is none."""
    from ..report import plan_text

    if form is not Format.TABLE:
        output.data(summary(made, path), form)
    elif made.plan is not None:
        output.lines(output.clean(line) for line in plan_text.show(made.plan))
        output.error_lines(["", f"written to {path}", f"next: patchctl rollout {path}"])
    else:
        output.lines(output.clean(line) for line in plan_text.left_out(made.left_out))
        output.note("nothing to do: no plan was written")


def summary(made: Made, path: Path | None) -> dict[str, Any]:
    """`plan create -o json`. Counts of nothing and a null digest where there is nothing to do."""
    body = made.plan.body if made.plan else None
    cohorts = {one.id: one for one in body.cohorts} if body else {}
    hosts = body.hosts if body else ()
    return {
        "digest": made.plan.digest if made.plan else None,
        "path": str(path) if path else None,
        "hosts": len(hosts),
        "transitions": sum(len(cohorts[host.cohort].transitions) for host in hosts),
        "unproven": len(body.unproven) if body else 0,
        "left_out": [
            {
                "host": one.host,
                "reason": one.reason.value,
                "package": one.package,
                "version": one.version,
                "detail": one.detail,
                "cves": one.cves,
            }
            for one in made.left_out
        ],
        "cves": sorted(
            {cve for one in cohorts.values() for t in one.transitions for cve in t.cves}
        ),
        "feeds": [
            {"name": one.name, "dated": one.dated, "entries": one.entries}
            for one in (body.feeds if body else ())
        ],
        "snapshot": made.snapshot.id,
        "as_of": made.snapshot.taken,
        "expires": body.expires if body else None,
        "cohorts": len(cohorts),
        "rings": {
            ring.name: sum(host.ring == ring.name for host in hosts)
            for ring in (body.rings if body else ())
        },
    }
