"""What became of a plan that was asked for."""

from pathlib import Path
from typing import Any

from ..workflows.plan.make_plan import Made
from . import output
from .output import Format


def show(made: Made, path: Path | None, form: Format) -> None:
    """Print what became of it; `path` is where the plan was written, None where there is none."""
    from ..report import looks_text, plan_text

    if form is not Format.TABLE:
        output.data(summary(made, path), form)
    elif made.plan is not None:
        output.lines(output.clean(line) for line in plan_text.show(made.plan))
        output.error_lines(["", f"written to {path}", f"next: patchctl rollout {path}"])
        if made.plan.body.holds_back:
            output.error(looks_text.held_back(made.plan.body.could_not_look))
    else:
        rows = made.could_not_look
        output.lines(map(output.clean, plan_text.not_planned(rows, made.left_out)))
        why = plan_text.nothing_planned(rows, made.left_out, all_looked_at=made.all_looked_at)
        output.note(f"{why}: no plan was written")


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
        "left_out": output.whole(made.left_out),
        "could_not_look": made.could_not_look,
        "cves": sorted(
            {cve for one in cohorts.values() for t in one.transitions for cve in t.cves}
        ),
        "feeds": [
            {"name": one.name, "dated": one.dated, "entries": one.entries}
            for one in (body.feeds if body else ())
        ],
        "exclusions": output.whole(made.exclusions),
        "snapshot": made.snapshot.id,
        "as_of": made.snapshot.taken,
        "expires": body.expires if body else None,
        "cohorts": len(cohorts),
        "rings": {
            ring.name: sum(host.ring == ring.name for host in hosts)
            for ring in (body.rings if body else ())
        },
    }
