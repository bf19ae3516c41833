"""Store the history of findings, and the figures of days. What changes is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

from ...models.assessment import FindingState
from ...models.history import (
    Changes,
    Ending,
    Figures,
    HistoryHost,
    Known,
    Spell,
    Standing,
    Subject,
)
from ...models.priority import Decision
from . import host_sets
from .schema import counter, day_figures, history_host, history_subject, journal, snapshot, spell
from .transactions import Transactions

_GENERATION, _JOURNAL = "history", "history_journal"
_MANY = 500


class History:
    """Findings over time. It is changed by `record` alone, and stays when snapshots are pruned."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def record(self, day: str, decide: Callable[[Known], Changes]) -> bool:
        """Store what `decide` makes of the stored history, with the figures of the day, all of it
        or nothing; return whether there was anything to store.

        `decide` is asked twice where there is: first without the write lock, so that what changes
        nothing keeps nobody waiting and needs no right to write.
        """
        with self._transactions.read() as connection:
            if not decide(_load(connection, day)):
                return False
        with self._transactions.write() as connection:
            _count(connection, _GENERATION, 0)  # on PostgreSQL another writer waits here
            changes = decide(_load(connection, day))
            _store(connection, changes)
            _count(connection, _GENERATION, 1)
        return True

    def number(self, names: Collection[str]) -> dict[str, int]:
        """Host -> its number. Hosts that have none get one."""
        with self._transactions.read() as connection:
            numbers = _host_numbers(connection)
        if numbers.keys() >= set(names):
            return numbers
        with self._transactions.write() as connection:
            _count(connection, _GENERATION, 0)
            numbers = _host_numbers(connection)
            first = max(numbers.values(), default=-1) + 1
            new = {name: first + n for n, name in enumerate(sorted(set(names) - numbers.keys()))}
            rows = [_row(HistoryHost(number=number, name=name)) for name, number in new.items()]
            if rows:
                connection.execute(insert(history_host), rows)
        return numbers | new

    def generation(self) -> int:
        """How often the history was changed."""
        with self._transactions.read() as connection:
            return _counter(connection, _GENERATION)

    def looks(self) -> dict[str, int]:
        """Snapshot -> its number; later ones have higher numbers, whatever the clock did."""
        with self._transactions.read() as connection:
            rows = connection.execute(select(snapshot.c.id, snapshot.c.number)).all()
        return {row.id: row.number for row in rows}

    def runs_since(self) -> tuple[list[str], int]:
        """The runs that have journal entries which the history does not have yet, in their order,
        and the number of the journal's last entry."""
        with self._transactions.read() as connection:
            known = _counter(connection, _JOURNAL)
            last = connection.scalar(select(func.max(journal.c.seq))) or 0
            query = select(journal.c.run).where(journal.c.seq > known)
            query = query.group_by(journal.c.run).order_by(func.min(journal.c.seq))
            return list(connection.scalars(query)) if last > known else [], int(last)

    def spells(self, *, cve: str = "", host: str = "") -> list[tuple[Subject, Spell]]:
        """The spells of a CVE, or of a host, the oldest first; closed ones too."""
        with self._transactions.read() as connection:
            subjects = {
                subject.number: subject
                for subject in _subjects(connection)
                if cve in ("", subject.cve)
            }
            bit = 0
            if host:
                number = _host_numbers(connection).get(host)
                bit = 1 << number if number is not None else 0
                if not bit:
                    return []
            wanted = _spells(connection, subjects=subjects.keys() if cve else None)
        chosen = [own for own in wanted if not host or own.hosts & bit]
        chosen.sort(key=lambda own: (own.since, own.number))
        return [(subjects[own.subject], own) for own in chosen]

    def hosts(self) -> list[HistoryHost]:
        """Every host that was ever assessed, by number."""
        with self._transactions.read() as connection:
            return _hosts(connection)

    def days(self, first: str = "", last: str = "9") -> list[tuple[str, str, Figures]]:
        """(day, ring, figures) of the days from `first` to `last`, ISO dates."""
        query = select(day_figures).where(day_figures.c.day.between(first, last))
        query = query.order_by(day_figures.c.day, day_figures.c.ring)
        with self._transactions.read() as connection:
            rows = connection.execute(query).all()
        return [(row.day, row.ring, _figures(row.figures)) for row in rows]


# --- reading --------------------------------------------------------------------------------------


def _load(connection: Connection, day: str) -> Known:
    rows = connection.execute(select(day_figures).where(day_figures.c.day == day)).all()
    return Known(
        hosts=_hosts(connection),
        subjects={(subject.cve, subject.package): subject for subject in _subjects(connection)},
        spells=_spells(connection, lasting=True),
        ended=lambda subjects: _spells(connection, subjects=subjects, lasting=False),
        figures={row.ring: _figures(row.figures) for row in rows},
        generation=_counter(connection, _GENERATION),
        journal=_counter(connection, _JOURNAL),
    )


def _hosts(connection: Connection) -> list[HistoryHost]:
    names = HistoryHost.__struct_fields__
    columns = [history_host.c[name] for name in names]
    rows = connection.execute(select(*columns).order_by(history_host.c.number))
    return [HistoryHost(**dict(zip(names, row, strict=True))) for row in rows]


