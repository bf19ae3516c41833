"""Connect to the database with the durability that the journal promises."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from ...errors import InvalidInputError

BUSY_TIMEOUT_S = 30
_WRITES = "patchctl_writes"


def url_of(where: Path | str) -> URL:
    """The address of a database: a path is an SQLite file."""
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    if "://" not in where:
        return URL.create("sqlite", database=where)
    try:
        return make_url(where)
    except ArgumentError as error:
        raise InvalidInputError(
            "this is not a database address", where="state", hint="give a folder or a URL"
        ) from error


def make_engine(url: URL) -> Engine:
    """An engine whose transactions only read; see `for_writing`."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same connections; transactions take the write lock when they begin.

    A deferred transaction that reads first and writes later fails at once, whatever the timeout,
    when somebody else wrote in between (SQLITE_BUSY_SNAPSHOT).
    """
    return engine.execution_options(**{_WRITES: True})


def _prepare(connection: Any, _record: Any) -> None:
    # The driver's own implicit BEGIN comes too late and never for SELECT or DDL:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-transactions
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
