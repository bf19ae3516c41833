"""What the feeds say of a plan's hosts: findings to select by, and the CVEs that it removes."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from msgspec import structs

from ...assessment.findings import fixed_cves
from ...errors import InvalidInputError, NotFoundError, UsageError
from ...models import grammar
from ...models.assessment import AffectedPackage, Finding, FindingState
from ...models.plan import (
    LeftOut,
    LeftOutReason,
    PlanFeed,
    Selection,
    SelectionMode,
    Transition,
    Urgent,
)
from ...models.priority import Decision
from ...models.resolution import Resolution
from ...models.snapshot import Snapshot
from ...plan.select import Chosen
from ..assessment.assess import Parts
from ..assessment.snapshot_findings import SnapshotFindings

Say = Callable[[str], None]

_DECISIONS = tuple(decision.value for decision in Decision if decision is not Decision.DEFER)


def by_findings(
    cves: Iterable[str],
    decision: str | None = None,
    due_before: str | None = None,
    *,
    limit: str = "",
) -> Selection:
    """A selection by findings; None is not asked for. Raises UsageError for what is not a CVE,
    decision or date, an empty word of a script too."""
    ids = tuple(sorted({cve.strip().upper() for cve in cves}))
    for cve in ids:
        if not grammar.fits("CVE", cve):
            raise UsageError(f"--cve {cve!r}: is not a CVE", hint="write it as CVE-2024-6387")
    word = (decision or "").strip().lower().replace("-", "_")
    if decision is not None and word not in _DECISIONS:
        raise UsageError(
            f"--decision {decision!r}: no such decision", hint=f"it takes {', '.join(_DECISIONS)}"
        )
    day = ""
    if due_before is not None:
        try:
            day = date.fromisoformat(due_before).isoformat()
        except ValueError:
            raise UsageError(
                f"--due-before {due_before!r}: is not a valid date", hint="write it as 2026-01-31"
            ) from None
    return Selection(
        mode=SelectionMode.FINDINGS, limit=limit, cves=ids, decision=word, due_before=day
    )


@dataclass(frozen=True, kw_only=True)
class PlanAssessing:
    """Assesses the snapshots of plans. `parts` are those of a snapshot; `say` takes warnings."""

    parts: Callable[[Snapshot], Parts]
    feeds: Callable[[], Collection[object]]
    refuse_stale: Callable[[], Iterable[str]]
    say: Say = lambda _: None

    def ready(self, selection: Selection) -> bool:
        """Whether feeds are held that may be used. Asks no host.

        Raises NotFoundError where a selection by findings has no feed, InvalidInputError where its
        feeds are too old for the settings. Other plans go without: patching must not wait for them.
        """
        needed = selection.mode is SelectionMode.FINDINGS
        if not self.feeds():
            if needed:
                raise NotFoundError(
                    "no feeds are held, so nothing can be selected by findings",
                    hint="run `patchctl feeds update` or `feeds import`",
                )
            return False
        try:
            for line in self.refuse_stale():
                self.say(f"warning: {line}")
        except InvalidInputError as error:
            if needed:
                raise
            for problem in error.problems:
                self.say(f"warning: {problem}")
            self.say("warning: the settings refuse such feeds, so the plan names no CVEs")
            return False
        return True

    def look(self, snapshot: Snapshot, hosts: Collection[str] | None) -> "PlanFindings":
        """Assess the hosts of a snapshot, of these names only (None: all)."""
        return PlanFindings(self.parts(snapshot), snapshot, hosts)


class PlanFindings(SnapshotFindings):
    """The findings of a plan's snapshot."""

    @property
    def feeds(self) -> tuple[PlanFeed, ...]:
        """The feeds that counted."""
        return tuple(
            PlanFeed(name=feed.name, dated=feed.dated, entries=feed.entries)
            for feed in self.assessor.used
        )

    # --- selection ------------------------------------------------------------------------------

    def chosen(self, selection: Selection) -> Chosen:
        """What a selection takes. Raises InvalidInputError for a CVE that no host has."""
        packages: dict[str, dict[str, tuple[str, ...]]] = {}
        left_out: list[LeftOut] = []
        for name, findings in self.findings.items():
            wanted = [finding for finding in findings if _fits(finding, selection)]
            if wanted:
                packages[name] = self._updates(name, wanted, left_out)
        self._check_cves(selection)
        return Chosen(packages=packages, left_out=tuple(left_out))

    def _check_cves(self, selection: Selection) -> None:
        known = {finding.cve for findings in self.findings.values() for finding in findings}
        missing = [cve for cve in selection.cves if cve not in known]
        if missing and self.findings:
            raise InvalidInputError(
                f"no host has {', '.join(missing)}",
                where="--cve",
                hint=f"`patchctl explain {missing[0]}` tells why",
            )

    def _updates(
        self, host: str, findings: Sequence[Finding], left_out: list[LeftOut]
    ) -> dict[str, tuple[str, ...]]:
        """Binary -> CVEs of a host; what no update removes is added to `left_out`."""
        built = self.built_from(host)
        facts = self.inputs[host].facts
        pending = {update.name for update in facts.pending}
        hidden = {update.name: update for update in facts.hidden}
        wanted: dict[str, set[str]] = defaultdict(set)
        lines: dict[tuple[str, LeftOutReason, str], set[str]] = defaultdict(set)
        for finding in findings:
            for package in finding.packages:
                names = built.get(package.source, frozenset()) & pending
                why = _why_not(finding, package, names)
                late = sorted(built.get(package.source, frozenset()) & hidden.keys())
                if late and why and why[0] is LeftOutReason.NOT_IN_REPOSITORIES:
                    why = LeftOutReason.PINNED, f"{hidden[late[0]].by}, which hides its update"
                if why is None:
                    for name in names:
                        wanted[name].add(finding.cve)
                else:
                    lines[package.source, *why].add(finding.cve)
        left_out += [
            LeftOut(
                host=host,
                reason=reason,
                package=source,
                detail=detail,
                cves=fixed_cves.in_order(cves),
            )
            for (source, reason, detail), cves in lines.items()
        ]
        return {name: fixed_cves.in_order(cves) for name, cves in wanted.items()}

    # --- what a plan removes --------------------------------------------------------------------

    def annotate(self, taken: Sequence[Resolution]) -> tuple[Resolution, ...]:
        """The same with the CVEs that each transition removes.

        Hosts with equal transactions get equal CVEs, so that they share a cohort.
        """
        cves_by_transitions: dict[tuple[Transition, ...], list[set[str]]] = {}
        for resolution in taken:
            gone = fixed_cves.fixed_cves_of(
                self.assessor.matched,
                self.inputs[resolution.host],
                resolution.transitions,
                resolution.source_versions,
            )
            known = cves_by_transitions.setdefault(
                resolution.transitions, [set() for _ in resolution.transitions]
            )
            for cves, more in zip(known, gone, strict=True):
                cves.update(more)
        return tuple(
            structs.replace(
                resolution,
                transitions=_with_cves(
                    resolution.transitions, cves_by_transitions[resolution.transitions]
                ),
            )
            for resolution in taken
        )

    def urgent(self, taken: Iterable[Resolution]) -> tuple[Urgent, ...]:
        """Of the CVEs that annotated resolutions remove those that do not wait."""
        exploited: set[str] = set()
        act: set[str] = set()
        for resolution in taken:
            fixed_cves_of = {
                cve for transition in resolution.transitions for cve in transition.cves
            }
            for finding in self.findings[resolution.host]:
                if finding.cve not in fixed_cves_of:
                    continue
                if finding.kev:
                    exploited.add(finding.cve)
                if finding.decision is Decision.ACT and finding.state is not FindingState.WAIVED:
                    act.add(finding.cve)
        return tuple(
            Urgent(cve=cve, kev=cve in exploited, act=cve in act)
            for cve in fixed_cves.in_order(exploited | act)
        )


