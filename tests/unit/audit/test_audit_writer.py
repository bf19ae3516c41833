"""The log follows the journal, also after crashes, and never hides that a record is missing."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.adapters.processes import own
from patchctl.audit import chain, tail, writer
from patchctl.audit.verify import verify
from patchctl.audit.writer import AuditWriter
from patchctl.errors import IntegrityError
from patchctl.models.audit import AuditVerdict, StoredEntry
from patchctl.models.journal import HostMoved
from patchctl.models.rollout import HostState
from patchctl.rollout.interfaces import EventSink
from patchctl.workflows import audit as workflow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state.db").open() as opened:
        opened.runs.create("r-1", "sha256:p", 3, 100, "ann")
        opened.leases.take("r-1", own(), lambda _: False, "ann")
        yield opened


def append(database: Database, number: int) -> None:
    events = [HostMoved(host=f"h{n}", attempt=1, to=HostState.APPLY) for n in range(number)]
    database.journal("r-1", 1).append("r-1", events)


def check(folder: Path, database: Database) -> AuditVerdict:
    return workflow.verify(AuditFiles(folder), lambda: database)


class TestFollowing:
    def test_catching_up_writes_what_is_new_and_only_that(
        self, database: Database, tmp_path: Path
    ) -> None:
        writer = AuditWriter(AuditFiles(tmp_path / "audit"), database)
        assert writer.catch_up() == 0
        append(database, 3)
        assert writer.catch_up() == 3
        assert writer.catch_up() == 0
        append(database, 1)
        assert AuditWriter(AuditFiles(tmp_path / "audit"), database).catch_up() == 1
        assert writer.catch_up() == 0
        append(database, 1)
        assert writer.catch_up() == 1
        verdict = check(tmp_path / "audit", database)
        assert (verdict.ok, verdict.records, verdict.behind) == (True, 5, 0)
        assert database.audit_head.get() == (5, verdict.head)

    def test_files_are_private_and_have_a_fixed_number_of_records(
        self, database: Database, tmp_path: Path
    ) -> None:
        folder = tmp_path / "audit"
        append(database, 7)
        AuditWriter(AuditFiles(folder), database, file_records=3).catch_up()
        files = sorted(folder.glob("*.jsonl"))
        assert [path.name for path in files] == [
            "000000000001.jsonl",
            "000000000004.jsonl",
            "000000000007.jsonl",
        ]
        assert [len(path.read_bytes().splitlines()) for path in files] == [3, 3, 1]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_as_an_event_sink_it_writes_in_the_background(
        self, database: Database, tmp_path: Path
    ) -> None:
        writer = AuditWriter(AuditFiles(tmp_path / "audit"), database)
        sink: EventSink = writer
        with writer:
            for _ in range(5):
                append(database, 2)
                for entry in database.journal_reader().read("r-1"):
                    sink.on_entry(entry)
        assert writer.error is None
        verdict = check(tmp_path / "audit", database)
        assert (verdict.ok, verdict.records, verdict.behind) == (True, 10, 0)

    def test_two_writers_take_turns(self, database: Database, tmp_path: Path) -> None:
        odd = AuditWriter(AuditFiles(tmp_path / "audit"), database, file_records=3)
        even = AuditWriter(AuditFiles(tmp_path / "audit"), database, file_records=3)
        for number in range(1, 6):
            append(database, number)
            assert (odd if number % 2 else even).catch_up() == number
        lines = (tmp_path / "audit").glob("*.jsonl")
        assert sum(len(path.read_bytes().splitlines()) for path in lines) == 15


class TestRefusing:
    """Records that were on disk and are missing are never written again silently."""

    def damage(self, database: Database, tmp_path: Path) -> tuple[Path, Path]:
        append(database, 5)
        AuditWriter(AuditFiles(tmp_path / "audit"), database).catch_up()
        return tmp_path / "audit", tmp_path / "audit" / "000000000001.jsonl"

    def test_a_shortened_file(self, database: Database, tmp_path: Path) -> None:
        folder, file = self.damage(database, tmp_path)
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
        short = file.read_bytes()
        append(database, 1)
        with pytest.raises(IntegrityError, match="ends before record 5"):
            AuditWriter(AuditFiles(folder), database).catch_up()
        assert file.read_bytes() == short
        assert check(folder, database).error == "the log ends with record 3, 5 were written"

    def test_a_missing_file(self, database: Database, tmp_path: Path) -> None:
        folder, file = self.damage(database, tmp_path)
        file.unlink()
        with pytest.raises(IntegrityError, match="ends before record 5"):
            AuditWriter(AuditFiles(folder), database).catch_up()
        assert not file.exists()

    def test_a_changed_last_record(self, database: Database, tmp_path: Path) -> None:
        folder, file = self.damage(database, tmp_path)
        file.write_bytes(file.read_bytes().replace(b'"h4"', b'"h5"'))
        with pytest.raises(IntegrityError, match=r"jsonl:5: its content does not have its hash"):
            AuditWriter(AuditFiles(folder), database).catch_up()

    def test_the_log_of_another_database(self, database: Database, tmp_path: Path) -> None:
        folder, file = self.damage(database, tmp_path)
        before = file.read_bytes()
        with Database(tmp_path / "new" / "state.db").open() as other:
            with pytest.raises(IntegrityError, match="the journal has no such entry"):
                AuditWriter(AuditFiles(folder), other).catch_up()
            assert not check(folder, other).ok
        assert file.read_bytes() == before

    def test_a_failure_in_the_background_is_told_and_does_no_harm(
        self, database: Database, tmp_path: Path
    ) -> None:
        folder, file = self.damage(database, tmp_path)
        file.unlink()
        with AuditWriter(AuditFiles(folder), database) as writer:
            append(database, 1)
            for entry in database.journal_reader().read("r-1"):
                writer.on_entry(entry)
        assert isinstance(writer.error, IntegrityError)


class TestRebuilding:
    def test_a_damaged_log_is_written_anew_and_kept(
        self, database: Database, tmp_path: Path
    ) -> None:
        folder = tmp_path / "audit"
        append(database, 5)
        AuditWriter(AuditFiles(folder), database).catch_up()
        file = folder / "000000000001.jsonl"
        good = file.read_bytes()
        file.write_bytes(b"gone")
        append(database, 1)
        written, aside = workflow.rebuild(AuditFiles(folder), lambda: database)
        assert written == 6
        assert (aside / file.name).read_bytes() == b"gone"
        assert file.read_bytes().startswith(good)
        assert check(folder, database).ok

    def test_not_from_a_journal_that_was_changed(self, database: Database, tmp_path: Path) -> None:
        folder = tmp_path / "audit"
        append(database, 5)
        AuditWriter(AuditFiles(folder), database).catch_up()
        with database.transactions.write() as connection:
            connection.exec_driver_sql("UPDATE journal SET at = at + 1 WHERE seq = 2")
        good = (folder / "000000000001.jsonl").read_bytes()
        with pytest.raises(IntegrityError, match="the journal does not give"):
            workflow.rebuild(AuditFiles(folder), lambda: database)
        assert (folder / "000000000001.jsonl").read_bytes() == good
        verdict = check(folder, database)
        assert not verdict.ok
        assert "jsonl:2: record 2 is not what the journal says" in verdict.error


class FakeJournal:
    """A journal in memory."""

    def __init__(self) -> None:
        self.entries: list[StoredEntry] = []

    def stored(self, after: int = 0) -> Iterator[StoredEntry]:
        yield from self.entries[after:]


class FakeState:
    """Head and journal in memory."""

    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.head: tuple[int, str] | None = None

    @property
    def audit_head(self) -> "FakeState":
        return self

    def journal_reader(self) -> FakeJournal:
        return self.journal

    def get(self) -> tuple[int, str] | None:
        return self.head

    def set(self, seq: int, digest: str) -> None:
        self.head = (seq, digest)

    def grow(self, number: int) -> None:
        for _ in range(number):
            seq = len(self.journal.entries) + 1
            entry = StoredEntry(seq=seq, run="r", at=seq, event='{"kind":"run-moved"}')
            self.journal.entries.append(entry)


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(0, 7),
    more=st.integers(1, 7),
    reached=st.floats(0, 1),
    debris=st.sampled_from([b"", b"\0" * 40, b'{"at":3,"ev', b"\xff\n\n{}\n"]),
)
def test_wherever_a_crash_comes_the_log_is_the_same_afterwards(
    tmp_path_factory: pytest.TempPathFactory, before: int, more: int, reached: float, debris: bytes
) -> None:
    """A writer may die at any byte between the head and the end of what it wrote."""
    undisturbed, crashed = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    state = FakeState()
    for folder in (undisturbed, crashed):
        state.head, state.journal.entries = None, []
        state.grow(before)
        AuditWriter(AuditFiles(folder), state, file_records=3).catch_up()
    head = state.head
    state.grow(more)
    AuditWriter(AuditFiles(crashed), state, file_records=3).catch_up()
    # Undo a part of the last file's new bytes, as if the machine had stopped there.
    seq = (head or tail.NOTHING)[0]
    first_file = crashed / f"{seq // 3 * 3 + 1:012}.jsonl"
    start = b"".join(first_file.read_bytes().splitlines(keepends=True)[: seq % 3])
    new = first_file.read_bytes()[len(start) :]
    for path in crashed.glob("*.jsonl"):
        if path.name > first_file.name:
            path.unlink()
    first_file.write_bytes(start + new[: round(len(new) * reached)] + debris)
    state.head = head
    AuditWriter(AuditFiles(crashed), state, file_records=3).catch_up()
    state.head = head
    AuditWriter(AuditFiles(undisturbed), state, file_records=3).catch_up()
    for path in undisturbed.glob("*.jsonl"):
        assert (crashed / path.name).read_bytes() == path.read_bytes()
    lines = AuditFiles(crashed).lines()
    assert verify(lines, state.journal.stored(), state.head, 3).ok


def test_batches_are_smaller_than_a_page_of_a_file(tmp_path: Path) -> None:
    state = FakeState()
    state.grow(2 * writer.BATCH + 5)
    assert AuditWriter(AuditFiles(tmp_path), state).catch_up() == 2 * writer.BATCH + 5
    assert state.head is not None
    assert state.head[0] == 2 * writer.BATCH + 5
    lines = (tmp_path / "000000000001.jsonl").read_bytes().splitlines(keepends=True)
    assert chain.parse(lines[-1]).hash == state.head[1]
