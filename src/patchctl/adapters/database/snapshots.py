"""Store snapshots, with facts by their content: hosts that are alike share what is equal."""

from __future__ import annotations

import builtins
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Table, func, insert, select

from ...errors import ConflictError, NotFoundError
from ...models import canonical
from ...models.facts import HostFacts, OsRelease
from ...models.ids import IMPORT_PREFIX
from ...models.snapshot import HostResult, HostStatus, Snapshot, SnapshotSummary
from ...models.state import HostHistory, KnownHost, LastLook
from .blobs import FactsParts, Loader, os_of, split
from .records import RecordReader, RecordWriter
from .schema import blob, facts, snapshot, snapshot_host
from .transactions import Transactions

T = TypeVar("T")

_MANY = 500


class Snapshots:
    """Every discovery and import, until it is pruned."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def save(self, taken: Snapshot) -> Snapshot:
        """Store a snapshot and return it with the `facts_digest` of every host.

        Raises ConflictError where a snapshot of that id exists.
        """
        hosts: builtins.list[HostResult] = []
        with self._transactions.write() as connection:
            _refuse_known(connection, taken.id)
            records = RecordWriter(connection)
            # In batches: the facts of ten thousand hosts as JSON are a gigabyte.
            for batch in _batches(taken.hosts):
                parts = {host.name: split(host.facts) for host in batch if host.facts is not None}
                _store_facts(connection, records, {part.digest: part for part in parts.values()})
                hosts += [_with_digest(host, parts.get(host.name)) for host in batch]
            records.finish()
            number = _store_header(connection, taken)
            rows = [_row(number, position, host) for position, host in enumerate(hosts)]
            if rows:
                connection.execute(insert(snapshot_host), rows)
        return msgspec.structs.replace(taken, hosts=tuple(hosts))

    def load(self, snapshot_id: str | None = None) -> Snapshot | None:
        """Return the snapshot of that id; without one the latest discovery, or the latest import
        where no host was ever discovered. None where there is none."""
        with self._transactions.read() as connection:
            query = _headers(snapshot_id)
            if snapshot_id is None:
                discovered = query.where(snapshot.c.id.not_like(IMPORT_PREFIX + "%"))
                header = connection.execute(discovered).first()
            else:
                header = None
            if header is None:
                header = connection.execute(query).first()
            if header is None:
                return None
            rows = connection.execute(
                select(snapshot_host)
                .where(snapshot_host.c.snapshot == header.number)
                .order_by(snapshot_host.c.position)
            ).all()
            facts_by_digest = _load_facts(connection, {row.facts for row in rows if row.facts})
        return Snapshot(
            id=header.id,
            taken=header.taken,
            elapsed_ms=header.elapsed_ms,
            hosts=tuple(_result(row, facts_by_digest) for row in rows),
        )

    def list(self, limit: int | None = None) -> builtins.list[SnapshotSummary]:
        """Snapshots, newest first."""
        names = SnapshotSummary.__struct_fields__
        with self._transactions.read() as connection:
            rows = connection.execute(_headers().limit(limit)).all()
        return [SnapshotSummary(**{name: row._mapping[name] for name in names}) for row in rows]

    def history(self, host: str, limit: int | None = None) -> builtins.list[HostHistory]:
        """The result of each discovery of the host, newest first."""
        with self._transactions.read() as connection:
            rows = connection.execute(
                select(
                    snapshot.c.id,
                    snapshot.c.taken,
                    snapshot_host.c.status,
                    snapshot_host.c.reason,
                    snapshot_host.c.facts,
                )
                .join_from(snapshot_host, snapshot)
                .where(snapshot_host.c.host == host)
                .order_by(snapshot.c.number.desc())
                .limit(limit)
            ).all()
        return [
            HostHistory(
                snapshot=row.id,
                taken=row.taken,
                status=HostStatus(row.status),
                reason=row.reason,
                facts_digest=row.facts or "",
            )
            for row in rows
        ]

    def latest_of_every_host(self) -> Iterator[KnownHost]:
        """The newest facts of every host that has any, by name; imported hosts too.

        Equal packages are one object, and equal software is one tuple, over all hosts.
        """
        systems: dict[object, str] = {}
        with self._transactions.read() as connection:
            loader = Loader(RecordReader(connection))
            rows = connection.execute(_newest_facts()).all()
            for batch in _batches(rows):
                pairs = _fetch(connection, loader, {row.facts for row in batch})
                for row in batch:
                    software, system = pairs[row.facts]
                    host_facts = loader.facts(row.facts, software, system)
                    system_key = (host_facts.os, host_facts.manager)
                    if system_key not in systems:
                        systems[system_key] = canonical.digest(system_key)
                    yield KnownHost(
                        name=row.host,
                        snapshot=row.id,
                        taken=row.taken,
                        imported=row.id.startswith(IMPORT_PREFIX),
                        software=f"{software} {systems[system_key]}",
                        facts=host_facts,
                    )
                loader.forget_systems()

    def last_looks(self) -> builtins.list[LastLook]:
        """How the last look at every host ended, by name; reads no facts."""
        with self._transactions.read() as connection:
            newest = {row.host: row for row in connection.execute(_newest_facts())}
            rows = connection.execute(_newest_rows()).all()
        return [
            LastLook(
                host=row.host,
                snapshot=row.id,
                taken=row.taken,
                status=HostStatus(row.status),
                reason=row.reason,
                facts_digest=newest[row.host].facts if row.host in newest else "",
                facts_snapshot=newest[row.host].id if row.host in newest else "",
            )
            for row in rows
        ]

    def newest_results(self) -> Iterator[HostResult]:
        """The result of the newest discovery or import of every host, by name."""
        with self._transactions.read() as connection:
            loader = Loader(RecordReader(connection))
            for batch in _batches(connection.execute(_newest_rows()).all()):
                pairs = _fetch(connection, loader, {row.facts for row in batch if row.facts})
                facts_by_digest = {
                    digest: loader.facts(digest, *pair) for digest, pair in pairs.items()
                }
                yield from (_result(row, facts_by_digest) for row in batch)
                loader.forget_systems()

    def undiscovered(self) -> dict[str, str]:
        """Host -> why its latest discovery failed, for every host where it did."""
        latest = (
            select(snapshot_host.c.host, func.max(snapshot_host.c.snapshot).label("number"))
            .group_by(snapshot_host.c.host)
            .subquery()
        )
        query = select(snapshot_host.c.host, snapshot_host.c.reason).join_from(
            latest,
            snapshot_host,
            (snapshot_host.c.host == latest.c.host) & (snapshot_host.c.snapshot == latest.c.number),
        )
        with self._transactions.read() as connection:
            rows = connection.execute(query.where(snapshot_host.c.facts.is_(None))).all()
        return {row.host: row.reason for row in rows}

    def systems(self) -> set[OsRelease]:
        """The distinct operating systems of all hosts by their newest facts; reads nothing else."""
        newest = _newest_facts().subquery()
        parts = select(facts.c.system).join(newest, facts.c.digest == newest.c.facts)
        query = select(blob.c.digest, blob.c.data).where(blob.c.digest.in_(parts))
        with self._transactions.read() as connection:
            return {os_of(digest, data) for digest, data in connection.execute(query)}

    def facts(self, digest: str) -> HostFacts:
        """Facts by their digest. Raises NotFoundError."""
        with self._transactions.read() as connection:
            facts_by_digest = _load_facts(connection, {digest})
        if digest not in facts_by_digest:
            raise NotFoundError(f"there are no facts {digest}", hint="run `patchctl discover`")
        return facts_by_digest[digest]


def _headers(snapshot_id: str | None = None) -> Any:
    query = select(snapshot)
    if snapshot_id is not None:
        return query.where(snapshot.c.id == snapshot_id)
    return query.order_by(snapshot.c.number.desc())


def _newest_facts() -> Any:
    """(host, facts, snapshot id, taken) of the newest snapshot that has facts of the host."""
    newest = (
        select(snapshot_host.c.host, func.max(snapshot_host.c.snapshot).label("number"))
        .where(snapshot_host.c.facts.is_not(None))
        .group_by(snapshot_host.c.host)
        .subquery()
    )
    return (
        select(snapshot_host.c.host, snapshot_host.c.facts, snapshot.c.id, snapshot.c.taken)
        .join(
            newest,
            (snapshot_host.c.host == newest.c.host) & (snapshot_host.c.snapshot == newest.c.number),
        )
        .join(snapshot, snapshot.c.number == snapshot_host.c.snapshot)
        .order_by(snapshot_host.c.host)
    )


def _newest_rows() -> Any:
    """The row of the newest snapshot of each host, with the snapshot's id and time."""
    newest = (
        select(snapshot_host.c.host, func.max(snapshot_host.c.snapshot).label("number"))
        .group_by(snapshot_host.c.host)
        .subquery()
    )
    return (
        select(snapshot_host, snapshot.c.id, snapshot.c.taken)
        .join(
            newest,
            (snapshot_host.c.host == newest.c.host) & (snapshot_host.c.snapshot == newest.c.number),
        )
        .join(snapshot, snapshot.c.number == snapshot_host.c.snapshot)
        .order_by(snapshot_host.c.host)
    )


