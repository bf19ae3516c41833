"""Verify hosts: compare the state that runs left with the present one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ...assessment.findings import compliance
from ...errors import NotFoundError
from ...models.assessment import FindingState
from ...models.fleet import Fleet
from ...models.snapshot import HostResult, HostStatus, Snapshot
from ...models.verification import (
    ExpectedState,
    Unpromised,
    Verification,
    VerifiedHost,
    VerifiedState,
)
from ..assessment.assess import Parts
from ..assessment.snapshot_findings import SnapshotFindings
from ..interfaces import State
from .expected_state import expected_states
from .reading import find_run


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Verifies the hosts of one workspace.

    `discover` discovers the named hosts now and stores the snapshot; `parts` gives the inputs of a
    snapshot's assessment; `feeds` gives the stored feeds.
    """

    fleet: Fleet
    database: State
    discover: Callable[[Collection[str]], Snapshot]
    parts: Callable[[Snapshot], Parts]
    feeds: Callable[[], Collection[object]]

    def verify(
        self, run: str = "", hosts: Collection[str] | None = None, snapshot: str = ""
    ) -> Verification:
        """Compare hosts with their expected state. `run` is the start or the end of a run's id, ""
        for the newest run of each host; `hosts` are names, None for all; `snapshot` is an id or
        `latest`, "" discovers the hosts now.

        Raises NotFoundError where there is no such run, no run at all, or no such snapshot.
        """
        newest = find_run(self.database, run or None)
        only_run = newest if run else ""
        promises = expected_states(self.database, self._scope(only_run, hosts), only_run)
        known = {host.name for host in self.fleet.hosts}
        without = [
            *(Unpromised(name=name, reason=why) for name, why in promises.without.items()),
            *(
                Unpromised(name=name, reason="not in the inventory any more")
                for name in promises.made.keys() - known
            ),
        ]
        expected_by_host = {
            name: expected for name, expected in sorted(promises.made.items()) if name in known
        }
        discovered = self._look(tuple(expected_by_host), snapshot)
        return self._compare(
            only_run,
            expected_by_host,
            discovered,
            sorted(without, key=lambda row: row.name),
        )

    def _scope(self, run: str, hosts: Collection[str] | None) -> Collection[str]:
        """Return the hosts to verify: all of the run, also those that the inventory does not have;
        without a run all of the inventory."""
        if hosts is not None:
            return hosts
        if not run:
            return [host.name for host in self.fleet.hosts]
        plan = self.database.plans.load(self.database.runs.get(run).plan)
        return [host.name for host in plan.body.hosts] if plan is not None else ()

    def _look(self, names: Sequence[str], snapshot: str) -> Snapshot | None:
        if not names:
            return None
        if not snapshot:
            return self.discover(names)
        stored = self.database.snapshots.load(None if snapshot == "latest" else snapshot)
        if stored is None:
            raise NotFoundError(
                f"no snapshot {snapshot!r}", hint="leave --snapshot out to look at the hosts now"
            )
        return stored

    def _compare(
        self,
        run: str,
        expected_by_host: dict[str, ExpectedState],
        discovered: Snapshot | None,
        without: Sequence[Unpromised],
    ) -> Verification:
        results = (
            {result.name: result for result in discovered.hosts} if discovered is not None else {}
        )
        findings = None
        if discovered is not None and self.feeds():
            findings = SnapshotFindings(self.parts(discovered), discovered, expected_by_host.keys())
        rows = []
        for name, expected in expected_by_host.items():
            row = _unknown(expected, results.get(name), discovered)
            rows.append(row or self._check(expected, results[name], findings))
        summary = findings.assessor.summary() if findings is not None else None
        return Verification(
            run=run or None,
            snapshot=discovered.id if discovered is not None else "",
            hosts=tuple(rows),
            fixable_left=_fixable(rows, findings),
            unpromised=tuple(without),
            feeds=summary.feeds if summary is not None else (),
            warnings=summary.warnings if summary is not None else (),
        )

    def _check(
        self, expected: ExpectedState, result: HostResult, findings: SnapshotFindings | None
    ) -> VerifiedHost:
        if result.facts is None:
            raise ValueError("a host that did not answer cannot be checked")
        if findings is None:
            return compliance.check(expected, result.facts)
        name = expected.host
        return compliance.check(
            expected, result.facts, findings.findings[name], findings.built_from(name)
        )


def _unknown(
    expected: ExpectedState, result: HostResult | None, discovered: Snapshot | None
) -> VerifiedHost | None:
    """Return the row of a host without facts since the run; None where there are such facts."""
    state, reason = VerifiedState.UNKNOWN, ""
    if result is None or discovered is None:
        reason = f"not in snapshot {discovered.id if discovered is not None else ''}"
    elif result.status is HostStatus.UNREACHABLE:
        state, reason = VerifiedState.UNREACHABLE, result.reason
    elif result.facts is None:
        reason = result.reason or "discovery failed"
    elif "stale" in result.facts.unread:
        reason = "processes on old files could not be looked at"
    elif discovered.taken < expected.made // 1000:
        reason = f"snapshot {discovered.id} is older than what the run did; discover again"
    if not reason and state is VerifiedState.UNKNOWN:
        return None
    return VerifiedHost(name=expected.host, run=expected.run, state=state, reason=reason)


def _fixable(rows: Collection[VerifiedHost], findings: SnapshotFindings | None) -> int | None:
    if findings is None:
        return None
    return sum(
        finding.state is FindingState.FIXABLE and finding.cve not in row.open_cves
        for row in rows
        if row.state not in (VerifiedState.UNREACHABLE, VerifiedState.UNKNOWN)
        for finding in findings.findings[row.name]
    )
