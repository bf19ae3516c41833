"""Check the schema's version: create a new schema, or migrate an older one.

Alembic is imported only for a migration: that costs more than a whole `rollout status`.
"""

import sqlite3
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, inspect, select

from ...errors import AdapterError, ConflictError, IntegrityError, InvalidInputError, NotFoundError
from .. import files
from . import schema
from .engine import for_writing

_MIGRATIONS = Path(__file__).parent / "migrations"
EMPTY = ""
# Tables of every schema since the first.
_FIRST = {schema.meta.name, schema.counter.name, schema.journal.name, schema.run.name}


def prepare(engine: Engine, file: Path | None, *, create: bool) -> None:
    """Give the database the schema of this patchctl. `file` is None for a server's database.

    Raises NotFoundError where it is empty and must not be created, ConflictError where a newer
    patchctl made it, InvalidInputError where it belongs to another program, IntegrityError where
    its rows were removed.
    """
    with engine.connect() as connection:
        present = version(connection, str(file or engine.url.render_as_string()))
    if present == schema.VERSION:
        return
    if present == EMPTY and not create:
        raise NotFoundError(
            f"{file or engine.url.database}: no state yet", hint="run `patchctl discover` first"
        )
    if file is None:
        _change(engine, None)
        return
    with files.locked(file.with_name(f"{file.name}.lock")):
        _change(engine, file)


def version(connection: Connection, where: str) -> str:
    """The schema's version; EMPTY where there are no tables at all."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return EMPTY
    if schema.schema_version.name not in tables:
        raise InvalidInputError(
            "this database belongs to another program", where=where, hint="correct `state:`"
        )
    number = str(connection.scalar(select(schema.schema_version.c.version_num)) or "0000")
    if number == "0000" and set(tables) >= _FIRST:  # they and the version came in one transaction
        raise IntegrityError(
            f"{where}: the state database was emptied", hint="restore it from a backup"
        )
    if number > schema.VERSION:
        raise ConflictError(
            f"{where}: the state has schema {number}, this patchctl knows up to {schema.VERSION}",
            hint="use the patchctl that wrote it, or a newer one",
        )
    return number


def _change(engine: Engine, file: Path | None) -> None:
    # Ask again: whoever held the lock before may have changed the schema already.
    with engine.connect() as connection:
        present = version(connection, str(file or engine.url.render_as_string()))
    if present == EMPTY:
        _make(engine)
    elif present != schema.VERSION:
        copy = _back_up(engine, file, present) if file is not None else None
        try:
            _migrate(engine)
        except Exception as error:  # a migration is code of its own: whatever it raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            saved = f" and a copy of it lies in {copy}" if copy is not None else ""
            raise AdapterError(
                f"{file or engine.url.database}: the state cannot be brought from schema {present}"
                f" to {schema.VERSION}: {reason}",
                hint=f"it is as it was{saved}; use the patchctl that wrote it until that is fixed",
            ) from error


def _make(engine: Engine) -> None:
    with for_writing(engine).begin() as connection:
        schema.metadata.create_all(connection, checkfirst=False)
        connection.execute(schema.schema_version.insert().values(version_num=schema.VERSION))


def _back_up(engine: Engine, file: Path, present: str) -> Path:
    """Make a whole, durable copy beside the file before anything changes."""
    target = file.with_name(f"{file.name}.schema-{present}.backup")
    new = file.with_name(f"{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        files.private_file(new)
        with engine.connect() as connection:
            # VACUUM INTO takes no part in a transaction; an empty target is allowed.
            driver = cast(sqlite3.Connection, connection.connection.driver_connection)
            driver.execute("VACUUM INTO ?", (str(new),))
        files.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
    return target


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    # One transaction for all steps: SQLite and PostgreSQL can both undo DDL.
    with for_writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, schema.VERSION)