def _refuse_known(connection: Connection, snapshot_id: str) -> None:
    query = select(snapshot.c.id).where(snapshot.c.id == snapshot_id)
    if connection.scalar(query) is not None:
        raise ConflictError(f"snapshot {snapshot_id} exists already", hint="discover again")


def _with_digest(host: HostResult, parts: FactsParts | None) -> HostResult:
    return host if parts is None else msgspec.structs.replace(host, facts_digest=parts.digest)


def _store_facts(
    connection: Connection, records: RecordWriter, parts: dict[str, FactsParts]
) -> None:
    new = [parts[digest] for digest in _missing(connection, facts, parts)]
    software, system = (
        {parts_of_host.software: parts_of_host for parts_of_host in new},
        {parts_of_host.system: parts_of_host for parts_of_host in new},
    )
    blobs = [
        {"digest": digest, "data": records.pack(software[digest].lists())}
        for digest in _missing(connection, blob, software)
    ]
    blobs += [
        {"digest": digest, "data": zlib.compress(system[digest].system_json)}
        for digest in _missing(connection, blob, system)
    ]
    rows = [
        {"digest": part.digest, "software": part.software, "system": part.system} for part in new
    ]
    if blobs:
        connection.execute(insert(blob), blobs)
    if rows:
        connection.execute(insert(facts), rows)


