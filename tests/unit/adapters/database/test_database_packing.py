"""Packed lists of records: they are read as they were stored, and all damage is noticed."""

import itertools
import random
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from adapters.database.test_database_stores import facts, ok, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from patchctl.adapters.database import Database, packing
from patchctl.errors import IntegrityError
from patchctl.models.facts import HostFacts, Package, PendingUpdate, Repository

numbers = st.lists(st.integers(0, (1 << 31) - 1), max_size=40)
three = st.tuples(numbers, numbers, numbers)


class TestNumbers:
    @given(three)
    def test_order_and_duplicates_come_back(self, lists: tuple[list[int], ...]) -> None:
        assert packing.unpack(packing.pack(lists)) == tuple(map(tuple, lists))

    def test_lists_that_differ_in_places_take_about_a_byte_a_record(self) -> None:
        chance = random.Random(1)
        alike = [3 * index + chance.randrange(3) for index in range(600)]
        assert len(packing.pack([alike, [], []])) < 600

    @given(three, st.data())
    def test_a_part_of_it_is_nothing(
        self, lists: tuple[list[int], ...], data: st.DataObject
    ) -> None:
        packed = packing.pack(lists)
        cut = data.draw(st.integers(0, len(packed) - 1))
        with pytest.raises(ValueError, match=r".+"):
            packing.unpack(packed[:cut])

    @given(st.binary(max_size=60))
    def test_what_it_never_made_is_refused(self, junk: bytes) -> None:
        with pytest.raises(ValueError, match=r".+"):
            packing.unpack(junk)
        # Decompressed, it must have the size that it tells.
        if len(junk) >= 12 and len(junk) != 12 + 4 * sum(packing._LENGTHS.unpack_from(junk)):
            with pytest.raises(ValueError, match="size"):
                packing.unpack(zlib.compress(junk))

    def test_two_lists_are_a_bug(self) -> None:
        with pytest.raises(ValueError, match="2 lists"):
            packing.pack([[1], [2]])


records = st.lists(st.binary(min_size=1, max_size=4).filter(lambda it: b"\n" not in it))


class TestRecords:
    @given(records, records, st.integers(0, 1000))
    def test_every_distinct_record_has_one_number(
        self, before: list[bytes], now: list[bytes], next_free: int
    ) -> None:
        known = dict(zip(dict.fromkeys(before), itertools.count(next_free - len(before))))
        numbering = packing.Numbering(known, next_free)
        (first, again, _) = numbering.of([now, reversed(now), before])
        assert again == tuple(reversed(first))
        by_record = dict(zip(now, first, strict=True))
        assert len(set(by_record.values())) == len(by_record)
        assert numbering.new == [it for it in dict.fromkeys(now) if it not in known]
        assert [by_record[it] for it in numbering.new] == [
            next_free + offset for offset in range(len(numbering.new))
        ]

    @given(records.filter(bool), st.integers(0, 50), st.integers(1, 4))
    def test_pages_are_fetched_once_and_when_asked_for(
        self, texts: list[bytes], first: int, size: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packing, "PAGE", size)
            pages = dict(packing.pages(texts, first))
        asked: list[int] = []

        def fetch(number: int) -> bytes:
            asked.append(number)
            return pages[number]

        stored = packing.Texts(sorted(pages), fetch)
        assert asked == []
        for _ in range(2):
            assert [stored[first + offset] for offset in range(len(texts))] == texts
        assert asked == sorted(pages)
        for number in (first - 1, first + len(texts)):
            with pytest.raises(KeyError):
                stored[number]


POOL = [
    Package(name=f"p{number}", version=f"{version}:1-1\n", arch="amd64", auto=number % 2 == 0)
    for number in range(6)
    for version in range(2)
]
PENDING = [
    PendingUpdate(name=f"p{n}", arch="amd64", installed="1", candidate="2") for n in range(4)
]
REPOSITORIES = [Repository(uri=f"http://mirror/{n}", label="é") for n in range(3)]


