"""Translate every error of the database's libraries into one line that a user can act upon."""

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...errors import AdapterError, ConflictError, IntegrityError, InvalidInputError, PatchctlError

# https://www.sqlite.org/rescode.html; the low byte of an extended code is the primary one.
_NO_ROOM = {sqlite3.SQLITE_FULL}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT}
_FOREIGN = {sqlite3.SQLITE_NOTADB}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_SAFE = "nothing was changed by this command since its last finished step"


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise PatchctlError instead of SQLAlchemy's and the driver's errors."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(where, error.orig or error) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _explain(where, error) from error


def _explain(where: str, error: BaseException) -> PatchctlError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _NO_ROOM:
        return AdapterError(f"{where}: the disk is full; {_SAFE}", hint="free space and resume")
    if code in _BUSY:
        return ConflictError(
            f"{where}: another patchctl is writing for too long", hint="wait and try again"
        )
    if code in _DAMAGED:
        return IntegrityError(
            f"{where}: the state database is damaged ({error})",
            hint="restore it from a backup; `sqlite3 FILE .recover` saves what is readable",
        )
    if code in _FOREIGN:
        return InvalidInputError(
            "this file is not a database", where=where, hint="move it away or correct `state:`"
        )
    if code in _DENIED:
        return AdapterError(f"{where}: {error}", hint="check the folder's owner and mode")
    return AdapterError(f"{where}: {_first_line(error)}", hint=_SAFE)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