def _missing(connection: Connection, table: Table, digests: Iterable[str]) -> builtins.list[str]:
    ordered = sorted(digests)
    stored: set[str] = set()
    for batch in _batches(ordered):
        stored.update(connection.scalars(select(table.c.digest).where(table.c.digest.in_(batch))))
    return [digest for digest in ordered if digest not in stored]


def _store_header(connection: Connection, taken: Snapshot) -> int:
    counts = dict.fromkeys(HostStatus, 0)
    for host in taken.hosts:
        counts[host.status] += 1
    connection.execute(
        insert(snapshot).values(
            id=taken.id,
            taken=taken.taken,
            elapsed_ms=taken.elapsed_ms,
            ok=counts[HostStatus.OK],
            unreachable=counts[HostStatus.UNREACHABLE],
            failed=counts[HostStatus.FAILED],
        )
    )
    number = connection.scalar(select(func.max(snapshot.c.number)))
    return int(number or 0)


def _row(number: int, position: int, host: HostResult) -> dict[str, Any]:
    return {
        "snapshot": number,
        "position": position,
        "host": host.name,
        "status": host.status.value,
        "reason": host.reason,
        "facts": host.facts_digest or None,
        "elapsed_ms": host.elapsed_ms,
    }


def _load_facts(connection: Connection, digests: set[str]) -> dict[str, HostFacts]:
    """Facts by digest. Each blob is fetched and decoded once, however many hosts share it."""
    loader = Loader(RecordReader(connection))
    pairs = _fetch(connection, loader, digests)
    return {digest: loader.facts(digest, *pair) for digest, pair in pairs.items()}


def _fetch(connection: Connection, loader: Loader, digests: set[str]) -> dict[str, tuple[str, str]]:
    """Digest of facts -> digests of its two blobs, which the loader has afterwards."""
    pairs: dict[str, tuple[str, str]] = {}
    for batch in _batches(sorted(digests)):
        for row in connection.execute(select(facts).where(facts.c.digest.in_(batch))):
            pairs[row.digest] = (row.software, row.system)
    unread = {digest for pair in pairs.values() for digest in pair if not loader.holds(digest)}
    for batch in _batches(sorted(unread)):
        for row in connection.execute(select(blob).where(blob.c.digest.in_(batch))):
            loader.add(row.digest, row.data)
    return pairs


def _result(row: Any, facts_by_digest: dict[str, HostFacts]) -> HostResult:
    return HostResult(
        name=row.host,
        status=HostStatus(row.status),
        reason=row.reason,
        facts=facts_by_digest[row.facts] if row.facts else None,
        facts_digest=row.facts or "",
        elapsed_ms=row.elapsed_ms,
    )


def _batches(values: Sequence[T]) -> Iterable[Sequence[T]]:
    return (values[start : start + _MANY] for start in range(0, len(values), _MANY))