def parts(values: Sequence[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(values), max_size=9).map(tuple)


hosts = st.builds(
    lambda boot, packages, pending, repositories: replace(
        facts(boot=boot), packages=packages, pending=pending, repositories=repositories
    ),
    st.sampled_from("xyz"), parts(POOL), parts(PENDING), parts(REPOSITORIES),
)  # fmt: skip
fleets = st.lists(st.lists(hosts, max_size=4), min_size=1, max_size=3)
# A database for each example is slow enough for hypothesis to complain about.
slowly = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_names = itertools.count()


@pytest.fixture
def new(tmp_path: Path) -> Callable[[], Path]:
    return lambda: tmp_path / f"state{next(_names)}.db"


def fill(database: Database, fleet: Sequence[Sequence[HostFacts]]) -> list[list[str]]:
    """Store a snapshot for each list of hosts; return the digests of their facts."""
    digests = []
    for index, some in enumerate(fleet):
        results = [ok(f"h{number}", host_facts) for number, host_facts in enumerate(some)]
        saved = database.snapshots.save(snapshot(f"s-{index}", *results))
        digests.append([host.facts_digest for host in saved.hosts])
    return digests


def loaded(database: Database, index: int) -> list[HostFacts | None]:
    stored = database.snapshots.load(f"s-{index}")
    assert stored is not None
    return [host.facts for host in stored.hosts]


class TestStored:
    @slowly
    @given(fleet=fleets)
    def test_facts_come_back_and_have_the_same_digest_everywhere(
        self, new: Callable[[], Path], fleet: list[list[HostFacts]]
    ) -> None:
        with Database(new()).open() as first, Database(new()).open() as other:
            digests = fill(first, fleet)
            # The other machine saw them the other way round, so its records have other numbers.
            backwards = fill(other, [some[::-1] for some in fleet[::-1]])
            assert digests == [some[::-1] for some in backwards[::-1]]
            for index, some in enumerate(fleet):
                assert loaded(first, index) == some
                for digest, host_facts in zip(digests[index], some, strict=True):
                    assert other.snapshots.facts(digest) == host_facts

    @slowly
    @given(fleet=fleets, data=st.data())
    def test_a_changed_byte_is_noticed_or_means_nothing(
        self, new: Callable[[], Path], fleet: list[list[HostFacts]], data: st.DataObject
    ) -> None:
        file = new()
        with Database(file).open() as database:
            fill(database, [*fleet, [facts()]])
        with sqlite3.connect(file) as connection:
            cells = connection.execute(
                "SELECT 'blob', rowid, data FROM blob"
                " UNION ALL SELECT 'record', rowid, data FROM record"
            ).fetchall()
            table, row, content = data.draw(st.sampled_from(cells))
            position = data.draw(st.integers(0, len(content) - 1))
            changed = bytearray(content)
            changed[position] ^= 1 << data.draw(st.integers(0, 7))
            connection.execute(
                f"UPDATE {table} SET data = ? WHERE rowid = ?", (bytes(changed), row)
            )
        with Database(file).open() as database:
            for number, some in enumerate(fleet):
                try:
                    assert loaded(database, number) == some
                except IntegrityError as error:
                    assert "damaged" in str(error)

    def test_records_that_changed_places_are_noticed(self, new: Callable[[], Path]) -> None:
        with Database(new()).open() as database:
            first, other = (replace(facts(), packages=(package,)) for package in POOL[:2])
            fill(database, [[first, other]])
            with database.transactions.write() as connection:
                data = connection.exec_driver_sql("SELECT data FROM record").scalar_one()
                texts = packing.records_of(data)
                ((_, swapped),) = packing.pages(texts[::-1], 0)
                connection.exec_driver_sql("UPDATE record SET data = ?", (swapped,))
            with pytest.raises(IntegrityError, match="damaged"):
                database.snapshots.load()

    def test_facts_of_another_name_are_noticed(self, new: Callable[[], Path]) -> None:
        with Database(new()).open() as database:
            ((first, second),) = fill(database, [[facts("b1", "1-1"), facts("b2", "2-1")]])
            with database.transactions.write() as connection:
                connection.exec_driver_sql(
                    "UPDATE facts SET system = (SELECT system FROM facts WHERE digest = ?)",
                    (first,),
                )
            assert database.snapshots.facts(first) == facts("b1", "1-1")
            with pytest.raises(IntegrityError, match=second):
                database.snapshots.facts(second)

    def test_a_damaged_page_does_not_stop_the_next_discovery(self, new: Callable[[], Path]) -> None:
        later = replace(facts(), packages=tuple(POOL))
        with Database(new()).open() as database:
            fill(database, [[replace(facts(), packages=tuple(POOL[:3]))]])
            with database.transactions.write() as connection:
                connection.exec_driver_sql("UPDATE record SET data = x'00'")
            database.snapshots.save(snapshot("s-later", ok("a", later)))
            stored = database.snapshots.load("s-later")
            assert stored is not None
            assert stored.hosts[0].facts == later

    def test_a_record_is_stored_once(self, new: Callable[[], Path]) -> None:
        chance = random.Random(3)
        with Database(new()).open() as database:
            different = [
                replace(facts(), packages=tuple(chance.sample(POOL, 5))) for _ in range(30)
            ]
            fill(database, [different, different[::-1], [replace(facts(), packages=tuple(POOL))]])
            with database.transactions.read() as connection:
                pages = connection.exec_driver_sql("SELECT data FROM record").scalars().all()
        texts = [text for data in pages for text in packing.records_of(data)]
        assert len(texts) == len(set(texts)) == len(POOL)

    def test_a_snapshot_that_is_taken_back_leaves_no_numbers(self, new: Callable[[], Path]) -> None:
        with Database(new()).open() as database:
            fill(database, [[replace(facts(), packages=tuple(POOL[:3]))]])
            with pytest.raises(RuntimeError), database.write():
                more = replace(facts(), packages=tuple(POOL[3:6]))
                database.snapshots.save(snapshot("s-x", ok("a", more)))
                raise RuntimeError
            last = replace(facts(), packages=tuple(POOL[4:]))
            database.snapshots.save(snapshot("s-y", ok("a", last)))
            stored = database.snapshots.load("s-y")
            assert stored is not None
            assert stored.hosts[0].facts == last
