"""Define the tables as they are now. A change here needs a migration and a new VERSION.

`tests/unit/adapters/database/test_database_open.py` compares them with what migrations make.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = "0003"

metadata = MetaData()

# 64 bit everywhere; SQLite makes only a column declared INTEGER its row number.
_Number = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table(
    # Alembic's own table and column, so that Alembic is needed only for a migration.
    "alembic_version",
    metadata,
    Column("version_num", String(32), primary_key=True),
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

counter = Table(
    # A row that every appender updates: its lock orders them, on PostgreSQL as on SQLite.
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

record = Table(
    # Packages, pending updates and repositories, each distinct one once: pages of them as JSON, one
    # a line, zlib-compressed. They are numbered consecutively; `first` is that of a page's first.
    "record",
    metadata,
    Column("first", _Number, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

blob = Table(
    # Content by the SHA-256 of its JSON. `data` is that JSON, zlib-compressed; for blobs that
    # `facts.software` names, the numbers of the records (packing.py).
    "blob",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("software", Text, ForeignKey("blob.digest"), nullable=False),
    Column("system", Text, ForeignKey("blob.digest"), nullable=False),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("taken", BigInteger, nullable=False),
    Column("elapsed_ms", BigInteger, nullable=False),
    Column("ok", Integer, nullable=False),
    Column("unreachable", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)

snapshot_host = Table(
    "snapshot_host",
    metadata,
    Column("snapshot", _Number, ForeignKey("snapshot.number"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("host", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("facts", Text, ForeignKey("facts.digest")),
    Column("elapsed_ms", BigInteger, nullable=False),
    Index("snapshot_host_by_host", "host", "snapshot"),
)

plan = Table(
    "plan",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("hosts", Integer, nullable=False),
    Column("transitions", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

run = Table(
    # `holder` is the ProcessIdentity of the controller as JSON, NULL where nobody holds the run.
    "run",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("hosts", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text),
    Column("held_by", Text, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),
    Column("run", Text, ForeignKey("run.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Index("journal_by_run", "run", "seq"),
)

host_lease = Table(
    "host_lease",
    metadata,
    Column("host", Text, primary_key=True),
    Column("run", Text, ForeignKey("run.id"), nullable=False),
)

command = Table(
    "command",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("run", Text, ForeignKey("run.id"), nullable=False),
    Column("command", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("ring", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("taken", Boolean, nullable=False),
    Index("command_by_run", "run", "id"),
)

proof = Table(
    # A transition with which a host of the ring has succeeded, in any run.
    "proof",
    metadata,
    Column("key", Text, primary_key=True),
    Column("ring", Text, primary_key=True),
    Column("run", Text, ForeignKey("run.id"), nullable=False),
)

audit_head = Table(
    # One row: the last record that is durable in the audit log's files.
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

history_host = Table(
    # Every host that was ever assessed. `looked` is the number of the snapshot judged last.
    "history_host",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("ring", Text, nullable=False),
    Column("looked", BigInteger, nullable=False),
    Column("there", Boolean, nullable=False),
    Column("silent", Boolean, nullable=False),
)

history_subject = Table(
    # A CVE in a source package, as the feeds told of it last; empty dates are not known.
    "history_subject",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("cve", Text, nullable=False),
    Column("package", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("kev", Boolean, nullable=False),
    Column("published", Text, nullable=False),
    Column("fix_published", Text, nullable=False),
    Index("history_subject_by_cve", "cve", "package", unique=True),
)

host_set = Table(
    # A set of hosts by the SHA-256 of its content: a bit a host, zlib-compressed (host_sets.py).
    "host_set",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
)

spell = Table(
    # A time in which a finding stood alike on a set of hosts; models/history.py. Times are epoch
    # seconds, 0 where there is none; `until` is 0 while the spell lasts.
    "spell",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("subject", _Number, ForeignKey("history_subject.number"), nullable=False),
    Column("hosts", _Number, ForeignKey("host_set.number"), nullable=False),
    Column("state", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("excluded", Boolean, nullable=False),
    Column("due", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("fix_seen", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("ending", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Index("spell_by_until", "until"),
    Index("spell_by_subject", "subject"),
    Index("spell_by_hosts", "hosts"),
)

day_figures = Table(
    # `figures` is JSON; ring "" has the hosts without a ring.
    "day_figures",
    metadata,
    Column("day", Text, primary_key=True),
    Column("ring", Text, primary_key=True),
    Column("figures", Text, nullable=False),
)
