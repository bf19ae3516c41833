"""Store packages, pending updates and repositories as records, each distinct one once."""

import struct
import zlib
from collections.abc import Iterator
from itertools import chain

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PAGE = 500
_SOFTWARE = sa.text("SELECT DISTINCT software FROM facts ORDER BY software")
_READ = sa.text("SELECT data FROM blob WHERE digest = :digest")
_WRITE = sa.text("UPDATE blob SET data = :data WHERE digest = :digest")

_lists = msgspec.json.Decoder(tuple[tuple[msgspec.Raw, ...], ...])


def upgrade() -> None:
    """Add the table, and replace the lists' JSON by numbers."""
    table = op.create_table(
        "record",
        sa.Column("first", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    connection = op.get_bind()
    numbers: dict[bytes, int] = {}
    for digest in connection.scalars(_SOFTWARE).all():
        data = connection.scalar(_READ, {"digest": digest})
        packed = _packed(bytes(data or b""), numbers)
        connection.execute(_WRITE, {"digest": digest, "data": packed})
    records = list(numbers)
    for first in range(0, len(records), _PAGE):
        page = zlib.compress(b"\n".join(records[first : first + _PAGE]))
        connection.execute(table.insert().values(first=first, data=page))
    if records:
        connection.execute(
            sa.text("INSERT INTO counter (name, value) VALUES ('record', :value)"),
            {"value": len(records)},
        )


def _packed(data: bytes, numbers: dict[bytes, int]) -> bytes:
    """The blob with numbers for its records. A damaged blob stays as it is: whoever reads it gets
    an error, and the others are migrated all the same."""
    try:
        lists = _lists.decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError):
        return data
    packed = [list(_numbered(records, numbers)) for records in lists]
    flat = list(chain.from_iterable(packed))
    steps = [number - before for number, before in zip(flat, (0, *flat), strict=False)]
    return zlib.compress(
        struct.pack(f"<{len(packed)}I", *map(len, packed)) + struct.pack(f"<{len(steps)}i", *steps)
    )


def _numbered(records: tuple[msgspec.Raw, ...], numbers: dict[bytes, int]) -> Iterator[int]:
    return (numbers.setdefault(bytes(record), len(numbers)) for record in records)
