"""An explanation, in lines for a person. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..models.assessment import FindingState
from ..models.explain import Explanation, Judgement
from ..models.words import some
from .state_words import decision_word, state_word
from .view import Lines, Part, View, all_notes

_HOSTS = 8


def lines(found: Explanation) -> Iterator[str]:
    """The subject, what is known of it, then each judgement."""
    yield f"{found.subject}, as of {found.as_of}"
    for fact in found.facts:
        yield f"  {fact}"
    for one in found.judgements:
        yield ""
        yield from _judgement(one, found.kind)


def _judgement(one: Judgement, kind: str) -> Iterator[str]:
    verdict = "affected" if one.affected else "not affected"
    hosts = "" if kind == "host" else f" on {_hosts(one)}"
    cve = "" if kind == "cve" else f" {one.cve}"
    yield f"{one.package} {one.installed}{cve}: {verdict}{hosts}"
    compared = "" if one.compared == one.installed else f" ({one.source} {one.compared})"
    own = (one.advisory, one.feed)
    decider = "" if (one.decided_by, one.decided_in) == own else f" by {one.decided_by}"
    if decider:
        decider += f" of {one.decided_in}"
        decider += f" with {one.fixed}" if one.fixed else ""
    channel = f", channel {one.channel}" if one.channel else ""
    yield f"  because: {one.why}{decider}{compared}"
    yield f"  {one.advisory} of {one.feed} for {one.ecosystem}{channel} affects {one.range}"
    others = [ident for ident in one.weighed if ident not in (one.advisory, one.decided_by)]
    if others:
        yield f"  weighed against: {some(others, _HOSTS)}"
    if not one.affected:
        return
    if one.state:
        by = f" by {one.repository}" if one.repository else ""
        offered = f", offered: {one.offered}{by}" if one.offered else ""
        yield f"  state: {state_word(FindingState(one.state))}{offered}"
    if one.decision:
        due = f" by {one.due}" if one.due else ""
        rule = f" ({one.rule})" if one.rule else ""
        yield f"  priority: {decision_word(one.decision)}{due}{rule}"
    for reason in one.reasons:
        yield f"    {reason}"
    if one.waiver:
        yield f"  exception: {one.waiver}"
    if one.excluded:
        yield f"  excluded: {one.excluded}"
    if one.stuck:
        yield f"  stuck: {one.stuck}"


def _hosts(one: Judgement) -> str:
    return some(one.hosts, _HOSTS)


@dataclass(frozen=True)
class ExplanationView(View):
    """`explain`."""

    explanation: Explanation

    def data(self) -> Explanation:
        """The explanation."""
        return self.explanation

    def parts(self) -> Iterator[Part]:
        """Its lines, then what makes it less sure."""
        yield Lines(lines(self.explanation))
        warnings = (f"warning: {line}" for line in self.explanation.warnings)
        yield from all_notes(warnings, kept=True)
