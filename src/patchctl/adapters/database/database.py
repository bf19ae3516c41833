"""Open the state database and give access to its stores."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import IntegrityError, NotFoundError
from .. import clock, files
from . import engine as engines
from . import upgrade
from .audit_head import AuditHead
from .errors import translated
from .history import History
from .journal import JournalReader, JournalWriter
from .leases import Leases
from .mailbox import Mailbox
from .meta import Meta
from .plans import Plans
from .proofs import Proofs
from .runs import Runs
from .snapshots import Snapshots
from .transactions import Transactions


class Database:
    """Durable state. Every change is one transaction: whole or not at all.

    `where` is the path of an SQLite file or a database URL; `now_ms` returns epoch milliseconds.
    All methods of all stores raise PatchctlError: ConflictError where another process writes for
    too long, AdapterError where the disk is full or not readable, IntegrityError where the file
    is damaged. Safe to use from several threads; not across fork.
    """

    def __init__(self, where: Path | str, *, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._url = engines.url_of(where)
        self._engine = engines.make_engine(self._url)
        self._now_ms = now_ms
        self.transactions = Transactions(self._engine, self.name)
        self.snapshots = Snapshots(self.transactions)
        self.plans = Plans(self.transactions)
        self.runs = Runs(self.transactions)
        self.leases = Leases(self.transactions)
        self.mailbox = Mailbox(self.transactions)
        self.proofs = Proofs(self.transactions)
        self.audit_head = AuditHead(self.transactions)
        self.meta = Meta(self.transactions)
        self.history = History(self.transactions)

    @property
    def name(self) -> str:
        """The name in messages: the file, or the address without its password."""
        return str(self.file) if self.file else self._url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server's database."""
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            return None
        return Path(self._url.database)

    def open(self, *, create: bool = True) -> Self:
        """Check the schema's version; create or migrate the schema where needed.

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
        """Close the connections. Nothing is lost without it."""
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
        return JournalWriter(self.transactions, run, fence, self._now_ms)

    def journal_reader(self) -> JournalReader:
        """The journal for everybody else."""
        return JournalReader(self.transactions)

    def now_s(self) -> int:
        """The time now in epoch seconds, UTC."""
        return self._now_ms() // 1000

    def write(self) -> AbstractContextManager[object]:
        """One transaction around steps of several stores: whole or not at all."""
        return self.transactions.write()


def _is_empty(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def _refuse_strange(file: Path) -> None:
    """Raise IntegrityError where the path is a link, a FIFO or another thing that is no file."""
    if file.is_symlink() or (file.exists() and not file.is_file()):
        what = "a symbolic link" if file.is_symlink() else "no regular file"
        raise IntegrityError(
            f"{file}: the state database is {what}", hint="put the database itself there"
        )
