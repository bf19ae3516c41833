"""Verify: which run counts for which host, and how the host's present state compares."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from assessment_world import World, advisory, by_source
from msgspec import structs
from plan_world import (
    TAKEN,
    facts,
    fleet,
    host,
    host_result,
    package,
    resolution,
    settings,
    transition,
    update,
)
from workflows.plan.test_plan_findings import feed, parts

from patchctl.adapters import processes
from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.cli import output
from patchctl.errors import NotFoundError
from patchctl.executors.simulated import (
    Behaviour,
    Script,
    SimulatedExecutor,
    SimulatedHost,
    VirtualClock,
    all_well,
)
from patchctl.models.facts import HostFacts
from patchctl.models.plan import Plan, PlanAbout, Selection, SelectionMode
from patchctl.models.rollout import OutcomeStatus, Stage
from patchctl.models.snapshot import Snapshot
from patchctl.models.verification import Verification, VerifiedState
from patchctl.plan.freeze import freeze, seal
from patchctl.report import verify_view
from patchctl.report.formats import Format
from patchctl.workflows.rollout.runs import Rollouts
from patchctl.workflows.rollout.verify import Verifier

NAMES = ("s1", "s2", "p1")
FLEET = fleet(host("s1"), host("s2"), host("p1", "production"))
CVE = "CVE-2024-6387"


class Site:
    """A workspace's database and simulated hosts; rollouts take no real time."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(TAKEN * 1000)
        self.database = Database(folder / "state.db", now_ms=self.clock.now_ms).open()
        self.audit = folder / "audit"
        self.hosts = {name: SimulatedHost(name) for name in NAMES}
        self.looks: list[tuple[str, ...]] = []
        self.world = World()
        self.feeds: list[object] = []
        self.facts: dict[str, HostFacts | None] = dict.fromkeys(NAMES, facts([package("curl")]))
        self.script: Script = all_well

    def plan(self, name: str, after: str = "1.0-2", *, hosts: Collection[str] = NAMES) -> Plan:
        step = structs.replace(transition(name, after=after), cves=(CVE,))
        body = freeze(
            fleet=FLEET,
            snapshot=Snapshot(
                id="s-0",
                taken=self.clock.now_ms() // 1000,
                elapsed_ms=1,
                hosts=tuple(host_result(name, facts()) for name in NAMES),
            ),
            selection=Selection(mode=SelectionMode.SECURITY),
            settings=settings(),
            resolutions=[resolution(name, step) for name in hosts],
            left_out=[],
        )
        return seal(body, PlanAbout(created=1, author="op", tool="t"))

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(
            database=self.database,
            executor=lambda _: SimulatedExecutor(self.hosts, self.clock, self.script),
            fleet=lambda: FLEET,
            clock=self.clock,
            process=processes.own(),
            alive=processes.is_alive,
            by="test",
            audit=AuditFiles(self.audit),
            check=lambda _: None,
        )

    def roll_out(self, name: str, after: str = "1.0-2", *, hosts: Collection[str] = NAMES) -> str:
        run = self.rollouts.start(self.plan(name, after, hosts=hosts))
        self.rollouts.advance(run)
        return run

    def discover(self, names: Collection[str]) -> Snapshot:
        self.looks.append(tuple(names))
        self.clock.sleep(1)
        return Snapshot(
            id=f"s-{len(self.looks)}",
            taken=self.clock.now_ms() // 1000,
            elapsed_ms=1,
            hosts=tuple(host_result(name, self.facts[name]) for name in names),
        )

    def verify(
        self,
        run: str = "",
        hosts: Collection[str] | None = None,
        *,
        snapshot: str = "",
        inventory: Collection[str] = NAMES,
    ) -> Verification:
        left = tuple(known_host for known_host in FLEET.hosts if known_host.name in inventory)
        return Verifier(
            fleet=structs.replace(FLEET, hosts=left),
            database=self.database,
            discover=self.discover,
            parts=lambda taken: parts(self.world, taken, *NAMES),
            feeds=lambda: self.feeds,
        ).verify(run, hosts, snapshot)

    def have(self, version: str, *hosts: str) -> None:
        for name in hosts or NAMES:
            self.facts[name] = facts([package("curl", version), package("vim", version)])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def states(verification: Verification) -> Mapping[str, VerifiedState]:
    return {row.name: row.state for row in verification.hosts}


OK = dict.fromkeys(NAMES, VerifiedState.OK)


def failing(host_name: str, stage: Stage) -> Script:
    def script(name: str, now: Stage, asked: int) -> Behaviour:
        if (name, now) == (host_name, stage):
            return Behaviour(status=OutcomeStatus.FAILED, reason="no")
        return Behaviour()

    return script


# --- expected states ----------------------------------------------------------------------------


