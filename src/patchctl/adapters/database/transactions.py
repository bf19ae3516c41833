"""Run transactions over one database; every store gets them, and knows nothing else of it."""

import contextlib
import threading
from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from . import engine as engines
from .errors import translated


class Transactions:
    """Read and write transactions. Safe to use from several threads; not across fork.

    `name` is the database's name in messages. Both methods raise PatchctlError instead of the
    errors of SQLAlchemy and of the driver.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._reading = engine
        self._writing = engines.for_writing(engine)
        self._name = name
        self._local = threading.local()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees the state of one moment."""
        with self._transaction(self._reading) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning.

        Inside another one on the same thread it is part of that one, so that a workflow can join
        steps of several stores.
        """
        with self._transaction(self._writing, joins=True) as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, engine: Engine, *, joins: bool = False) -> Iterator[Connection]:
        outer: Connection | None = getattr(self._local, "connection", None)
        if outer is not None:
            yield outer
            return
        with translated(self._name), engine.begin() as connection:
            if joins:
                self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None
