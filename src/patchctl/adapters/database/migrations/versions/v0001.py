"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of schema 0001."""
    _plain()
    _snapshots()
    _plans_and_runs()
    _belonging_to_runs()


def _plain() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def _snapshots() -> None:
    op.create_table(
        "blob",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("software", sa.Text, sa.ForeignKey("blob.digest"), nullable=False),
        sa.Column("system", sa.Text, sa.ForeignKey("blob.digest"), nullable=False),
    )
    op.create_table(
        "snapshot",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("elapsed_ms", sa.BigInteger, nullable=False),
        sa.Column("ok", sa.Integer, nullable=False),
        sa.Column("unreachable", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
    )
    op.create_table(
        "snapshot_host",
        sa.Column("snapshot", _NUMBER, sa.ForeignKey("snapshot.number"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, sa.ForeignKey("facts.digest")),
        sa.Column("elapsed_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("snapshot_host_by_host", "snapshot_host", ["host", "snapshot"])


def _plans_and_runs() -> None:
    op.create_table(
        "plan",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("hosts", sa.Integer, nullable=False),
        sa.Column("transitions", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("hosts", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("held_by", sa.Text, nullable=False),
    )


def _belonging_to_runs() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
    )
    op.create_index("journal_by_run", "journal", ["run", "seq"])
    op.create_table(
        "host_lease",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False),
    )
    op.create_table(
        "proof",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("ring", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False),
    )
    op.create_table(
        "command",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("ring", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("taken", sa.Boolean, nullable=False),
    )
    op.create_index("command_by_run", "command", ["run", "id"])