def test_a_host_has_what_its_newest_succeeded_run_brought(site: Site) -> None:
    first = site.roll_out("curl")
    second = site.roll_out("curl", "1.0-3", hosts=["s1"])
    site.have("1.0-2")
    done = site.verify()
    assert {row.name: row.run for row in done.hosts} == {"s1": second, "s2": first, "p1": first}
    assert states(done) == {**OK, "s1": VerifiedState.BROKEN}
    assert done.run is None
    assert done.snapshot == "s-1"


def test_a_run_may_be_asked_for_by_a_part_of_its_id(site: Site) -> None:
    first = site.roll_out("curl")
    site.roll_out("curl", "1.0-3", hosts=["s1"])
    site.have("1.0-2")
    done = site.verify(first[-4:])
    assert (done.run, states(done)) == (first, OK)


def test_a_run_that_was_undone_promises_nothing_and_the_one_before_counts_again(
    site: Site,
) -> None:
    first = site.roll_out("curl")
    second = site.roll_out("vim")
    site.rollouts.roll_back(second)
    site.have("1.0-2")
    done = site.verify()
    assert {row.run for row in done.hosts} == {first}
    assert states(done) == OK

    site.rollouts.roll_back(first)
    done = site.verify()
    assert done.hosts == ()
    assert {row.name: row.reason for row in done.unpromised} == dict.fromkeys(
        NAMES, f"run {second}: rolled back"
    )
    assert site.looks == [("p1", "s1", "s2")]  # no host is asked where nothing is promised


def test_a_failed_run_promises_nothing_but_is_told(site: Site) -> None:
    first = site.roll_out("curl")
    site.script = failing("s1", Stage.PREFLIGHT)
    second = site.roll_out("vim")
    site.have("1.0-2")
    rows = {row.name: row for row in site.verify().hosts}
    assert rows["s1"].run == first
    assert (rows["s1"].state, rows["s1"].reason) == (VerifiedState.OK, f"run {second}: failed")
    # The budget of staging is 0: the second run never began production, so the first counts there.
    assert (rows["p1"].run, rows["p1"].reason) == (first, "")


def test_hosts_without_a_promise_are_named_with_the_reason(site: Site) -> None:
    run = site.roll_out("curl", hosts=["s1"])
    site.have("1.0-2")
    done = site.verify()
    assert states(done) == {"s1": VerifiedState.OK}
    assert {(row.name, row.reason) for row in done.unpromised} == {
        ("p1", "no run has succeeded there"),
        ("s2", "no run has succeeded there"),
    }
    assert site.verify(run, ["s2"]).unpromised[0].reason == f"not in run {run}"


def test_a_host_that_left_the_inventory_is_not_asked(site: Site) -> None:
    run = site.roll_out("curl")
    site.have("1.0-2")
    done = site.verify(run, inventory=["s1"])
    assert states(done) == {"s1": VerifiedState.OK}
    assert {row.reason for row in done.unpromised} == {"not in the inventory any more"}
    assert site.looks == [("s1",)]


