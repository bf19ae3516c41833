"""Show the state of the fleet: counts first, then the hosts."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten, wrap

from ..models.fleet_status import FleetStatus, Gap, Need, StatusCount, StatusHost
from ..models.priority import Decision
from ..models.states import NEEDS_PERSON
from ..models.words import count, more, plural, read_day, read_moment, some
from . import columns
from .state_words import decision_word, run_word, state_word
from .view import Cell, Lines, Note, Part, RowsView, Table, Title

COUNTS = ("", "HOSTS", "WELL", "PENDING", "SECURITY", "OVERDUE", "REBOOT", "HELD", "UNKNOWN")
HOSTS = (
    *("HOST", "RING", "PENDING", "ACT", "OUT OF CYCLE", "SCHEDULED", "DEFER"),
    *("OVERDUE", "EXCLUDED", "NEEDS", "LOOKED AT", "PATCHED", "HELD BY", "NOTES"),
)
# How many systems have a line of their own on a screen, if this many hosts fit below them.
_SYSTEMS, _WANTED = 4, 3
# Columns of the counts without the first one, with their gaps; and how far a name is cut.
_FIGURES_WIDTH = sum(len(title) + len(columns.GAP) for title in COUNTS[1:])
_NAME_LEAST = 10
_LOOK_AGAIN = (Gap.NEVER_LOOKED_AT, Gap.LOOK_FAILED, Gap.OLD_LOOK, Gap.PATCHED_SINCE)
_NOTES_MAX = 60  # columns, on a screen
# Fields of a host that are lists or tables, which a cell cannot hold as they are.
_FLAT = ("decisions", "groups", "needs", "unknown")


@dataclass(frozen=True)
class Space:
    """The lines and columns of the terminal."""

    lines: int
    columns: int


@dataclass(frozen=True)
class FleetStatusView(RowsView):
    """`status`. With `space` the hosts that do not fit it are only counted."""

    status: FleetStatus
    space: Space | None = None

    def data(self) -> FleetStatus:
        """Counts and hosts, all of them."""
        return self.status

    def fields(self) -> Sequence[str]:
        """The names of JSON; decisions have a field each."""
        names = [name for name in StatusHost.__struct_fields__ if name not in _FLAT]
        return (*names, *Decision, *_FLAT[1:])

    def rows(self) -> Iterator[Sequence[Cell]]:
        """A row for each host; lists have spaces between their values."""
        names = [name for name in StatusHost.__struct_fields__ if name not in _FLAT]
        for host in self.status.hosts:
            decisions: Mapping[Decision, int] = host.decisions or {}
            yield (
                *(getattr(host, name) for name in names),
                *(decisions.get(decision) for decision in Decision),
                " ".join(host.groups),
                " ".join(host.needs),
                " ".join(host.unknown),
            )

    def parts(self) -> Iterator[Part]:
        """Counts, then as many hosts as there is room for, the worst first."""
        notes = list(_notes(self.status))
        above, shown = self._fitting(len(notes))
        yield from above
        if shown:
            yield Table(HOSTS, [self._row(host) for host in shown])
        hidden = len(self.status.hosts) - len(shown)
        if hidden:
            notes.append(f"{more(hidden, 'host')}: --all shows them")
        for note in notes:
            yield Note(note)
        if not self.status.hosts:
            yield Note("no host fits what was asked", kept=True)

    def _fitting(self, notes: int) -> tuple[list[Title | Lines | Table], Sequence[StatusHost]]:
        """What stands above the hosts, and the hosts that fit below it. The fewer lines there are,
        the fewer systems have a line of their own."""
        if self.space is None:
            return self._above(None), self.status.hosts
        for systems in range(_SYSTEMS, -1, -1):
            above = self._above(systems)
            # A blank line stands between two parts; the last two lines are the remark on hosts
            # that are not shown, and the shell's prompt.
            left = self.space.lines - notes - 2
            left -= sum(1 + _height(part, self.space.columns) for part in above)
            hosts = self._that_fit(left, self.space.columns)
            if len(hosts) >= min(_WANTED, len(self.status.hosts)):
                break
        return above, hosts or self.status.hosts[:1]

    def _that_fit(self, lines: int, width: int) -> Sequence[StatusHost]:
        hosts = self.status.hosts[: max(lines, 0)]
        rows = [self._row(host) for host in hosts]
        while rows and _height(Table(HOSTS, rows), width) > lines:
            rows.pop()
        return hosts[: len(rows)]

    def _above(self, systems: int | None) -> list[Title | Lines | Table]:
        return [
            Title(_headline(self.status)),
            Table(COUNTS, list(self._counts(systems))),
            Lines(list(self._wrapped(_sums(self.status)))),
        ]

    def _wrapped(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines as they stand on the screen, so that they can be counted."""
        for line in lines:
            yield from (
                wrap(line, self.space.columns, subsequent_indent="  ") if self.space else (line,)
            )

    def _row(self, host: StatusHost) -> Sequence[str]:
        notes = "; ".join(_remarks(host, self._everywhere))
        if self.space is not None:
            notes = shorten(notes, min(_NOTES_MAX, self.space.columns - 8), placeholder=" …")
        return (*_host_row(host), notes)

    @cached_property
    def _everywhere(self) -> Collection[Gap]:
        """What is not known of any host: it is said once, above."""
        every = self.status.counts.all
        return {gap for gap, hosts in every.gaps.items() if hosts == every.hosts}

    def _counts(self, systems: int | None) -> Iterator[Sequence[str]]:
        """Rows of counts, with these many systems apart, the largest ones; None: all."""
        counts = self.status.counts
        yield _count_row("all", counts.all)
        for ring in counts.rings:
            yield _count_row(self._cut(f"ring {ring.name}" if ring.name else "no ring"), ring)
        most = None if systems is None or len(counts.systems) <= systems + 1 else systems
        for system in counts.systems[:most]:
            yield _count_row(self._cut(system.name or "unknown system"), system)
        if most is not None:
            others = counts.systems[most:]
            yield _sum_row(f"{count(len(others), 'other system' if most else 'system')}", others)

    def _cut(self, name: str) -> str:
        """The name as far as the figures beside it leave room."""
        if self.space is None:
            return name
        room = max(self.space.columns - _FIGURES_WIDTH, _NAME_LEAST)
        return name if len(name) <= room else f"{name[: room - 1]}…"


