"""The hosts of the live screen: which are shown, and in which columns. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..models.rollout import HostState
from ..models.run_picture import Picture
from ..models.run_status import HostStatusLine, RunStatus
from ..models.states import COUNTED, IN_FLIGHT, TROUBLE, WORKING
from ..models.words import span
from . import rollout_view
from .columns import width_of
from .live_text import Line, Span, chunks, cut, padded, styled, wrap
from .state_words import run_word

_GAP = 2
# The reason has a column where it gets at least so many. Failed hosts whose reason is cut there
# have it in lines of their own: always the first ones, the others where there is room.
_REASON_LEAST = 20
_REASON_LINES = 2
_REASONS_FIRST = 3
# The ring has a column where the reason keeps so many.
_REASON_ENOUGH = 40
# So many lines at most tell how many hosts there are besides those that are shown.
_REST_LINES = 3
_RANKS = {HostState.DEFERRED: 3, HostState.SKIPPED: 4, HostState.PENDING: 5}
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "unknown": "red",
    "rollback_failed": "red",
    "rolling_back": "yellow",
    "rolled_back": "yellow",
    "skipped": "dim",
    "pending": "dim",
}


@dataclass(frozen=True)
class _Row:
    """A host's cells, cleaned."""

    host: HostStatusLine
    name: str
    ring: str
    state: str
    stage: str
    time: str
    reason: str

    @property
    def style(self) -> str:
        return _STYLES.get(self.host.state.value, "cyan")


@dataclass(frozen=True)
class _Widths:
    """Columns of each cell; 0 for one that is left out."""

    name: int
    ring: int
    state: int
    stage: int
    time: int
    reason: int


def in_order(picture: Picture) -> list[HostStatusLine]:
    """The hosts in the order in which a person wants to see them: failed ones first, then those at
    work, the longest first; then those that were put off or held back, the next and the rest."""
    since = dict(zip((host.name for host in picture.status.hosts), picture.since, strict=True))
    return sorted(picture.status.hosts, key=lambda host: (_rank(host), _age(host, since)))


def _age(host: HostStatusLine, since: dict[str, int]) -> int:
    return since[host.name] if host.state in IN_FLIGHT else 0


def _rank(host: HostStatusLine) -> int:
    if host.state in COUNTED:
        return 1 if host.state is HostState.ROLLING_BACK else 0
    if host.state in IN_FLIGHT:
        return 2
    return _RANKS.get(host.state, 6)


def host_lines(
    picture: Picture, width: int, height: int, now: int, clean: Callable[[str], str]
) -> list[Line]:
    """Return at most `height` lines: hosts in their plan's order where all fit, else the first of
    `in_order` and how many others there are, by ring and state."""
    if height < 1 or not picture.status.hosts:
        return []
    since = dict(zip((host.name for host in picture.status.hosts), picture.since, strict=True))
    if len(picture.status.hosts) < height:
        hosts = list(picture.status.hosts)
        rows = [_row(host, picture, since[host.name], now, clean) for host in hosts]
        lines = _table(rows, width, height, reasons=0)
        if lines is not None:
            return lines
    ordered = in_order(picture)
    most = ordered[:height]
    rows = [_row(host, picture, since[host.name], now, clean) for host in most]
    for shown in range(len(rows), 0, -1):
        rest = _rest(picture.status, ordered[shown:], width, clean)
        rest = rest[: max(1, height - 2)]
        lines = _table(rows[:shown], width, height - len(rest), reasons=_REASONS_FIRST)
        if lines is None and shown == 1:
            lines = _table(rows[:shown], width, height - len(rest), reasons=0)
        if lines is not None:
            return [*lines, *rest]
    return _rest(picture.status, ordered, width, clean)[:height]


