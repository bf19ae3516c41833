"""Tell how far a host is on its way to a fix, by the newest plan and the newest run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from ...models.plan import LeftOut, LeftOutReason, Plan, PlannedHost, Transition
from ...models.run_status import HostStatusLine, RunStatus
from ...models.words import short


@dataclass
class RemediationStatus:
    """Tells `explain` why a fix is not on a host yet. `plan` and `run` are None where none is."""

    plan: Plan | None
    run: RunStatus | None

    def __call__(self, host: str, source: str) -> str:
        """One line on a host and a source package (empty: on the host itself)."""
        return "; ".join((*self._planned(host, source), *self._ran(host)))

    def excluded(self, host: str, names: Collection[str]) -> str:
        """The exclusions that left a package of these names out of the newest plan, in words."""
        details = (
            left_out.detail
            for left_out in self._left_out.get(host, ())
            if left_out.reason is LeftOutReason.EXCLUDED and left_out.package in names
        )
        return "; ".join(dict.fromkeys(details))

    def _planned(self, host: str, source: str) -> Iterator[str]:
        if self.plan is None:
            yield "no plan was made"
            return
        for left_out in self._left_out.get(host, ()):
            if left_out.package in ("", source):
                detail = f": {left_out.detail}" if left_out.detail else ""
                yield f"left out of the newest plan: {left_out.reason.value}{detail}"
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
        elif all(left_out.package != source for left_out in self._left_out.get(host, ())):
            yield "the newest plan does not bring it"

    def _ran(self, host: str) -> Iterator[str]:
        line = self._lines.get(host)
        if line is not None and self.run is not None:
            reason = f": {line.reason}" if line.reason else ""
            yield f"run {self.run.run}: {line.state.value}{reason}"

    def _brings(self, planned: PlannedHost, source: str) -> str | None:
        """The version of the source package that the plan brings to the host, or None."""
        key = (planned.cohort, source)
        if key not in self._brought:
            transitions = self._transitions.get(planned.cohort, ())
            self._brought[key] = next(
                (
                    transition.to
                    for transition in transitions
                    if source in (transition.source, transition.package)
                ),
                None,
            )
        return self._brought[key]

    @cached_property
    def _brought(self) -> dict[tuple[str, str], str | None]:
        return {}

    @cached_property
    def _transitions(self) -> dict[str, tuple[Transition, ...]]:
        cohorts = self.plan.body.cohorts if self.plan else ()
        return {cohort.id: cohort.transitions for cohort in cohorts}

    @cached_property
    def _hosts(self) -> dict[str, PlannedHost]:
        return {host.name: host for host in self.plan.body.hosts} if self.plan else {}

    @cached_property
    def _left_out(self) -> dict[str, list[LeftOut]]:
        by_host: dict[str, list[LeftOut]] = {}
        for left_out in self.plan.body.left_out if self.plan else ():
            by_host.setdefault(left_out.host, []).append(left_out)
        return by_host

    @cached_property
    def _lines(self) -> dict[str, HostStatusLine]:
        return {line.name: line for line in self.run.hosts} if self.run else {}