def test_a_limit_names_the_hosts(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    assert states(site.verify(hosts=["p1"])) == {"p1": VerifiedState.OK}
    assert site.looks == [("p1",)]


def test_without_a_run_there_is_nothing_to_verify(site: Site) -> None:
    with pytest.raises(NotFoundError, match="there is no run yet"):
        site.verify()


# --- looking ------------------------------------------------------------------------------------


def test_a_host_that_cannot_be_looked_at_is_not_ok(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    site.facts["s2"] = None
    (row,) = [verified for verified in site.verify().hosts if verified.name == "s2"]
    assert (row.state, row.reason) == (VerifiedState.UNREACHABLE, "Connection refused")


def test_a_host_whose_processes_could_not_be_looked_at_is_not_ok(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    known = site.facts["s2"]
    assert known is not None
    site.facts["s2"] = structs.replace(known, unread=("stale",))
    (row,) = [verified for verified in site.verify().hosts if verified.name == "s2"]
    assert row.state is VerifiedState.UNKNOWN
    assert row.reason == "processes on old files could not be looked at"


def test_a_snapshot_from_before_the_run_tells_nothing(site: Site) -> None:
    site.have("1.0-2")
    before = site.database.snapshots.save(site.discover(NAMES))
    site.roll_out("curl")
    assert set(states(site.verify(snapshot="latest")).values()) == {VerifiedState.UNKNOWN}
    some = site.database.snapshots.save(site.discover(["s1"]))
    done = site.verify(snapshot="latest")
    assert states(done) == {**dict.fromkeys(NAMES, VerifiedState.UNKNOWN), "s1": VerifiedState.OK}
    assert done.snapshot == some.id
    (row,) = site.verify(hosts=["p1"], snapshot="latest").hosts
    assert row.reason == f"not in snapshot {some.id}"
    (row,) = site.verify(hosts=["p1"], snapshot=before.id).hosts
    assert row.reason == f"snapshot {before.id} is older than what the run did; discover again"
    with pytest.raises(NotFoundError, match="no snapshot 's-9'"):
        site.verify(snapshot="s-9")


# --- findings -----------------------------------------------------------------------------------


def vulnerable(site: Site, **fixed: str) -> None:
    """Feeds with a version of a source package that fixes its CVE."""
    site.feeds = [feed()]
    for number, (source, version) in enumerate(fixed.items()):
        cve = CVE if source == "curl" else f"CVE-2024-000{number}"
        site.world.add(advisory(f"DEBIAN-{cve}", cve, by_source("Debian:12", source, version)))


def test_without_feeds_nobody_knows_what_is_left(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    assert site.verify().fixable_left is None


def test_a_promised_cve_that_is_open_by_now_is_named(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    vulnerable(site, curl="1.0-3")
    done = site.verify()
    assert set(states(done).values()) == {VerifiedState.OPEN}
    assert {row.open_cves for row in done.hosts} == {(CVE,)}
    assert done.fixable_left == 0
    assert [feed.name for feed in done.feeds] == ["debian"]


def test_other_findings_that_an_update_would_remove_are_counted(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    vulnerable(site, curl="1.0-2", vim="2.0-1")
    vim = package("vim", "1.0-1")
    site.facts["s1"] = facts([package("curl", "1.0-2"), vim], [update("vim", "2.0-1")])
    site.facts["s2"] = facts([package("curl", "1.0-2"), vim])  # fixed elsewhere, not offered
    site.facts["p1"] = facts([package("curl", "1.0-1")], [update("curl", "1.0-2")])
    done = site.verify()
    assert states(done) == {**OK, "p1": VerifiedState.BROKEN}
    # An open CVE that the run should have fixed is in the host's row, not in the other count.
    assert {row.name: row.open_cves for row in done.hosts if row.open_cves} == {"p1": (CVE,)}
    assert done.fixable_left == 1


# --- what a person reads ------------------------------------------------------------------------


def test_what_needs_somebody_stands_first(site: Site) -> None:
    run = site.roll_out("curl")
    site.have("1.0-2", "s2")
    site.have("1.0-1", "s1")
    site.facts["p1"] = None
    done = site.verify()
    assert verify_view.rows(done) == [
        ("p1", run, "unreachable", "Connection refused"),
        ("s1", run, "broken", "curl: 1.0-2 was promised, 1.0-1 is installed"),
        ("s2", run, "ok", "-"),
    ]
    assert list(verify_view.closing(done)) == [
        "3 hosts: 1 unreachable, 1 broken, 1 ok",
        "no feeds are held: CVEs were not checked",
    ]


def test_of_many_hosts_only_those_that_are_not_ok_are_listed(site: Site) -> None:
    site.roll_out("curl")
    site.have("1.0-2")
    site.have("1.0-1", "s1")
    done = site.verify()
    well = next(row for row in done.hosts if row.name == "s2")
    more = tuple(structs.replace(well, name=f"w{number}") for number in range(60))
    many = structs.replace(done, hosts=(*done.hosts, *more))
    assert [row[0] for row in verify_view.rows(many)] == ["s1"]
    assert next(verify_view.closing(many)) == "63 hosts: 1 broken, 62 ok"


def test_open_cves_and_what_is_left_are_told(site: Site) -> None:
    run = site.roll_out("curl", hosts=["s1"])
    site.have("1.0-2")
    vulnerable(site, curl="1.0-3")
    done = site.verify()
    assert verify_view.rows(done) == [
        ("s1", run, "CVEs open", f"the feeds still find what it was to remove; open: {CVE}")
    ]
    assert list(verify_view.closing(done))[:3] == [
        "1 host: 1 CVEs open",
        "nothing is promised on p1, s2: no run has succeeded there",
        "no other fixable finding is left",
    ]
    left = list(verify_view.closing(structs.replace(done, fixable_left=2)))
    assert "2 other fixable findings are left; see `patchctl assess`" in left


def test_where_nothing_is_promised_that_is_said_in_quiet_too(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    run = site.roll_out("curl")
    site.rollouts.roll_back(run)
    view = verify_view.VerificationView(site.verify())
    output.show(view, Format.TABLE, quiet=True)
    said = "".join(capsys.readouterr())
    assert "nothing is promised: no run has succeeded on these hosts" in said
    site.roll_out("vim")
    site.have("1.0-2")
    output.show(verify_view.VerificationView(site.verify()), Format.TABLE, quiet=True)
    assert "no other fixable" not in "".join(capsys.readouterr())
