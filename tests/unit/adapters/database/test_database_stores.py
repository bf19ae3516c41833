"""The stores of the state database, each through a file on disk."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchctl.adapters.database import Database
from patchctl.adapters.processes import own
from patchctl.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from patchctl.models import canonical
from patchctl.models.facts import Boot, HostFacts, Kernel, OsRelease, Package, PackageManager
from patchctl.models.journal import CommandKind, RunMoved
from patchctl.models.plan import Plan, PlanAbout, PlanBody, Selection, SelectionMode
from patchctl.models.policy import UnprovenPolicy
from patchctl.models.rollout import ProcessIdentity, RunState
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "state.db").open() as opened:
        yield opened


def facts(boot: str = "b1", version: str = "1.0-1") -> HostFacts:
    return HostFacts(
        os=OsRelease(id="debian", version_id="12"),
        manager=PackageManager.APT,
        architecture="amd64",
        machine_id="m",
        hostname="h",
        kernel=Kernel(running="6.1"),
        boot=Boot(boot_id=boot, pid1_start=7),
        packages=(Package(name="openssl", version=version, arch="amd64"),),
        pending=(),
        repositories=(),
        services=(),
        failed_units=(),
        listeners=(),
        stale_processes=(),
        file_systems=(),
        containers=(),
        images=(),
        competing_updaters=(),
    )


def ok(name: str, host_facts: HostFacts) -> HostResult:
    return HostResult(name=name, status=HostStatus.OK, facts=host_facts, elapsed_ms=12)


def snapshot(identifier: str, *hosts: HostResult, taken: int = 100) -> Snapshot:
    return Snapshot(id=identifier, taken=taken, elapsed_ms=5, hosts=hosts)


def plan(comment: str = "", expires: int = 2) -> Plan:
    body = PlanBody(
        version=1,
        as_of=1,
        expires=expires,
        selection=Selection(mode=SelectionMode.SECURITY),
        fleet="sha256:f",
        policy="sha256:p",
        snapshots=(),
        rings=(),
        unproven_policy=UnprovenPolicy.HOLD,
        cohorts=(),
        hosts=(),
        left_out=(),
        unproven=(),
    )
    about = PlanAbout(created=9, author="ann", tool="patchctl 0", comment=comment)
    return Plan(digest=canonical.digest(body), body=body, about=about)


DOWN = HostResult(name="down", status=HostStatus.UNREACHABLE, reason="timed out")


class TestSnapshots:
    def test_there_is_none_at_first(self, database: Database) -> None:
        assert database.snapshots.load() is None
        assert database.snapshots.list() == []

    def test_what_was_saved_is_loaded_in_the_same_order(self, database: Database) -> None:
        saved = database.snapshots.save(snapshot("s-1", ok("web", facts()), DOWN))
        loaded = database.snapshots.load("s-1")
        assert loaded == saved
        assert loaded is not None
        assert [host.name for host in loaded.hosts] == ["web", "down"]
        assert loaded.hosts[0].facts == facts()
        assert loaded.hosts[0].facts_digest.startswith("sha256:")

    def test_the_latest_is_the_one_saved_last(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-2", taken=200))
        database.snapshots.save(snapshot("s-1", taken=100))
        latest = database.snapshots.load()
        assert latest is not None
        assert latest.id == "s-1"
        assert [line.id for line in database.snapshots.list(limit=1)] == ["s-1"]

    def test_the_list_counts_by_status(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-1", ok("a", facts()), ok("b", facts()), DOWN))
        (line,) = database.snapshots.list()
        assert (line.ok, line.unreachable, line.failed) == (2, 1, 0)

    def test_hosts_alike_share_their_packages(self, database: Database) -> None:
        hosts = [ok(f"h{n}", facts(boot=f"b{n}")) for n in range(20)]
        database.snapshots.save(snapshot("s-1", *hosts))
        with database.transactions.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM blob").scalar() == 21
        loaded = database.snapshots.load()
        assert loaded is not None
        packages = {id(host.facts.packages) for host in loaded.hosts if host.facts}
        assert len(packages) == 1

    def test_facts_that_did_not_change_are_stored_once(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-1", ok("a", facts())))
        database.snapshots.save(snapshot("s-2", ok("a", facts())))
        with database.transactions.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM blob").scalar() == 2

    def test_history_of_a_host_is_newest_first(self, database: Database) -> None:
        first = database.snapshots.save(snapshot("s-1", ok("a", facts()), taken=1))
        gone = HostResult(name="a", status=HostStatus.FAILED, reason="no sh")
        database.snapshots.save(snapshot("s-2", gone, taken=2))
        newer, older = database.snapshots.history("a")
        assert (newer.snapshot, newer.status, newer.reason) == ("s-2", HostStatus.FAILED, "no sh")
        assert older.facts_digest == first.hosts[0].facts_digest
        assert database.snapshots.facts(older.facts_digest) == facts()
        assert database.snapshots.history("other") == []

    def test_an_id_is_used_once(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-1"))
        with pytest.raises(ConflictError, match="s-1 exists"):
            database.snapshots.save(snapshot("s-1"))

    def test_a_damaged_blob_is_noticed(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-1", ok("a", facts())))
        with database.transactions.write() as connection:
            connection.exec_driver_sql("UPDATE blob SET data = x'00'")
        with pytest.raises(IntegrityError, match="damaged"):
            database.snapshots.load()

    def test_more_hosts_than_a_statement_has_variables(self, database: Database) -> None:
        hosts = [ok(f"h{n}", facts(boot=f"b{n}")) for n in range(1200)]
        saved = database.snapshots.save(snapshot("s-1", *hosts))
        assert database.snapshots.load() == saved

    def test_the_newest_facts_of_every_host(self, database: Database) -> None:
        gone = HostResult(name="b", status=HostStatus.UNREACHABLE, reason="no route to the host")
        database.snapshots.save(snapshot("s-1", ok("a", facts()), ok("b", facts("b2")), taken=100))
        database.snapshots.save(snapshot("s-2", gone, ok("c", facts("b3")), taken=200))
        database.snapshots.save(snapshot("i-3", ok("d", facts("", "9-1")), taken=300))
        known = list(database.snapshots.latest_of_every_host())
        assert [(host.name, host.snapshot, host.taken, host.imported) for host in known] == [
            ("a", "s-1", 100, False),
            ("b", "s-1", 100, False),
            ("c", "s-2", 200, False),
            ("d", "i-3", 300, True),
        ]
        assert [host.facts for host in known] == [
            facts(),
            facts("b2"),
            facts("b3"),
            facts("", "9-1"),
        ]
        assert len({host.software for host in known}) == 2
        assert known[0].facts.packages is known[2].facts.packages

    def test_the_same_packages_on_another_system_are_other_software(
        self, database: Database
    ) -> None:
        other = msgspec.structs.replace(facts(), os=OsRelease(id="debian", version_id="13"))
        database.snapshots.save(snapshot("s-1", ok("a", facts()), ok("b", other), ok("c", facts())))
        a, b, c = (host.software for host in database.snapshots.latest_of_every_host())
        assert a == c
        assert a != b

    def test_the_systems_of_the_fleet_are_those_of_the_newest_facts(
        self, database: Database
    ) -> None:
        old, new = OsRelease(id="debian", version_id="12"), OsRelease(id="debian", version_id="13")
        upgraded = msgspec.structs.replace(facts("b2"), os=new)
        database.snapshots.save(snapshot("s-1", ok("a", facts()), ok("b", facts("b2")), DOWN))
        assert database.snapshots.systems() == {old}
        database.snapshots.save(snapshot("s-2", ok("b", upgraded)))
        assert database.snapshots.systems() == {old, new}
        database.snapshots.save(snapshot("s-3", ok("a", upgraded)))
        assert database.snapshots.systems() == {new}
        with database.transactions.write() as connection:
            connection.exec_driver_sql("UPDATE blob SET data = x'00'")
        with pytest.raises(IntegrityError, match="damaged"):
            database.snapshots.systems()

    def test_an_import_is_the_latest_where_nothing_was_discovered(self, database: Database) -> None:
        assert database.snapshots.load() is None
        database.snapshots.save(snapshot("i-1", ok("d", facts()), taken=100))
        latest = database.snapshots.load()
        assert latest is not None
        assert latest.id == "i-1"

    def test_an_import_is_not_the_latest_discovery(self, database: Database) -> None:
        database.snapshots.save(snapshot("s-1", ok("a", facts()), taken=100))
        database.snapshots.save(snapshot("i-2", ok("d", facts()), taken=200))
        latest = database.snapshots.load()
        assert latest is not None
        assert latest.id == "s-1"
        assert database.snapshots.load("i-2") is not None
        assert [summary.id for summary in database.snapshots.list()] == ["i-2", "s-1"]


class TestPlans:
    def test_a_plan_is_found_by_digest_prefix_and_bare_hex(self, database: Database) -> None:
        frozen = plan()
        database.plans.save(frozen)
        for name in (frozen.digest, frozen.digest[:15], frozen.digest[7:15]):
            assert database.plans.load(name) == frozen
        assert database.plans.load("sha256:0123456789") is None

    def test_saving_again_keeps_the_first(self, database: Database) -> None:
        database.plans.save(plan("first"))
        database.plans.save(plan("second"))
        (line,) = database.plans.list()
        assert line.comment == "first"

    def test_an_ambiguous_prefix_names_the_candidates(self, database: Database) -> None:
        plans = [plan(expires=n) for n in range(40)]
        for saved in plans:
            database.plans.save(saved)
        starts = [saved.digest[7] for saved in plans]
        twice = next(start for start in starts if starts.count(start) > 1)
        with pytest.raises(InvalidInputError, match=f"{twice}[0-9a-f]{{11}}, {twice}"):
            database.plans.load(twice)

    def test_the_latest_is_the_one_saved_last(self, database: Database) -> None:
        assert database.plans.latest() is None
        database.plans.save(plan())
        newest = plan(expires=77)
        database.plans.save(newest)
        assert database.plans.latest() == newest

    def test_a_plan_with_another_digest_is_refused(self, database: Database) -> None:
        wrong = msgspec.structs.replace(plan(), digest="sha256:" + "0" * 64)
        with pytest.raises(IntegrityError, match="does not have the content"):
            database.plans.save(wrong)


def enter(database: Database, *names: str) -> None:
    for name in names:
        database.runs.create(name, "sha256:p", 3, 100, "ann")


class TestRuns:
    def test_the_newest_stands_first_whatever_its_name(self, database: Database) -> None:
        enter(database, "r-20261123-120000-bbbb", "r-20261123-120000-aaaa")
        assert [run.id[-4:] for run in database.runs.list()] == ["aaaa", "bbbb"]
        latest = database.runs.latest()
        assert latest is not None
        assert latest.id.endswith("aaaa")
        assert latest.state is RunState.PLANNED

    def test_a_run_is_found_by_beginning_or_end(self, database: Database) -> None:
        enter(database, "r-20261123-120000-bbbb", "r-20261124-120000-aaaa")
        assert database.runs.resolve("r-20261123").id.endswith("bbbb")
        assert database.runs.resolve("aaaa").id == "r-20261124-120000-aaaa"

    def test_a_name_that_fits_several_or_none_is_an_error(self, database: Database) -> None:
        enter(database, "r-20261123-120000-bbbb", "r-20261123-120000-aaaa")
        with pytest.raises(InvalidInputError, match="aaaa, r-20261123-120000-bbbb"):
            database.runs.resolve("r-2026")
        with pytest.raises(NotFoundError):
            database.runs.resolve("r-2027")
        with pytest.raises(NotFoundError):
            database.runs.resolve("")

    def test_an_id_is_used_once(self, database: Database) -> None:
        enter(database, "r-1")
        with pytest.raises(ConflictError, match="r-1 exists"):
            enter(database, "r-1")


OTHER = ProcessIdentity(pid=4242, pgid=4242, start=1, boot_id="b")


class TestControllers:
    def test_the_fence_rises_with_every_take(self, database: Database) -> None:
        enter(database, "r-1")
        fences = [database.leases.take("r-1", own(), lambda _: False, "ann") for _ in range(3)]
        assert fences == [1, 2, 3]
        assert database.runs.get("r-1").fence == 3

    def test_a_living_controller_is_not_replaced(self, database: Database) -> None:
        enter(database, "r-1")
        database.leases.take("r-1", OTHER, lambda _: True, "bob")
        with pytest.raises(ConflictError, match="process 4242 of bob"):
            database.leases.take("r-1", own(), lambda _: True, "ann")
        assert database.leases.controller("r-1") == (OTHER, "bob")

    def test_a_dead_controller_is_replaced(self, database: Database) -> None:
        enter(database, "r-1")
        database.leases.take("r-1", OTHER, lambda _: True, "bob")
        assert database.leases.take("r-1", own(), lambda _: False, "ann") == 2

    def test_who_drops_a_run_leaves_it_to_anybody(self, database: Database) -> None:
        enter(database, "r-1")
        fence = database.leases.take("r-1", OTHER, lambda _: True, "bob")
        database.leases.drop("r-1", fence)
        assert database.leases.controller("r-1") is None
        assert database.leases.take("r-1", own(), lambda _: True, "ann") == fence + 1

    def test_a_late_drop_does_not_free_what_another_took(self, database: Database) -> None:
        enter(database, "r-1")
        old = database.leases.take("r-1", OTHER, lambda _: True, "bob")
        database.leases.take("r-1", own(), lambda _: False, "ann")
        database.leases.drop("r-1", old)
        assert database.leases.controller("r-1") == (own(), "ann")

    def test_a_run_must_exist(self, database: Database) -> None:
        with pytest.raises(NotFoundError):
            database.leases.take("r-9", own(), lambda _: False, "ann")


class TestHostLeases:
    def test_all_or_none(self, database: Database) -> None:
        enter(database, "r-1", "r-2")
        database.leases.claim_hosts("r-1", ["b", "c"])
        with pytest.raises(ConflictError, match=r"host b \(and 1 more\) is held by run r-1"):
            database.leases.claim_hosts("r-2", ["a", "b", "c"])
        assert database.leases.holder("a") is None
        assert database.leases.holder("b") == "r-1"

    def test_a_run_may_claim_again_what_it_holds(self, database: Database) -> None:
        enter(database, "r-1")
        database.leases.claim_hosts("r-1", ["a"])
        database.leases.claim_hosts("r-1", ["a", "b"])
        assert database.leases.hosts("r-1") == ["a", "b"]

    def test_released_hosts_are_free_and_only_ones_own(self, database: Database) -> None:
        enter(database, "r-1", "r-2")
        database.leases.claim_hosts("r-1", ["a", "b", "c"])
        database.leases.claim_hosts("r-2", ["d"])
        database.leases.release_hosts("r-1", ["a", "d"])
        assert database.leases.hosts("r-1") == ["b", "c"]
        assert database.leases.hosts("r-2") == ["d"]
        database.leases.release_hosts("r-1")
        assert database.leases.hosts("r-1") == []

    def test_what_a_run_holds_that_is_not_over(self, database: Database) -> None:
        enter(database, "r-1", "r-2")
        database.leases.claim_hosts("r-1", ["b", "a"])
        database.leases.claim_hosts("r-2", ["c"])
        fence = database.leases.take("r-2", own(), lambda _: False, "ann")
        assert database.leases.held(["c", "a", "d"]) == {"a": "r-1", "c": "r-2"}
        moves = [RunMoved(to=RunState.ABORTED)]
        database.journal("r-2", fence).append("r-2", moves)
        assert database.leases.held(["c", "a", "d"]) == {"a": "r-1"}

    def test_ten_thousand_hosts(self, database: Database) -> None:
        enter(database, "r-1", "r-2")
        hosts = [f"h{n:05}" for n in range(10_000)]
        database.leases.claim_hosts("r-1", hosts)
        with pytest.raises(ConflictError, match="and 9999 more"):
            database.leases.claim_hosts("r-2", hosts)
        database.leases.release_hosts("r-1", hosts)
        assert database.leases.hosts("r-1") == []


class TestMailbox:
    def test_requests_are_taken_oldest_first_and_once(self, database: Database) -> None:
        enter(database, "r-1", "r-2")
        first = database.mailbox.send("r-1", CommandKind.PAUSE, "ann", reason="lunch")
        second = database.mailbox.send("r-1", CommandKind.APPROVE, "bob", ring="production")
        database.mailbox.send("r-2", CommandKind.ABORT, "ann")
        assert database.mailbox.pending("r-1") == [first, second]
        database.mailbox.take(first)
        database.mailbox.take(first)
        assert database.mailbox.pending("r-1") == [second]

    def test_there_must_be_such_a_run(self, database: Database) -> None:
        with pytest.raises(NotFoundError, match="r-9"):
            database.mailbox.send("r-9", CommandKind.PAUSE, "ann")


class TestSmallValues:
    def test_meta(self, database: Database) -> None:
        assert database.meta.get("k") is None
        database.meta.set("k", "v")
        database.meta.set("k", "w")
        assert database.meta.get("k") == "w"
        database.meta.set("k", None)
        assert database.meta.get("k") is None

    def test_audit_head(self, database: Database) -> None:
        assert database.audit_head.get() is None
        database.audit_head.set(1, "sha256:a")
        database.audit_head.set(2, "sha256:b")
        assert database.audit_head.get() == (2, "sha256:b")


class TestTransactions:
    def test_steps_of_several_stores_join_in_one(self, database: Database) -> None:
        with pytest.raises(RuntimeError, match="power"), database.write():
            enter(database, "r-1")
            database.leases.claim_hosts("r-1", ["a"])
            assert database.leases.holder("a") == "r-1"
            raise RuntimeError("power")
        assert database.runs.list() == []
        assert database.leases.holder("a") is None
