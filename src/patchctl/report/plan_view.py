"""Show a plan to people. Pure: models to lines.

Text from hosts is not cleaned here: the caller cleans it before it reaches a terminal.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.plan import (
    CouldNotLook,
    LeftOut,
    LeftOutReason,
    Plan,
    PlanBody,
    Selection,
    SelectionMode,
    Undo,
)
from ..models.policy import Promote, RebootPolicy, RingPolicy, UnprovenPolicy
from ..models.state import PlanSummary
from ..models.words import count, duration, moment, more, short, some
from .could_not_look_lines import could_not_look, incomplete
from .exclusion_lines import beside, excluded, excluded_before, exclusions
from .plan_change_lines import by_host, cohorts, packages
from .plan_code_lines import code
from .state_words import decision_word
from .view import Lines, Part, Table, View
from .wrapping import wrapped

# How much is shown of a long list before "and N more".
_CHANGES = 25
_NAMES = 12

_SELECTED: Mapping[SelectionMode, str] = {
    SelectionMode.SECURITY: "security updates",
    SelectionMode.ALL: "all updates",
    SelectionMode.PACKAGE: "updates of named packages",
    SelectionMode.FINDINGS: "updates that remove findings",
}
_QUIET = (
    LeftOutReason.NOT_SECURITY,
    LeftOutReason.NO_ADVISORIES,
    LeftOutReason.NOT_SELECTED,
    LeftOutReason.NO_UPDATES,
    LeftOutReason.NO_FINDING,
)
# For a plan that expects no reboot. Only after the update it is certain whether one is needed.
_REBOOTS: Mapping[RebootPolicy, str] = {
    RebootPolicy.NEVER: "none",
    RebootPolicy.IF_REQUIRED: "if required",
}
_UNPROVEN: Mapping[UnprovenPolicy, str] = {
    UnprovenPolicy.HOLD: "those hosts are held back",
    UnprovenPolicy.APPROVE: "those hosts wait for an approval",
    UnprovenPolicy.ALLOW: "policy lets them go on",
}


def show(plan: Plan, *, full: bool = False) -> list[str]:
    """Return the whole plan, with long lists cut. `full` cuts none."""
    return _joined(_sections(plan, full=full))


def _sections(plan: Plan, *, full: bool) -> Iterator[Sequence[str]]:
    body = plan.body
    sections = (
        _head(plan),
        _rings(body),
        code(body, full=full),
        packages(body, full=full),
        cohorts(body, full=full),
        _unsafe(body, full=full),
        _unsigned(body, full=full),
        _unproven(body, full=full),
        could_not_look(body.could_not_look, full=full),
        exclusions(body, full=full),
        left_out(body.left_out, full=full),
    )
    return filter(None, sections)


def not_planned(unseen: Sequence[CouldNotLook], rows: Sequence[LeftOut]) -> list[str]:
    """Return why there is no plan."""
    return _joined((could_not_look(unseen), left_out(rows)))


def nothing_planned(
    unseen: Sequence[CouldNotLook], rows: Sequence[LeftOut], *, all_looked_at: bool
) -> str:
    """Return why there is no plan, in one line. It is "nothing to do" only where every host could
    be looked at.
    """
    if all_looked_at:
        why = "nothing to do"
    elif not unseen:
        why = "what is pending may not be patched"
    else:
        why = f"{incomplete(unseen)}, so what is to do is not known"
    return beside(why, rows)


def _joined(sections: Iterable[Sequence[str]]) -> list[str]:
    lines: list[str] = []
    for section in sections:
        if section:
            lines += ["", *section] if lines else section
    return lines


# --- head and rings -----------------------------------------------------------------------------


def _head(plan: Plan) -> list[str]:
    body, about = plan.body, plan.about
    made = f"made {moment(about.created)} by {about.author}"
    if about.commit:
        made += f", commit {about.commit[:12]}{' with changes' if about.dirty else ''}"
    asked = _asked(body.selection)
    limit = f", --limit {body.selection.limit}" if body.selection.limit else ""
    return [
        f"Plan {short(plan.digest)}: {_SELECTED[body.selection.mode]} on"
        f" {count(len(body.hosts), 'host')}",
        *(wrapped(asked, "  ") if asked else []),
        *(["  phased updates, too, wherever they are pending"] if body.selection.phased else []),
        f"  {made}{limit}",
        f"  hosts looked at {moment(body.as_of)}, expires {moment(body.expires)}",
        *wrapped(_removes(body), "  "),
        *([f"  {about.comment}"] if about.comment else []),
    ]


def _asked(selection: Selection) -> str:
    if selection.packages:
        return f"packages {', '.join(selection.packages)}"
    parts = [", ".join(selection.cves)] if selection.cves else []
    if selection.decision:
        urgent = decision_word(selection.decision)
        parts.append(f"{urgent} or more urgent" if selection.decision != "act" else urgent)
    if selection.due_before:
        parts.append(f"due before {selection.due_before}")
    return f"findings: {'; '.join(parts)}" if parts else ""


def _removes(body: PlanBody) -> str:
    """Return how many CVEs the plan removes, and which feeds say so."""
    if not body.feeds:
        return "no feeds are held: which CVEs it removes is not known"
    cves = {
        cve
        for cohort in body.cohorts
        for transition in cohort.transitions
        for cve in transition.cves
    }
    dated = ", ".join(f"{feed.name} {feed.dated or 'undated'}" for feed in body.feeds)
    return f"removes {count(len(cves), 'CVE')} by {dated}"


def _rings(body: PlanBody) -> list[str]:
    header = ("RING", "HOSTS", "WAVES", "BUDGET", "WORST CASE", "REBOOTS", "STARTS")
    rows: list[tuple[str, ...]] = [header]
    before: RingPolicy | None = None
    for ring in body.rings:
        planned = [host for host in body.hosts if host.ring == ring.name]
        if not planned:
            rows.append((ring.name, "0", "-", "-", "-", "-", "no host in this plan"))
            continue
        waves = Counter(host.wave for host in planned)
        reboots = sum(host.expected_reboot for host in planned)
        rows.append(
            (
                ring.name,
                str(len(planned)),
                f"{len(waves)} x {max(waves.values())}",  # so many waves of so many hosts
                str(ring.budget.of(len(planned))),
                f"{ring.worst_case(len(planned))} of {len(planned)}",
                str(reboots) if reboots else _REBOOTS[ring.reboot],
                _starts(ring, before),
            )
        )
        before = ring
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _starts(ring: RingPolicy, before: RingPolicy | None) -> str:
    when_ = "at once"
    if before is not None:
        soak = f"{duration(before.soak_s)} " if before.soak_s else ""
        when_ = f"{soak}after {before.name}"
    return f"{when_}, on approval" if ring.promote is Promote.MANUAL else when_


def _unsafe(body: PlanBody, *, full: bool) -> list[str]:
    by_reason: dict[str, set[str]] = {}
    for cohort in body.cohorts:
        for transition in cohort.transitions:
            if transition.undo is Undo.UNSAFE:
                by_reason.setdefault(transition.undo_reason, set()).add(
                    transition.source or transition.package
                )
    if not by_reason:
        return []
    lines = ["Marked !: not undone by itself (policy `undo_safe` can say otherwise):"]
    for reason in sorted(by_reason):
        lines += wrapped(f"{reason}: {some(sorted(by_reason[reason]), _NAMES, full=full)}", "  ")
    return lines


def _unsigned(body: PlanBody, *, full: bool) -> list[str]:
    unsigned = {
        f"{transition.source or transition.package} ({transition.origin})"
        for cohort in body.cohorts
        for transition in cohort.transitions
        if transition.unsigned
    }
    if not unsigned:
        return []
    said = "Unsigned, known by their SHA-256 alone, since their repository wants no signatures:"
    return [*wrapped(said, ""), *wrapped(some(sorted(unsigned), _NAMES, full=full), "  ")]


def _unproven(body: PlanBody, *, full: bool) -> list[str]:
    if not body.unproven:
        return []
    lines = [f"Proven by no earlier ring; {_UNPROVEN[body.unproven_policy]}:"]
    shown = body.unproven if full else body.unproven[:_CHANGES]
    for row in shown:
        versions = f"{row.from_ or 'new'} -> {row.to or 'removed'}"
        on = some(sorted(row.hosts), _NAMES, full=full)
        why = excluded_before(body, row, full=full)
        lines += wrapped(f"{row.ring}: {row.package} {versions} on {on}{why}", "  ")
    if len(shown) < len(body.unproven):
        lines.append(f"  {more(len(body.unproven) - len(shown))}; see --full")
    return lines


def left_out(rows: Sequence[LeftOut], *, full: bool = False) -> list[str]:
    """Return what a plan leaves out, by reason. Reasons that need attention come first."""
    if not rows:
        return []
    reasons = sorted(
        {row.reason for row in rows}, key=lambda reason: (reason in _QUIET, reason.value)
    )
    lines = ["Left out:"]
    for reason in reasons:
        lines += _one_reason(reason, [row for row in rows if row.reason is reason], full=full)
    return lines


def _one_reason(reason: LeftOutReason, rows: Sequence[LeftOut], *, full: bool) -> list[str]:
    if reason in _QUIET or reason is LeftOutReason.STALE_LISTS:  # the reason was shown before
        return _quiet(reason, rows, full=full)
    if reason is LeftOutReason.EXCLUDED:
        return excluded(rows, full=full)
    by_detail: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for row in rows:
        by_detail.setdefault((row.package, row.detail, row.cves), set()).add(row.host)
    ranked = sorted(by_detail.items(), key=lambda item: (-len(item[1]), item[0]))
    lines: list[str] = []
    for (package, detail, cves), hosts in ranked if full else ranked[:_NAMES]:
        what = f"{package} on " if package else ""
        why = f" ({detail})" if detail else ""
        which = f", {some(sorted(cves), _NAMES, full=full)}" if cves else ""
        lines += wrapped(
            f"{reason}: {what}{some(sorted(hosts), _NAMES, full=full)}{which}{why}", "  "
        )
    if len(ranked) > _NAMES and not full:
        lines.append(f"  {reason}: {more(len(ranked) - _NAMES)}; see --full")
    if reason in _FOR_ONE_FILE:
        lines += wrapped(_rest_of_hosts({row.package for row in rows}), "    ")
    return lines


# For these reasons a single package leaves out the whole host.
_FOR_ONE_FILE = (LeftOutReason.FETCH_FAILED, LeftOutReason.DISPUTED)


def _rest_of_hosts(packages: Collection[str]) -> str:
    options = " ".join(f"--exclude {name}" for name in sorted(packages)[:_NAMES])
    return f"without it the hosts can be planned: plan create {options} --reason TEXT"


_BY_FINDINGS = (
    "whether these are security updates nobody says, select them by findings:"
    " --cve, --decision or --due-before"
)


def _quiet(reason: LeftOutReason, rows: Sequence[LeftOut], *, full: bool) -> list[str]:
    hosts = {row.host for row in rows if not row.package}
    packages = {row.package for row in rows if row.package}
    lines = wrapped(f"{reason}: {some(sorted(hosts), _NAMES, full=full)}", "  ") if hosts else []
    if packages:
        on = count(len({row.host for row in rows if row.package}), "host")
        names = some(sorted(packages), _NAMES, full=full)
        what = f"{count(len(packages), 'package')} on {on}: {names}"
        lines += wrapped(f"{reason}: {what}", "  ")
    if reason is LeftOutReason.NO_ADVISORIES:
        lines += wrapped(
            f"({'; '.join(sorted({row.detail for row in rows}))}: {_BY_FINDINGS})", "    "
        )
    return lines


# --- views --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlanView(View):
    """`plan show`; `full` cuts no list, `by_host` tells of hosts and waves instead of changes."""

    plan: Plan
    full: bool = False
    by_host: bool = False

    def data(self) -> Plan:
        """The plan."""
        return self.plan

    def parts(self) -> Iterator[Part]:
        """Section by section."""
        if self.by_host:
            yield Lines(_head(self.plan))
            yield by_host(self.plan.body)
            return
        yield from map(Lines, _sections(self.plan, full=self.full))


@dataclass(frozen=True)
class PlansView(View):
    """`plan list`."""

    plans: Sequence[PlanSummary]

    def data(self) -> dict[str, Any]:
        """All stored plans, newest first."""
        return {"plans": self.plans}

    def parts(self) -> Iterator[Part]:
        """A row for each plan."""
        yield Table(
            ("PLAN", "CREATED", "HOSTS", "CHANGES", "BY", "COMMENT"),
            (
                (
                    short(plan.digest),
                    moment(plan.created),
                    str(plan.hosts),
                    str(plan.transitions),
                    plan.author,
                    plan.comment,
                )
                for plan in self.plans
            ),
        )
