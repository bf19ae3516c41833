"""Show the state of the fleet: counts first, then the hosts."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten, wrap

from ..models.fleet_status import FleetStatus, Gap, Need, StatusCount, StatusHost
from ..models.priority import Decision
from ..models.words import count, more, read_day, read_moment, some
from . import columns
from .state_words import decision_word, run_word, state_word
from .view import Cell, Lines, Note, Part, RowsView, Table, Title

COUNTS = ("", "HOSTS", "WELL", "PENDING", "SECURITY", "OVERDUE", "REBOOT", "HELD", "UNKNOWN")
HOSTS = (
    *("HOST", "RING", "PENDING", "ACT", "OUT OF CYCLE", "SCHEDULED", "DEFER"),
    *("OVERDUE", "EXCLUDED", "NEEDS", "LOOKED AT", "PATCHED", "HELD BY", "NOTES"),
)
# How many systems have a line of their own on a screen; and how many hosts at least.
_SYSTEMS, _LEAST = 4, 2
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
        above: list[Title | Lines | Table] = [
            Title(_headline(self.status)),
            Table(COUNTS, list(self._counts())),
            Lines(list(self._wrapped(_sums(self.status)))),
        ]
        yield from above
        notes = list(_notes(self.status))
        hosts = self.status.hosts
        shown = hosts[: self._room(above, len(notes))]
        if shown:
            yield Table(HOSTS, [self._row(host) for host in shown])
        if len(shown) < len(hosts):
            notes.append(f"{more(len(hosts) - len(shown), 'host')}: --all shows them")
        for note in notes:
            yield Note(note)

    def _room(self, above: Sequence[Title | Lines | Table], notes: int) -> int | None:
        """How many hosts fit below what stands above; None: all."""
        if self.space is None:
            return None
        # A blank line stands between two parts; the last two lines are the remark on hosts that
        # are not shown, and the shell's prompt.
        left = self.space.lines - sum(1 + _height(part, self.space.columns) for part in above)
        left -= notes + 2
        hosts = [self._row(host) for host in self.status.hosts[: max(left, _LEAST)]]
        while len(hosts) > _LEAST and _height(Table(HOSTS, hosts), self.space.columns) > left:
            hosts.pop()
        return len(hosts)

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

    def _counts(self) -> Iterator[Sequence[str]]:
        counts = self.status.counts
        yield _count_row("all", counts.all)
        for ring in counts.rings:
            yield _count_row(f"ring {ring.name}" if ring.name else "no ring", ring)
        most = _SYSTEMS if self.space and len(counts.systems) > _SYSTEMS + 1 else None
        for system in counts.systems[:most]:
            yield _count_row(system.name or "unknown system", system)
        if others := counts.systems[len(counts.systems) if most is None else most :]:
            yield _sum_row(more(len(others), "system"), others)


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


def _figures(row: StatusCount) -> Sequence[int]:
    return (
        *(row.hosts, row.well, row.updates, row.security),
        *(row.overdue, row.reboot, row.held, row.unknown),
    )


def _count_row(name: str, row: StatusCount) -> Sequence[str]:
    return (name, *map(str, _figures(row)))


def _sum_row(name: str, rows: Sequence[StatusCount]) -> Sequence[str]:
    return (name, *(str(sum(figures)) for figures in zip(*map(_figures, rows), strict=True)))


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
    held = Counter(host.held_by for host in status.hosts if host.held_by)
    for run, state in status.runs.items():
        if held[run]:
            yield f"held: {count(held[run], 'host')} by run {run}, {run_word(state)}"


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
    if host.held_state is not None:
        yield f"run {run_word(host.held_state)}"


def _notes(status: FleetStatus) -> Iterator[str]:
    every = status.counts.all
    if not status.feeds_held:
        yield "no feeds are held, so findings are unknown: run `patchctl feeds update`"
    if status.stale_feeds:
        yield f"feeds that are too old: {some(status.stale_feeds)}; run `patchctl feeds update`"
    if any(gap in every.gaps for gap in (Gap.NEVER_LOOKED_AT, Gap.LOOK_FAILED, Gap.OLD_LOOK)):
        yield "`patchctl discover` looks at the hosts"