def _height(part: Title | Lines | Table, width: int) -> int:
    match part:
        case Table(header, rows):
            return len(columns.layout(header, list(rows), width))
        case Lines(rows):
            return len(list(rows))
    return 1


def _headline(status: FleetStatus) -> str:
    every = status.counts.all
    return (
        f"{count(every.hosts, 'host')} at {read_moment(status.as_of)}: {every.well} well,"
        f" {every.attention} need attention, {every.unknown} unknown"
    )


def _figures(row: StatusCount) -> Sequence[int | None]:
    """The figures of COUNTS; None where it is known of no host."""
    updates = (row.updates, row.security) if row.updates_known else (None, None)
    return (
        *(row.hosts, row.well, *updates),
        row.overdue if row.findings_known else None,
        row.reboot if row.reboot_known else None,
        *(row.held, row.unknown),
    )


def _count_row(name: str, row: StatusCount) -> Sequence[str]:
    return (name, *map(_number, _figures(row)))


def _sum_row(name: str, rows: Sequence[StatusCount]) -> Sequence[str]:
    columns_of_rows = zip(*map(_figures, rows), strict=True)
    known = ([figure for figure in column if figure is not None] for column in columns_of_rows)
    return (name, *(_number(sum(figures) if figures else None) for figures in known))


def _sums(status: FleetStatus) -> Iterator[str]:
    """Lines on the whole: findings, what hosts need beside updates, and what is not known."""
    every = status.counts.all
    late = f"; {every.overdue_findings} overdue" if every.overdue_findings else ""
    if findings := [
        f"{number} {decision_word(decision)}"
        for decision, number in every.findings.items()
        if number
    ]:
        yield f"findings: {', '.join(findings)}{late}"
    needed = [
        f"{number} {what}"
        for number, what in (
            (every.act, "with a finding to act on now"),
            (every.restart, "with a restart needed"),
            (every.excluded, "with excluded updates"),
        )
        if number
    ]
    if needed:
        yield f"hosts: {', '.join(needed)}"
    if every.gaps:
        gaps = ", ".join(f"{number} {state_word(gap)}" for gap, number in every.gaps.items())
        yield f"unknown: {gaps}"
    if every.held:
        runs = [f"{run} ({run_word(state)})" for run, state in status.runs.items()]
        yield f"held: {count(every.held, 'host')} by {plural('run', len(runs))} {some(runs)}"


def _host_row(host: StatusHost) -> Sequence[str]:
    security = f" ({host.security})" if host.security else ""
    decisions = (None if host.decisions is None else host.decisions[it] for it in Decision)
    return (
        host.name,
        host.ring or "-",
        f"{_number(host.pending)}{security}",
        *map(_number, decisions),
        _number(host.overdue),
        _number(_excluded(host)),
        ", ".join(need for need in host.needs if need is not Need.UPDATES) or "-",
        read_day(host.looked_at),
        read_day(host.patched_at),
        host.held_by or "-",
    )


def _excluded(host: StatusHost) -> int | None:
    """Excluded updates; of a host whose updates are not known, findings that need one."""
    return host.excluded_findings if host.excluded is None else host.excluded


def _number(number: int | None) -> str:
    """A number; `?` where it is not known, which is not the same as none."""
    return "?" if number is None else str(number)


def _remarks(host: StatusHost, everywhere: Collection[Gap]) -> Iterator[str]:
    for gap in host.unknown:
        if gap not in everywhere:
            yield state_word(gap)
    if host.reason:
        yield host.reason
    if host.held_state in NEEDS_PERSON:
        yield f"its run is {run_word(host.held_state)}"


def _notes(status: FleetStatus) -> Iterator[str]:
    every = status.counts.all
    if not status.feeds_held:
        yield "no feeds are held, so findings are unknown: run `patchctl feeds update`"
    if status.stale_feeds:
        yield f"feeds that are too old: {some(status.stale_feeds)}; run `patchctl feeds update`"
    if any(gap in every.gaps for gap in _LOOK_AGAIN):
        yield "`patchctl discover` looks at the hosts"
