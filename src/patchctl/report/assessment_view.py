"""Show an assessment to people and programs. Pure: models to rows and bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ..models.assessment import Action, Assessment, Finding, FindingState
from ..models.words import count, more
from .state_words import decision_word, state_word
from .view import Note, Part, StreamedView, Table, all_notes

ACTIONS = ["#", "DECISION", "DUE", "WHAT", "HOSTS", "CVES", "KEV", "CVSS"]
FINDINGS = ["HOST", "CVE", "PACKAGE", "INSTALLED", "FIXED", "STATE", "DECISION", "DUE"]
# How many actions are shown, so that they fit a screen together with the summary.
SCREEN = 15


def what(action: Action) -> str:
    """Return what the action does, in a few words."""
    if action.kind in ("reboot", "restart"):
        return f"{action.kind} ({action.package})"
    return f"{action.package} to {action.fixed}" if action.fixed else action.package


def action_rows(actions: Sequence[Action]) -> Iterator[list[str]]:
    """Return a numbered row for each action."""
    for number, action in enumerate(actions, 1):
        yield [
            str(number),
            decision_word(action.decision),
            action.due or "-",
            what(action),
            str(len(action.hosts)),
            str(len(action.cves)),
            str(action.kev or "-"),
            "-" if action.highest_cvss is None else f"{action.highest_cvss:.1f}",
        ]


def finding_row(host: str, finding: Finding) -> list[str]:
    """Return the row of a finding."""
    return [
        host,
        finding.cve,
        finding.package,
        finding.installed,
        finding.fixed or "-",
        state_word(finding.state),
        decision_word(finding.decision),
        finding.due or "-",
    ]


def headline(assessment: Assessment, hosts: int) -> str:
    """Return one line with the counts of findings and hosts."""
    total = sum(assessment.by_state.values())
    if not total:
        return f"{count(hosts, 'host')}: no findings as of {assessment.as_of}"
    parts = [
        f"{findings} {decision_word(name)}"
        for name, findings in assessment.by_decision.items()
        if findings
    ]
    late = f"; {assessment.overdue} overdue" if assessment.overdue else ""
    return (
        f"{count(hosts, 'host')}, {count(total, 'finding')} as of {assessment.as_of}: "
        f"{', '.join(parts)}{late}"
    )


def compliance(assessment: Assessment, hosts: int) -> Iterator[str]:
    """Return how many hosts have no overdue findings, and what exclusions leave open. Empty without
    exclusions. A host that could not be looked at counts as overdue, and less than 100 % is never
    rounded up to 100 %.
    """
    if not assessment.excluded:
        return
    total = hosts + len(assessment.unlooked)
    packages = {name for rule in assessment.excluded for name in rule.packages}
    yield (
        f"{100 * assessment.on_time // total} % of {count(total, 'host')} without overdue findings,"
        f" {count(len(packages), 'package')} excluded"
    )
    for rule in assessment.excluded:
        late = f", {rule.overdue} overdue" if rule.overdue else ""
        yield (
            f"excluded: {', '.join(rule.packages)} on {count(rule.hosts, 'host')},"
            f" {count(rule.findings, 'open finding')}{late}, by {rule.rule}"
        )


def states_line(assessment: Assessment) -> str:
    """Return a line with the number of findings in each state, so that no state is forgotten."""
    parts = [
        f"{findings} {state_word(FindingState(name))}"
        for name, findings in assessment.by_state.items()
    ]
    return "by state: " + ", ".join(parts) if parts else ""


def cautions(assessment: Assessment) -> Iterator[str]:
    """Return what this assessment cannot tell, one line each."""
    if not assessment.feeds:
        yield "no feeds: nothing can be assessed; run `patchctl feeds update` or `feeds import`"
    for name, packages in assessment.not_covered.items():
        yield f"not covered: {count(packages, 'package')} of {name or 'an unknown system'}"
    for release in assessment.releases:
        if release.support == "ended":
            hosts = count(release.hosts, "host")
            yield f"end of life: {release.ecosystem} on {hosts}, {release.note}"
        elif release.support == "unknown":
            hosts = count(release.hosts, "host")
            dates = any(feed.name == "eol" for feed in assessment.feeds)
            why = "the eol feed does not have it" if dates else "feed eol missing"
            yield f"support end date unknown ({why}): {release.ecosystem} on {hosts}"
    for row in assessment.unlooked[:5]:
        yield f"not assessed: {row.host}: {row.reason}"
    if len(assessment.unlooked) > 5:
        yield f"not assessed: {more(len(assessment.unlooked) - 5, 'host')}"
    yield from assessment.warnings


def feeds_line(assessment: Assessment) -> str:
    """Return a line with the feeds and their ages."""
    parts = [
        f"{feed.name} {feed.dated or 'undated'}" + (f" ({feed.age_days} d)" if feed.dated else "")
        for feed in assessment.feeds
    ]
    return "feeds: " + ", ".join(parts) if parts else ""


def plain(finding: Finding) -> dict[str, Any]:
    """Return a finding with all its fields, also those with their default: scripts rely on them."""
    return {name: msgspec.to_builtins(getattr(finding, name)) for name in finding.__struct_fields__}


class Walk(Protocol):
    """An assessment that can be read once: first `hosts` gives (host, findings), then `done` the
    rest.
    """

    @property
    def total(self) -> int:
        """How many hosts are assessed."""

    def hosts(self) -> Iterator[tuple[str, Sequence[Finding]]]:
        """Return the findings of host after host."""

    def done(self) -> Assessment:
        """Return the summary and the actions. Only valid after `hosts` has ended."""


@dataclass(frozen=True)
class AssessmentView(StreamedView):
    """`assess`: the actions, or every finding with `by_finding`. `most` is how many actions are
    shown; None for all.
    """

    walk: Walk
    by_finding: bool = False
    most: int | None = None

    def data(self) -> dict[str, Any]:
        """All findings with their hosts, then the summary."""
        rows = [
            {"host": name, **plain(finding)}
            for name, findings in self.walk.hosts()
            for finding in findings
        ]
        return {"findings": rows, **msgspec.to_builtins(self.walk.done())}

    def chunks(self) -> Iterator[bytes]:
        """Findings host by host, then the summary, which is only known after all hosts."""
        writer = _FindingsWriter()
        yield b'{"findings":['
        for name, findings in self.walk.hosts():
            yield writer.host(name, findings)
        yield b"]," + msgspec.json.encode(msgspec.to_builtins(self.walk.done()))[1:]

    def parts(self) -> Iterator[Part]:
        """A table, then the summary and what the assessment cannot tell."""
        if self.by_finding:
            yield Table(
                FINDINGS,
                (
                    finding_row(name, finding)
                    for name, findings in self.walk.hosts()
                    for finding in findings
                ),
            )
        else:
            yield from self._actions(self.walk.done().actions)
        yield from all_notes(self._about(self.walk.done()), kept=self.by_finding)

    def _actions(self, actions: Sequence[Action]) -> Iterator[Part]:
        if actions:
            yield Table(ACTIONS, action_rows(actions[: self.most]))
        hidden = len(actions) - len(actions[: self.most])
        if hidden:
            yield Note(f"{more(hidden, 'action')}: --all shows them")

    def _about(self, assessment: Assessment) -> Iterator[str]:
        yield headline(assessment, self.walk.total)
        yield from filter(None, (states_line(assessment), feeds_line(assessment)))
        yield from compliance(assessment, self.walk.total)
        yield from cautions(assessment)


class _FindingsWriter:
    """Writes findings as JSON one by one. A finding that hosts share is encoded once."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._first = True
        # id() of a finding -> its JSON. No other finding can have the id while this one exists.
        self._bodies: dict[int, bytes] = {}
        self._held: list[Finding] = []

    def host(self, name: str, findings: Sequence[Finding]) -> bytes:
        """Return the findings of one host, with a comma in front unless they are the first."""
        if not findings:
            return b""
        try:
            bodies = list(map(self._bodies.__getitem__, map(id, findings)))
        except KeyError:
            for finding in findings:
                if id(finding) not in self._bodies:
                    self._held.append(finding)
                    self._bodies[id(finding)] = self._encoder.encode(plain(finding))[1:]
            bodies = list(map(self._bodies.__getitem__, map(id, findings)))
        start = b',{"host":' + self._encoder.encode(name) + b","
        text = start + start.join(bodies)
        first, self._first = self._first, False
        return text[1:] if first else text
