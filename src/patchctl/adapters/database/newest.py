"""The newest that is known of every host: of most the last discovery's, of others what an earlier
one or an import said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ...models.base import Model
from ...models.facts import HostFacts
from .blobs import Loader
from .schema import blob, facts, snapshot, snapshot_host

if TYPE_CHECKING:
    from .database import Database


class Seen(Model):
    """A host's newest facts. `taken` is epoch seconds UTC; `software` is equal for hosts with the
    same packages, pending updates, repositories and system."""

    name: str
    snapshot: str
    taken: int
    software: str
    facts: HostFacts


def seen(database: Database) -> Iterator[Seen]:
    """Every host of which facts are known, by name. Each stored blob is decoded once."""
    last = (
        select(snapshot_host.c.host, func.max(snapshot_host.c.snapshot).label("number"))
        .where(snapshot_host.c.facts.is_not(None))
        .group_by(snapshot_host.c.host)
        .subquery()
    )
    query = (
        select(
            snapshot_host.c.host,
            snapshot.c.id,
            snapshot.c.taken,
            facts.c.software,
            facts.c.system,
        )
        .join_from(
            last,
            snapshot_host,
            (snapshot_host.c.host == last.c.host) & (snapshot_host.c.snapshot == last.c.number),
        )
        .join(snapshot, snapshot.c.number == snapshot_host.c.snapshot)
        .join(facts, facts.c.digest == snapshot_host.c.facts)
        .order_by(snapshot_host.c.host)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
        wanted = sorted({digest for row in rows for digest in (row.software, row.system)})
        loader = Loader()
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            for row in connection.execute(select(blob).where(blob.c.digest.in_(some))):
                loader.add(row.digest, row.data)
    for row in rows:
        known = loader.facts(row.software, row.system)
        yield Seen(
            name=row.host,
            snapshot=row.id,
            taken=row.taken,
            software=f"{row.software} {known.os.id} {known.os.version_id} {known.os.codename}",
            facts=known,
        )


def unseen(database: Database) -> dict[str, str]:
    """Host -> why the last look at it failed, for every host whose last look did."""
    last = (
        select(snapshot_host.c.host, func.max(snapshot_host.c.snapshot).label("number"))
        .group_by(snapshot_host.c.host)
        .subquery()
    )
    query = select(snapshot_host.c.host, snapshot_host.c.reason).join_from(
        last,
        snapshot_host,
        (snapshot_host.c.host == last.c.host) & (snapshot_host.c.snapshot == last.c.number),
    )
    with database.read() as connection:
        rows = connection.execute(query.where(snapshot_host.c.facts.is_(None))).all()
    return {row.host: row.reason for row in rows}
