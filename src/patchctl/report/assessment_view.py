"""An assessment, for a person and for scripts. Pure: models to rows and bytes."""

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
# More actions than this do not fit a screen with the summary around them.
SCREEN = 15


def what(action: Action) -> str:
    """What to do, in a few words."""
    if action.kind in ("reboot", "restart"):
        return f"{action.kind} ({action.package})"
    return f"{action.package} to {action.fixed}" if action.fixed else action.package


def action_rows(actions: Sequence[Action]) -> Iterator[list[str]]:
    """A row an action, numbered."""
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
    """A row a finding."""
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
    """One line: how much of what."""
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
    """How many hosts keep their dates, beside what is excluded, where something is: hosts that
    could not be looked at keep none, and less than all is never rounded up to all."""
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
    """Findings by state, so that none is forgotten."""
    parts = [
        f"{findings} {state_word(FindingState(name))}"
        for name, findings in assessment.by_state.items()
    ]
    return "by state: " + ", ".join(parts) if parts else ""


def cautions(assessment: Assessment) -> Iterator[str]:
    """What this assessment does not say, one line each."""
    if not assessment.feeds:
        yield "no feeds: nothing can be assessed; run `patchctl feeds update` or `feeds import`"
    for name, packages in assessment.not_covered.items():
        yield f"not covered: {count(packages, 'package')} of {name or 'an unknown system'}"
    for release in assessment.releases:
        if release.support == "ended":
            hosts = count(release.hosts, "host")
            yield f"end of life: {release.ecosystem} on {hosts}, {release.note}"
        elif release.support == "unknown":
            yield f"support unknown: {release.ecosystem} on {count(release.hosts, 'host')}"
    for row in assessment.unlooked[:5]:
        yield f"not assessed: {row.host}: {row.reason}"
    if len(assessment.unlooked) > 5:
        yield f"not assessed: {more(len(assessment.unlooked) - 5, 'host')}"
    yield from assessment.warnings


def feeds_line(assessment: Assessment) -> str:
    """The feeds with their ages."""
    parts = [
        f"{feed.name} {feed.dated or 'undated'}" + (f" ({feed.age_days} d)" if feed.dated else "")
        for feed in assessment.feeds
    ]
    return "feeds: " + ", ".join(parts) if parts else ""


def plain(finding: Finding) -> dict[str, Any]:
    """A finding with every field, also those at their default: scripts rely on them."""
    return {name: msgspec.to_builtins(getattr(finding, name)) for name in finding.__struct_fields__}


class Walk(Protocol):
    """An assessment that is walked once: `hosts` gives (host, findings), then `done` the rest."""

    @property
    def total(self) -> int:
        """How many hosts are assessed."""

    def hosts(self) -> Iterator[tuple[str, Sequence[Finding]]]:
        """Host by host."""

    def done(self) -> Assessment:
        """The summary and the actions."""


@dataclass(frozen=True)
class AssessmentView(StreamedView):
    """`assess`: what to do, or with `by_finding` every finding. Of the actions the first `most`
    are shown, None: all."""

    walk: Walk
    by_finding: bool = False
    most: int | None = None

    def data(self) -> dict[str, Any]:
        """The findings with their hosts, then the summary."""
        rows = [
            {"host": name, **plain(finding)}
            for name, findings in self.walk.hosts()
            for finding in findings
        ]
        return {"findings": rows, **msgspec.to_builtins(self.walk.done())}

    def chunks(self) -> Iterator[bytes]:
        """Host by host; the findings come first, because the rest is only known after them."""
        writer = _FindingsWriter()
        yield b'{"findings":['
        for name, findings in self.walk.hosts():
            yield writer.host(name, findings)
        yield b"]," + msgspec.json.encode(msgspec.to_builtins(self.walk.done()))[1:]

    def parts(self) -> Iterator[Part]:
        """A table, then what it is of and what it does not say."""
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
    """Findings as JSON while they are made: one that hosts share is encoded once."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._first = True
        # By id, which is that of one finding as long as it is held here.
        self._bodies: dict[int, bytes] = {}
        self._held: list[Finding] = []

    def host(self, name: str, findings: Sequence[Finding]) -> bytes:
        """The findings of one host, with the comma before them where others came before."""
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
