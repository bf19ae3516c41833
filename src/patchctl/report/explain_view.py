"""Show an explanation to people. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from ..models.assessment import FindingState
from ..models.explain import ExplainedGroup, Explanation, Judgement
from ..models.words import count, more, some
from . import columns
from .state_words import decision_word, state_word
from .view import Lines, Part, View, all_notes
from .wrapping import WIDTH, wrapped

_HOSTS = 8
# Lines of a terminal with 80 columns, of an answer that is not asked for in full and of its table.
_LINES = 40
_FACTS = 8
_TABLE = 12
_REASONS = 2  # of a judgement that stands for others


def lines(explanation: Explanation, *, full: bool = False) -> Iterator[str]:
    """The subject and what is known of it; by version and state on how many hosts; then judgements,
    as many as there is room for. `full` cuts nothing."""
    head = list(_head(explanation, full=full))
    yield from head
    if full and explanation.kind != "host":
        for group in explanation.groups:
            yield ""
            yield from wrapped(f"{_title(group)}: {', '.join(group.hosts)}", "")
    blocks = [_block(row, explanation.kind) for row in explanation.judgements]
    room = _LINES - _height(f"warning: {line}" for line in explanation.warnings) - _height(head)
    if full or sum(map(_height, blocks)) <= room:
        for block in blocks:
            yield from block
        return
    room -= 2  # for the last line
    shown = 0
    for row in _examples(explanation):
        block = _block(structs.replace(row, reasons=_first(row.reasons)), explanation.kind)
        if _height(block) > room:
            break
        room -= _height(block)
        shown += 1
        yield from block
    yield ""
    yield f"{more(len(explanation.judgements) - shown, 'judgement')}; see --full"


def _height(shown: Iterable[str]) -> int:
    """The lines that a terminal of 80 columns takes for them."""
    return sum(max(1, -(-len(line) // WIDTH)) for line in shown)


def _head(explanation: Explanation, *, full: bool) -> Iterator[str]:
    yield f"{explanation.subject}, as of {explanation.as_of}"
    facts = [f"  {fact}" for fact in explanation.facts]
    yield from facts if full else facts[:_FACTS]
    if len(facts) > _FACTS and not full:
        yield f"  {more(len(facts) - _FACTS)}; see --full"
    if explanation.groups:
        yield ""
        yield _counts(explanation)
        yield from _table(explanation, full=full)


def _first(reasons: Sequence[str]) -> tuple[str, ...]:
    if len(reasons) <= _REASONS:
        return tuple(reasons)
    return *reasons[:_REASONS], more(len(reasons) - _REASONS, "reason")


def _examples(explanation: Explanation) -> Iterator[Judgement]:
    """The first judgement of each group, in the order of the groups."""
    first: dict[tuple[str, str, bool, str], Judgement] = {}
    for row in explanation.judgements:
        first.setdefault((row.source, row.installed, row.affected, row.state), row)
    for group in explanation.groups:
        example = first.get((group.source, group.installed, group.affected, group.state))
        if example is not None:
            yield example


# --- counts -------------------------------------------------------------------------------------


def _counts(explanation: Explanation) -> str:
    """In one line how many hosts are affected, and how many are not."""
    if explanation.kind == "host":
        cves = {cve for group in explanation.groups for cve in group.cves}
        return f"affected by {count(len(cves), 'CVE')}"
    affected = _hosts_of(group for group in explanation.groups if group.affected)
    told = f"affected: {count(len(affected), 'host')}"
    if explanation.kind != "cve":
        return told
    clean = _hosts_of(explanation.groups) - affected
    return f"{told}; not affected: {count(len(clean), 'host')} with the package"


def _hosts_of(groups: Iterable[ExplainedGroup]) -> set[str]:
    return {host for group in groups for host in group.hosts}


def _table(explanation: Explanation, *, full: bool) -> Iterator[str]:
    kind = explanation.kind
    header = [*(["HOSTS"] if kind != "host" else []), "PACKAGE", "INSTALLED", "STATE"]
    header += [*(["CVES"] if kind != "cve" else []), "FIXED IN", "DECISION", "DUE"]
    rows = [_row(group, kind) for group in explanation.groups]
    table = columns.layout(header, rows)
    room = _TABLE
    shown = 0
    while shown < len(table) and (full or _height(table[shown : shown + 1]) <= room):
        room -= _height(table[shown : shown + 1])
        shown += 1
    yield from table[:shown]
    if shown < len(table):
        yield f"{more(len(table) - shown, 'row')}; see --full"


def _row(group: ExplainedGroup, kind: str) -> Sequence[str]:
    return [
        *([str(len(group.hosts))] if kind != "host" else []),
        _named(group),
        group.installed,
        _state(group),
        *([str(len(group.cves))] if kind != "cve" else []),
        group.fixed or "-",
        decision_word(group.decision) or "-",
        group.due or "-",
    ]


def _named(group: ExplainedGroup) -> str:
    return group.packages[0] if len(group.packages) == 1 else group.source


def _state(group: ExplainedGroup) -> str:
    if not group.affected:
        return "not affected"
    return state_word(FindingState(group.state)) if group.state else "affected"


def _title(group: ExplainedGroup) -> str:
    on_hosts = count(len(group.hosts), "host")
    return f"{_named(group)} {group.installed}, {_state(group)}, {on_hosts}"


# --- judgements ---------------------------------------------------------------------------------


def _block(judgement: Judgement, kind: str) -> list[str]:
    """The lines of a judgement below an empty one."""
    said = _judgement(judgement, kind)
    return ["", *(part for line in said for part in _fitting(line))]


def _fitting(line: str) -> list[str]:
    text = line.lstrip(" ")
    return wrapped(text, " " * (len(line) - len(text)))


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
    """A few hosts by name; of more their number first."""
    if len(judgement.hosts) <= _HOSTS:
        return ", ".join(judgement.hosts)
    return f"{count(len(judgement.hosts), 'host')}: {some(judgement.hosts)}"


@dataclass(frozen=True)
class ExplanationView(View):
    """`explain`; `full` cuts no list."""

    explanation: Explanation
    full: bool = False

    def data(self) -> Explanation:
        """The explanation."""
        return self.explanation

    def parts(self) -> Iterator[Part]:
        """Its lines, then what makes it less sure."""
        yield Lines(lines(self.explanation, full=self.full))
        warnings = (f"warning: {line}" for line in self.explanation.warnings)
        yield from all_notes(warnings, kept=True)