def _host_numbers(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(history_host.c.name, history_host.c.number))
    return {str(row.name): int(row.number) for row in rows}


def _subjects(connection: Connection) -> list[Subject]:
    names = Subject.__struct_fields__
    rows = connection.execute(select(*(history_subject.c[name] for name in names)))
    return [Subject(**dict(zip(names, row, strict=True))) for row in rows]


def _spells(
    connection: Connection,
    *,
    subjects: Collection[int] | None = None,
    lasting: bool | None = None,
) -> list[Spell]:
    """Spells, those of these subjects where some are given; `lasting` False: closed findings."""
    query = select(spell)
    if lasting:
        query = query.where(spell.c.until == 0)
    elif lasting is not None:
        query = query.where(spell.c.until > 0, spell.c.ending != Ending.CHANGED.value)
    if subjects is None:
        rows = list(connection.execute(query))
    else:
        ordered = sorted(subjects)
        rows = [
            row
            for start in range(0, len(ordered), _MANY)
            for row in connection.execute(
                query.where(spell.c.subject.in_(ordered[start : start + _MANY]))
            )
        ]
    sets = host_sets.load(connection, {row.hosts for row in rows})
    return [
        Spell(
            subject=row.subject,
            hosts=sets[row.hosts],
            standing=_standing(row.state, row.decision, row.excluded),
            first_seen=row.first_seen,
            since=row.since,
            fix_seen=row.fix_seen,
            due=row.due,
            run=row.run,
            run_at=row.run_at,
            until=row.until,
            ending=_ENDINGS[row.ending],
            number=row.number,
        )
        for row in rows
    ]


_ENDINGS: dict[str, Ending | None] = {"": None, **{ending.value: ending for ending in Ending}}


@cache  # there are few, on many thousand rows
def _standing(state: str, decision: str, excluded: bool) -> Standing:
    return Standing(state=FindingState(state), decision=Decision(decision), excluded=excluded)


def _figures(text: str) -> Figures:
    return msgspec.json.decode(text, type=Figures)


def _counter(connection: Connection, name: str) -> int:
    return int(connection.scalar(select(counter.c.value).where(counter.c.name == name)) or 0)


# --- writing --------------------------------------------------------------------------------------


def _store(connection: Connection, changes: Changes) -> None:
    _replace(connection, history_host, [_row(host) for host in changes.hosts])
    _replace(connection, history_subject, [_row(subject) for subject in changes.subjects])
    freed = _drop(connection, changes.dropped)
    numbers = host_sets.store(connection, {own.hosts for own in changes.added})
    rows = [_spell_row(own, numbers[own.hosts]) for own in changes.added]
    if rows:
        connection.execute(insert(spell), rows)
    host_sets.sweep(connection, freed)
    for ring, figures in changes.figures.items():
        own_day = (day_figures.c.day == changes.day, day_figures.c.ring == ring)
        connection.execute(delete(day_figures).where(*own_day))
        text = msgspec.json.encode(figures, order="sorted").decode()
        connection.execute(insert(day_figures).values(day=changes.day, ring=ring, figures=text))
    if changes.journal:
        _count(connection, _JOURNAL, changes.journal - _counter(connection, _JOURNAL))


def _replace(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Store rows by their number; those that are there are changed, since others point to them."""
    numbers = [row["number"] for row in rows]
    known: set[int] = set()
    for start in range(0, len(numbers), _MANY):
        batch = table.c.number.in_(numbers[start : start + _MANY])
        known.update(connection.scalars(select(table.c.number).where(batch)))
    new = [row for row in rows if row["number"] not in known]
    if new:
        connection.execute(insert(table), new)
    old = [
        {("own_number" if name == "number" else name): value for name, value in row.items()}
        for row in rows
        if row["number"] in known
    ]
    if old:
        own = table.c.number == bindparam("own_number")
        connection.execute(update(table).where(own), old)


def _drop(connection: Connection, numbers: Iterable[int]) -> set[int]:
    """Remove spells; return the numbers of their sets of hosts."""
    freed: set[int] = set()
    ordered = sorted(numbers)
    for start in range(0, len(ordered), _MANY):
        batch = spell.c.number.in_(ordered[start : start + _MANY])
        freed.update(connection.scalars(select(spell.c.hosts).where(batch)))
        connection.execute(delete(spell).where(batch))
    return freed


def _row(model: HistoryHost | Subject) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


def _spell_row(own: Spell, hosts: int) -> dict[str, Any]:
    return {
        "subject": own.subject,
        "hosts": hosts,
        "state": own.standing.state.value,
        "decision": own.standing.decision.value,
        "excluded": own.standing.excluded,
        "due": own.due,
        "first_seen": own.first_seen,
        "fix_seen": own.fix_seen,
        "since": own.since,
        "until": own.until,
        "ending": own.ending.value if own.ending else "",
        "run": own.run,
        "run_at": own.run_at,
    }


def _count(connection: Connection, name: str, step: int) -> None:
    changed = connection.execute(
        update(counter).where(counter.c.name == name).values(value=counter.c.value + step)
    )
    if changed.rowcount == 0:
        connection.execute(insert(counter).values(name=name, value=step))
