"""A run begins and goes on only with hooks that have the digests of its plan."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from plan_world import (
    TAKEN,
    facts,
    fleet,
    host,
    host_result,
    resolution,
    settings,
    snapshot,
    transition,
)
from plan_world import ring as plain_ring

from patchctl.adapters import hook_files, processes
from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.errors import ConflictError, IntegrityError, InvalidInputError
from patchctl.executors.hooks import PlannedHooks
from patchctl.executors.simulated import SimulatedExecutor, SimulatedHost, VirtualClock
from patchctl.models.journal import CommandKind, PlanTrust
from patchctl.models.plan import Plan, PlanAbout, Selection, SelectionMode
from patchctl.models.policy import Promote
from patchctl.plan.freeze import freeze, seal
from patchctl.workflows.rollout import runs as rollout
from patchctl.workflows.rollout.runs import Rollouts

FLEET = fleet(host("s1"), host("p1", "production"))
HOOK = "hooks/drain.yml"


class Site:
    """A workspace with a hook, and a plan that stops for an approval before its second ring."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock(TAKEN * 1000)
        self.database = Database(root / "state.db", now_ms=self.clock.now_ms).open()
        self.hosts = {name: SimulatedHost(name) for name in ("s1", "p1")}
        self.warnings: list[str] = []
        (root / "hooks").mkdir()
        self.write("- ansible.builtin.debug:\n")

    def write(self, text: str) -> None:
        (self.root / HOOK).write_text(text)

    def plan(self, package: str = "curl", *, digests: bool = True) -> Plan:
        rings = [
            structs.replace(plain_ring(name), drain=HOOK) for name in ("staging", "production")
        ]
        rings[1] = structs.replace(rings[1], promote=Promote.MANUAL)
        body = freeze(
            fleet=FLEET,
            snapshot=snapshot(*(host_result(name, facts()) for name in self.hosts)),
            selection=Selection(mode=SelectionMode.SECURITY),
            settings=settings(*rings),
            resolutions=[resolution(name, transition(package)) for name in self.hosts],
            left_out=[],
            hooks=hook_files.read(self.root, [HOOK]).files if digests else (),
        )
        return seal(body, PlanAbout(created=1, author="op", tool="t"))

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(
            database=self.database,
            executor=lambda _: SimulatedExecutor(self.hosts, self.clock),
            fleet=lambda: FLEET,
            clock=self.clock,
            process=processes.own(),
            alive=processes.is_alive,
            by="test",
            audit=AuditFiles(self.root / "audit"),
            check=lambda _: None,
            hooks=lambda plan: PlannedHooks(root=self.root, body=plan.body).check(),
            warn=self.warnings.append,
        )

    def entered(self) -> bool:
        held = self.database.leases.held(["s1", "p1"])
        return bool(self.database.runs.list() or self.database.plans.list() or held)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run of an older patchctl, whose plans had no digests of hooks."""
    with monkeypatch.context() as patch:
        patch.setattr(rollout, "refuse_without_digests", lambda body: None)
        yield


def test_a_changed_hook_begins_no_run(site: Site) -> None:
    plan = site.plan()
    site.write("- ansible.builtin.debug: {msg: x}\n")
    with pytest.raises(IntegrityError, match=r"^hooks/drain\.yml was changed since the plan was"):
        site.rollouts.start(plan)
    assert not site.entered()


def test_a_plan_without_digests_of_its_hooks_begins_no_run(site: Site) -> None:
    with pytest.raises(InvalidInputError, match=r"made before plans had .* \(hooks/drain\.yml\)"):
        site.rollouts.start(site.plan(digests=False))
    assert not site.entered()


def test_why_it_might_run_is_in_the_journal(site: Site) -> None:
    run = site.rollouts.start(site.plan(), trust=PlanTrust.GIT)
    first = next(iter(site.database.journal_reader().read(run)))
    assert getattr(first.event, "trust", None) is PlanTrust.GIT


def test_a_hook_that_was_changed_meanwhile_lets_no_run_go_on_until_it_is_put_back(
    site: Site,
) -> None:
    run = site.rollouts.start(site.plan())
    assert site.rollouts.advance(run, wait=False).state.value == "waiting"
    site.rollouts.request(run, CommandKind.APPROVE)
    site.write("[]\n")
    with pytest.raises(IntegrityError, match="was changed since the plan was made; undo that"):
        site.rollouts.resume(run)
    assert not site.hosts["p1"].applied
    site.write("- ansible.builtin.debug:\n")
    assert site.rollouts.resume(run, wait=False).state.value == "done"
    assert site.hosts["p1"].applied


def test_a_run_that_is_over_asks_for_no_hook(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    site.rollouts.advance(run, wait=False)
    site.rollouts.request(run, CommandKind.ABORT)
    site.write("[]\n")
    with pytest.raises(ConflictError, match="is aborted"):
        site.rollouts.resume(run)


def test_an_undo_is_not_kept_back_by_a_hook(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    site.rollouts.advance(run, wait=False)
    site.write("[]\n")
    assert site.rollouts.roll_back(run).state.value == "rolled_back"
    assert site.hosts["s1"].undone


@pytest.mark.usefixtures("before")
def test_a_run_that_began_before_there_were_digests_goes_on(site: Site) -> None:
    run = site.rollouts.start(site.plan(digests=False))
    site.rollouts.advance(run, wait=False)
    site.rollouts.request(run, CommandKind.APPROVE)
    site.write("[]\n")
    assert site.rollouts.resume(run, wait=False).state.value == "done"
    (warning,) = site.warnings
    assert "it goes on with these files as they are now" in warning


@pytest.mark.usefixtures("before")
def test_such_a_run_does_not_go_on_with_a_hook_outside_of_the_workspace(site: Site) -> None:
    run = site.rollouts.start(site.plan(digests=False))
    site.rollouts.advance(run, wait=False)
    site.rollouts.request(run, CommandKind.APPROVE)
    (site.root / HOOK).unlink()
    (site.root / HOOK).symlink_to("/etc/hosts")
    with pytest.raises(InvalidInputError, match="leads out of the workspace"):
        site.rollouts.resume(run)
