"""Why the last look at a host brought nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from .schema import snapshot_host

if TYPE_CHECKING:
    from .database import Database


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
