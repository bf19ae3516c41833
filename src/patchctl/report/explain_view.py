"""Show an explanation to people. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..models.assessment import FindingState
from ..models.explain import Explanation, Judgement
from ..models.words import some
from .state_words import decision_word, state_word
from .view import Lines, Part, View, all_notes

_HOSTS = 8


def lines(explanation: Explanation) -> Iterator[str]:
    """Return the subject, the facts about it, then each judgement."""
    yield f"{explanation.subject}, as of {explanation.as_of}"
    for fact in explanation.facts:
        yield f"  {fact}"
    for judgement in explanation.judgements:
        yield ""
        yield from _judgement(judgement, explanation.kind)


def _judgement(judgement: Judgement, kind: str) -> Iterator[str]:
    verdict = "affected" if judgement.affected else "not affected"
    hosts = "" if kind == "host" else f" on {_hosts(judgement)}"
    cve = "" if kind == "cve" else f" {judgement.cve}"
    yield f"{judgement.package} {judgement.installed}{cve}: {verdict}{hosts}"
    compared = (
        ""
        if judgement.compared == judgement.installed
        else f" ({judgement.source} {judgement.compared})"
    )
    own = (judgement.advisory, judgement.feed)
    decider = (
        "" if (judgement.decided_by, judgement.decided_in) == own else f" by {judgement.decided_by}"
    )
    if decider:
        decider += f" of {judgement.decided_in}"
        decider += f" with {judgement.fixed}" if judgement.fixed else ""
    channel = f", channel {judgement.channel}" if judgement.channel else ""
    yield f"  because: {judgement.why}{decider}{compared}"
    yield (
        f"  {judgement.advisory} of {judgement.feed} for {judgement.ecosystem}{channel}"
        f" affects {judgement.range}"
    )
    others = [
        ident
        for ident in judgement.weighed
        if ident not in (judgement.advisory, judgement.decided_by)
    ]
    if others:
        yield f"  weighed against: {some(others, _HOSTS)}"
    if not judgement.affected:
        return
    if judgement.state:
        by = f" by {judgement.repository}" if judgement.repository else ""
        offered = f", offered: {judgement.offered}{by}" if judgement.offered else ""
        yield f"  state: {state_word(FindingState(judgement.state))}{offered}"
    if judgement.decision:
        due = f" by {judgement.due}" if judgement.due else ""
        rule = f" ({judgement.rule})" if judgement.rule else ""
        yield f"  priority: {decision_word(judgement.decision)}{due}{rule}"
    for reason in judgement.reasons:
        yield f"    {reason}"
    if judgement.waiver:
        yield f"  exception: {judgement.waiver}"
    if judgement.excluded:
        yield f"  excluded: {judgement.excluded}"
    if judgement.stuck:
        yield f"  stuck: {judgement.stuck}"


def _hosts(judgement: Judgement) -> str:
    return some(judgement.hosts, _HOSTS)


@dataclass(frozen=True)
class ExplanationView(View):
    """`explain`."""

    explanation: Explanation

    def data(self) -> Explanation:
        """The explanation."""
        return self.explanation

    def parts(self) -> Iterator[Part]:
        """Its lines, then what makes it less certain."""
        yield Lines(lines(self.explanation))
        warnings = (f"warning: {line}" for line in self.explanation.warnings)
        yield from all_notes(warnings, kept=True)