def _row(
    host: HostStatusLine, picture: Picture, since: int, now: int, clean: Callable[[str], str]
) -> _Row:
    busy = host.state in IN_FLIGHT
    state = "running" if host.state in WORKING else rollout_view.host_state(picture.status, host)
    return _Row(
        host=host,
        name=clean(host.name),
        ring=clean(host.ring),
        state=state,
        stage=run_word(host.stage) if busy or host.state in TROUBLE else "",
        time=span((now - since) // 1000) if busy and since else "",
        reason=clean(host.reason),
    )


def _table(rows: Sequence[_Row], width: int, height: int, *, reasons: int) -> list[Line] | None:
    """Title and rows, with the whole reasons of the first `reasons` failed hosts that have no room
    for it in their column; None where they need more than `height` lines. Further reasons fill
    lines that are left."""
    widths = _widths(rows, width)
    below = {
        number: wrap(f"    {row.reason}", width, "    ", most=_REASON_LINES)
        for number, row in enumerate(rows)
        if row.host.state in COUNTED and width_of(row.reason) > widths.reason
    }
    kept = set(list(below)[:reasons])
    bodies = [_cells(row, widths, width, reason=n not in kept) for n, row in enumerate(rows)]
    used = 1 + sum(map(len, bodies)) + sum(len(below[number]) for number in kept)
    if used > height:
        return None
    for number, reason in below.items():
        if number not in kept and used + len(reason) <= height:
            kept.add(number)
            used += len(reason)
    lines = [_title(widths, width)]
    for number, row in enumerate(rows):
        lines += _cells(row, widths, width, reason=number not in kept)
        lines += styled(below[number], "dim") if number in kept else []
    return lines


def _widths(rows: Sequence[_Row], width: int) -> _Widths:
    state = max([5, *(len(row.state) for row in rows)])
    stage = max([5, *(len(row.stage) for row in rows)])
    time = max([3, *(len(row.time) for row in rows)])
    names = sorted(max(4, width_of(row.name)) for row in rows)
    name = names[-1]
    # A few names that are far longer than the others take a line of their own.
    usual = names[(len(names) * 3) // 4 - 1] if len(names) > 1 else name
    all_others = state + stage + time + _REASON_LEAST + 4 * _GAP
    if name + all_others > width >= usual + all_others:
        name = width - all_others
    name = min(name, width)
    left = width - name
    kept: list[int] = []
    for size in (state, stage, time, _REASON_LEAST):
        fits = left >= _GAP + size and len(kept) == sum(map(bool, kept))
        kept.append(size if fits else 0)
        left -= _GAP + size if fits else 0
    reason = kept[3] + left if kept[3] else 0
    ring = max([4, *(width_of(row.ring) for row in rows)])
    if reason < _REASON_ENOUGH + ring + _GAP:
        ring = 0
    return _Widths(name, ring, kept[0], kept[1], kept[2], reason - (ring + _GAP if ring else 0))


def _title(widths: _Widths, width: int) -> Line:
    cells = (
        ("HOST", widths.name),
        ("RING", widths.ring),
        ("STATE", widths.state),
        ("STAGE", widths.stage),
        ("FOR", widths.time),
        ("REASON", widths.reason),
    )
    text = (" " * _GAP).join(padded(title, size) for title, size in cells if size)
    return (Span(cut(text.rstrip(), width), "bold"),)


def _cells(row: _Row, widths: _Widths, width: int, *, reason: bool) -> list[Line]:
    """The lines of a host: one, or its name above its cells where it is too long for its column."""
    cells = (
        (row.ring, widths.ring, ""),
        (row.state, widths.state, row.style),
        (row.stage, widths.stage, row.style),
        (row.time, widths.time, ""),
        (row.reason if reason else "", widths.reason, ""),
    )
    spans = [Span(" " * _GAP + padded(text, size), style) for text, size, style in cells if size]
    while spans and not spans[-1].text.strip():
        spans.pop()
    if spans:
        spans[-1] = Span(spans[-1].text.rstrip(), spans[-1].style)
    if width_of(row.name) <= widths.name:
        return [(Span(padded(row.name, widths.name)), *spans)]
    above = styled(chunks(row.name, width))
    return [*above, (Span(" " * widths.name), *spans)] if spans else above


def _rest(
    status: RunStatus, hosts: Sequence[HostStatusLine], width: int, clean: Callable[[str], str]
) -> list[Line]:
    """How many hosts there are besides, by ring and state."""
    if not hosts:
        return []
    by_ring: dict[str, Counter[str]] = {ring.name: Counter() for ring in status.rings}
    for host in hosts:
        by_ring[host.ring]["running" if host.state in WORKING else host.state.value] += 1
    rings = (f"{name}: {rollout_view.counts(counts)}" for name, counts in by_ring.items() if counts)
    some_shown = len(hosts) < len(status.hosts)
    text = f"{'and ' if some_shown else ''}{len(hosts)} {'more' if some_shown else 'hosts'}"
    return styled(wrap(clean(f"{text}: {'; '.join(rings)}"), width, "  ", most=_REST_LINES), "dim")