def _with_cves(
    transitions: Sequence[Transition], cves: Sequence[set[str]]
) -> tuple[Transition, ...]:
    return tuple(
        structs.replace(transition, cves=fixed_cves.in_order(fixed))
        for transition, fixed in zip(transitions, cves, strict=True)
    )


def _fits(finding: Finding, selection: Selection) -> bool:
    """Everything that is asked for must hold."""
    if selection.cves and finding.cve not in selection.cves:
        return False
    limit = selection.decision
    if limit and finding.decision.urgency > Decision(limit).urgency:
        return False
    due = selection.due_before
    return not due or (finding.due is not None and finding.due < due)


_REASONS = {
    FindingState.NOT_IN_REPOSITORIES: LeftOutReason.NOT_IN_REPOSITORIES,
    FindingState.NO_FIX: LeftOutReason.NO_FIX,
    FindingState.WONT_FIX: LeftOutReason.WONT_FIX,
    FindingState.END_OF_LIFE: LeftOutReason.END_OF_LIFE,
    FindingState.NOT_EFFECTIVE: LeftOutReason.NOT_EFFECTIVE,
}


def _why_not(
    finding: Finding, package: AffectedPackage, pending: Collection[str]
) -> tuple[LeftOutReason, str] | None:
    """Why no update of this package is taken for the finding; None where one is."""
    if finding.state is FindingState.WAIVED:
        return LeftOutReason.WAIVED, f"exception {finding.waiver}"
    if package.state is FindingState.FIXABLE:
        if pending:
            return None
        return LeftOutReason.NOT_IN_REPOSITORIES, "no update of it is pending"
    reason = _REASONS[package.state]
    if package.state is FindingState.NOT_IN_REPOSITORIES:
        return reason, f"fixed in {package.fixed}"
    if package.state is FindingState.NOT_EFFECTIVE:
        return reason, package.note or "installed, but the old code runs: restart or reboot"
    return reason, package.note
