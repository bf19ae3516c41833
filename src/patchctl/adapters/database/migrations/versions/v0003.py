"""Keep the history of findings, and the figures of every day and ring.

What was not recorded cannot be told later: the history begins with the next assessment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables, empty."""
    _hosts_and_subjects()
    _spells()
    op.create_table(
        "day_figures",
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("ring", sa.Text, primary_key=True),
        sa.Column("figures", sa.Text, nullable=False),
    )


def _hosts_and_subjects() -> None:
    op.create_table(
        "history_host",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("ring", sa.Text, nullable=False),
        sa.Column("looked", sa.BigInteger, nullable=False),
        sa.Column("there", sa.Boolean, nullable=False),
        sa.Column("silent", sa.Boolean, nullable=False),
    )
    op.create_table(
        "history_subject",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("cve", sa.Text, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("kev", sa.Boolean, nullable=False),
        sa.Column("published", sa.Text, nullable=False),
        sa.Column("fix_published", sa.Text, nullable=False),
    )
    op.create_index("history_subject_by_cve", "history_subject", ["cve", "package"], unique=True)


def _spells() -> None:
    op.create_table(
        "host_set",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "spell",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("subject", _NUMBER, sa.ForeignKey("history_subject.number"), nullable=False),
        sa.Column("hosts", _NUMBER, sa.ForeignKey("host_set.number"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("excluded", sa.Boolean, nullable=False),
        sa.Column("due", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("fix_seen", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("ending", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("run_at", sa.BigInteger, nullable=False),
    )
    for column in ("hosts", "subject", "until"):
        op.create_index(f"spell_by_{column}", "spell", [column])
