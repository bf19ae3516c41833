"""The state database: one object that holds the stores."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from ...errors import IntegrityError, NotFoundError
from .. import clock, files
from . import engine as engines
from . import upgrade
from .audit_head import AuditHead
from .errors import translated
from .journal import JournalReader, JournalWriter
from .leases import Leases
from .mailbox import Mailbox
from .meta import Meta
from .plans import Plans
from .proofs import Proofs
from .runs import Runs
from .snapshots import Snapshots


class Database:
    """Durable state. Every change is one transaction: whole or not at all.

    `where` is the path of an SQLite file or a database URL; `now_ms` gives epoch milliseconds.
    All methods of all stores raise PatchctlError: ConflictError where another process writes for
    too long, AdapterError where the disk is full or not readable, IntegrityError where the file
    is damaged. Safe to use from several threads; not across fork.
    """

    def __init__(self, where: Path | str, *, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._url = engines.url_of(where)
        self._engine = engines.make_engine(self._url)
        self._writer = engines.for_writing(self._engine)
        self._local = threading.local()
        self._now_ms = now_ms
        self.snapshots = Snapshots(self)
        self.plans = Plans(self)
        self.runs = Runs(self)
        self.leases = Leases(self)
        self.mailbox = Mailbox(self)
        self.proofs = Proofs(self)
        self.audit_head = AuditHead(self)
        self.meta = Meta(self)

    @property
    def name(self) -> str:
        """How messages call it: the file, or the address without its password."""
        return str(self.file) if self.file else self._url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server's database."""
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            return None
        return Path(self._url.database)

    def open(self, *, create: bool = True) -> Self:
        """Check the schema's version; make or migrate the schema where needed.

        Raises NotFoundError where there is no state yet and `create` is False, ConflictError
        where a newer patchctl wrote it, InvalidInputError where the file is something else.
        """
        file = self.file
        if file is not None:
            _refuse_strange(file)
            if not create and _is_empty(file):  # SQLite would write into it
                raise NotFoundError(f"{file}: no state yet", hint="run `patchctl discover` first")
            files.private_folder(file.parent)
            # SQLite gives its -wal and -shm files the mode of the database.
            files.private_file(file)
        with translated(self.name):
            upgrade.prepare(self._engine, file, create=create)
        return self

    def close(self) -> None:
        """Give the connections back. Nothing is lost without it."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def journal(self, run: str, fence: int) -> JournalWriter:
        """The journal for the controller that holds the run with this fence."""
        return JournalWriter(self, run, fence, self._now_ms)

    def journal_reader(self) -> JournalReader:
        """The journal for everybody else."""
        return JournalReader(self)

    def now_s(self) -> int:
        """Epoch seconds, UTC."""
        return self._now_ms() // 1000

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment."""
        with self._transaction(self._engine) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning.

        Inside of another one on the same thread it is part of that one, so that a workflow can
        join steps of several stores: `with database.write(): ...`.
        """
        with self._transaction(self._writer, joins=True) as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, engine: Engine, *, joins: bool = False) -> Iterator[Connection]:
        outer: Connection | None = getattr(self._local, "connection", None)
        if outer is not None:
            yield outer
            return
        with translated(self.name), engine.begin() as connection:
            if joins:
                self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None


def _is_empty(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def _refuse_strange(file: Path) -> None:
    """Raise IntegrityError for a link, a FIFO and what else is no file."""
    if file.is_symlink() or (file.exists() and not file.is_file()):
        what = "a symbolic link" if file.is_symlink() else "no regular file"
        raise IntegrityError(
            f"{file}: the state database is {what}", hint="put the database itself there"
        )
