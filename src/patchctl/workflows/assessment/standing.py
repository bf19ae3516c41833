"""Where a host stands on its way to a fix: the newest plan and the newest run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from ...models.plan import LeftOut, LeftOutReason, Plan, PlannedHost
from ...models.rollout import HostStatusLine, RunStatus
from ...models.words import short


@dataclass
class Standing:
    """Answers `explain`'s question where something is stuck; None where there is no plan or run."""

    plan: Plan | None
    run: RunStatus | None

    def __call__(self, host: str, source: str) -> str:
        """One line on a host and a source package (empty: on the host itself)."""
        return "; ".join((*self._planned(host, source), *self._ran(host)))

    def excluded(self, host: str, names: Collection[str]) -> str:
        """What of the newest plan left a package of these names out by an exclusion, in words."""
        said = (
            one.detail
            for one in self._left_out.get(host, ())
            if one.reason is LeftOutReason.EXCLUDED and one.package in names
        )
        return "; ".join(dict.fromkeys(said))

    def _planned(self, host: str, source: str) -> Iterator[str]:
        if self.plan is None:
            yield "no plan was made"
            return
        for one in self._left_out.get(host, ()):
            if one.package in ("", source):
                detail = f": {one.detail}" if one.detail else ""
                yield f"left out of the newest plan: {one.reason.value}{detail}"
        planned = self._hosts.get(host)
        if planned is None:
            if host not in self._left_out:
                yield "not in the newest plan"
            return
        brought = self._brings(planned, source) if source else None
        if not source or brought is not None:
            what = f"which brings {brought}, " if brought else ""
            digest = short(self.plan.digest)
            yield f"in plan {digest}, {what}ring {planned.ring}, wave {planned.wave}"
        elif all(one.package != source for one in self._left_out.get(host, ())):
            yield "the newest plan does not bring it"

    def _ran(self, host: str) -> Iterator[str]:
        line = self._lines.get(host)
        if line is not None and self.run is not None:
            reason = f": {line.reason}" if line.reason else ""
            yield f"run {self.run.run}: {line.state.value}{reason}"

    def _brings(self, planned: PlannedHost, source: str) -> str | None:
        """The version of the source package that the plan brings to the host, None where none."""
        cohorts = self.plan.body.cohorts if self.plan else ()
        return next(
            (
                one.to
                for cohort in cohorts
                if cohort.id == planned.cohort
                for one in cohort.transitions
                if source in (one.source, one.package)
            ),
            None,
        )

    @cached_property
    def _hosts(self) -> dict[str, PlannedHost]:
        return {one.name: one for one in self.plan.body.hosts} if self.plan else {}

    @cached_property
    def _left_out(self) -> dict[str, list[LeftOut]]:
        found: dict[str, list[LeftOut]] = {}
        for one in self.plan.body.left_out if self.plan else ():
            found.setdefault(one.host, []).append(one)
        return found

    @cached_property
    def _lines(self) -> dict[str, HostStatusLine]:
        return {one.name: one for one in self.run.hosts} if self.run else {}
