"""Show the result of `plan create`, for people and programs. Pure: models to a view."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.exclusions import Exclusion
from ..models.plan import CouldNotLook, LeftOut, Plan
from ..models.snapshot import Snapshot
from .could_not_look_lines import held_back
from .plan_view import PlanView, not_planned, nothing_planned
from .view import Lines, Note, Part, Problem, View, all_notes, whole


@dataclass(frozen=True, kw_only=True)
class PlanResultView(View):
    """`plan create`: the plan, what it leaves out and why, and what it was made from. `path` is
    where the plan was written, None where there is none.
    """

    plan: Plan | None
    path: str | None
    snapshot: Snapshot
    left_out: Sequence[LeftOut]
    could_not_look: Sequence[CouldNotLook]
    exclusions: Sequence[Exclusion]
    all_looked_at: bool

    def data(self) -> dict[str, Any]:
        """The plan's summary. Without a plan the counts are 0 and the digest is null."""
        plan = self.plan
        body = plan.body if plan else None
        cohorts = {cohort.id: cohort for cohort in body.cohorts} if body else {}
        hosts = body.hosts if body else ()
        return {
            "digest": plan.digest if plan else None,
            "path": self.path,
            "hosts": len(hosts),
            "transitions": sum(len(cohorts[host.cohort].transitions) for host in hosts),
            "unproven": len(body.unproven) if body else 0,
            "left_out": whole(self.left_out),
            "could_not_look": self.could_not_look,
            "cves": sorted(
                {cve for cohort in cohorts.values() for t in cohort.transitions for cve in t.cves}
            ),
            "feeds": [
                {"name": feed.name, "dated": feed.dated, "entries": feed.entries}
                for feed in (body.feeds if body else ())
            ],
            "exclusions": whole(self.exclusions),
            "snapshot": self.snapshot.id,
            "as_of": self.snapshot.taken,
            "expires": body.expires if body else None,
            "cohorts": len(cohorts),
            "rings": {
                ring.name: sum(host.ring == ring.name for host in hosts)
                for ring in (body.rings if body else ())
            },
        }

    def parts(self) -> Iterator[Part]:
        """The plan and the next command, or why there is no plan."""
        if self.plan is None:
            rows = self.could_not_look
            yield Lines(not_planned(rows, self.left_out))
            why = nothing_planned(rows, self.left_out, all_looked_at=self.all_looked_at)
            yield Note(f"{why}: no plan was written", kept=True)
            return
        yield from PlanView(self.plan).parts()
        said = ("", f"written to {self.path}", f"next: patchctl rollout {self.path}")
        yield from all_notes(said, kept=True)
        if self.plan.body.holds_back:
            yield Problem(held_back(self.plan.body.could_not_look))
