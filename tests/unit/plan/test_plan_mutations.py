"""Thousands of plans with random changes and a good digest: none crashes a reader or runs code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plan_mutations import mutate
from plan_sealing import PLACES, content, whole_plan
from plan_world import TAKEN, fleet, host

from patchctl.adapters import hook_files, processes
from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.cli import output
from patchctl.cli.app import main
from patchctl.errors import InvalidInputError, PatchctlError
from patchctl.executors.hooks import PlannedHooks
from patchctl.executors.simulated import SimulatedExecutor, SimulatedHost, VirtualClock
from patchctl.models.journal import CommandKind
from patchctl.models.plan import Plan
from patchctl.models.revision import AtHead
from patchctl.plan import lockfile
from patchctl.plan.diff import diff
from patchctl.report import plan_diff_view, plan_view, rollout_view
from patchctl.workflows.plan.plan_files import FoundPlan
from patchctl.workflows.plan.trust import PlanJudge
from patchctl.workflows.rollout.runs import Rollouts

MANY = 600
PLAN = whole_plan()
FLEET = fleet(*(host(name, ring) for name, ring in PLACES.items()))
BEFORE_CVES = Path(__file__).parents[2] / "data/plan/before-cves.lock"


def contents() -> list[dict[str, Any]]:
    """Plans of each kind: with all fields, and from before the newer fields."""
    return [content(PLAN), content(PLAN), json.loads(BEFORE_CVES.read_text())]


def mutants(chunk: int) -> Iterator[tuple[int, bytes]]:
    kinds = contents()
    for seed in range(chunk * MANY, (chunk + 1) * MANY):
        yield seed, mutate(kinds[seed % len(kinds)], seed)


def decoded(data: bytes) -> Plan | None:
    """Return the plan, or None where it is refused with one line and the right exit code."""
    try:
        return lockfile.decode(data, "x.lock")
    except PatchctlError as error:
        assert error.exit_code in (2, 6)
        assert len(error.lines()) == 1, error.lines()
        return None


class Site:
    """A state and a workspace, and traces of anything that runs on hosts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock(TAKEN * 1000)
        self.database = Database(root / "state.db", now_ms=self.clock.now_ms).open()
        self.hosts = {name: SimulatedHost(name) for name in (*PLACES, "p1")}
        self.executors: list[SimulatedExecutor] = []
        (root / "hooks").mkdir()
        (root / "hooks/drain.yml").write_text("- ansible.builtin.debug:\n")

    def executor(self, _: Plan) -> SimulatedExecutor:
        self.executors.append(SimulatedExecutor(self.hosts, self.clock))
        return self.executors[-1]

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(
            database=self.database,
            executor=self.executor,
            fleet=lambda: FLEET,
            clock=self.clock,
            process=processes.own(),
            alive=processes.is_alive,
            by="test",
            audit=AuditFiles(self.root / "audit"),
            check=lambda _: None,
            hooks=lambda plan: PlannedHooks(root=self.root, body=plan.body).check(),
        )

    def nothing_entered(self) -> bool:
        held = self.database.leases.held(list(PLACES))
        return not (self.database.runs.list() or self.database.plans.list() or held)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("chunk", range(8))
def test_no_changed_plan_crashes_a_reader_or_is_trusted(chunk: int, site: Site) -> None:
    judge = PlanJudge(
        made=lambda digest: site.database.plans.load(digest) is not None,
        committed=lambda path, data: AtHead("", "git has it not"),
    )
    read = 0
    for seed, data in mutants(chunk):
        plan = decoded(data)
        if plan is None:
            continue
        read += 1
        try:
            for full in (True, False):
                for line in (*plan_view.show(plan, full=full), *rollout_view.before(plan)):
                    assert output.clean(line).isprintable()
            for before, after in ((PLAN, plan), (plan, PLAN)):
                plan_diff_view.show(diff(before, after))
            assert lockfile.decode(lockfile.encode(plan), "again") == plan
        except Exception as error:
            raise AssertionError(f"mutant {seed}") from error
        with pytest.raises(InvalidInputError, match="nothing vouches"):
            judge.judge(FoundPlan(plan, Path("x.lock"), data), "", "patchctl rollout start x.lock")
    assert read > MANY / 50, "too few of them are plans to test what comes after"
    assert site.nothing_entered()


def runnable(site: Site) -> dict[str, Any]:
    """Return the complete plan with the hooks of the site."""
    files = hook_files.read(site.root, ["hooks/drain.yml"]).files
    made = content(PLAN)
    made["body"]["hooks"] = [{"path": f.path, "mode": f.mode, "sha256": f.sha256} for f in files]
    return made


def test_a_changed_plan_that_is_trusted_runs_completely_or_not_at_all(site: Site) -> None:
    begun = 0
    for seed in range(2000):
        plan = decoded(mutate(runnable(site), seed))
        if plan is None:
            continue
        before = (site.database.runs.list(), site.database.leases.held(list(PLACES)))
        try:
            run = site.rollouts.start(plan)
        except PatchctlError as error:
            assert error.exit_code in (2, 6) and len(error.lines()) == 1
            after = (site.database.runs.list(), site.database.leases.held(list(PLACES)))
            assert before == after, f"mutant {seed} was refused and left something"
            continue
        begun += 1
        site.rollouts.advance(run, wait=False)
        view = site.rollouts.view(run)
        if view.state.value != "done":
            site.rollouts.request(run, CommandKind.ABORT)
            site.rollouts.advance(run, wait=False)
        assert site.database.leases.held(list(PLACES)) == {}, f"mutant {seed}"
        if begun == 25:
            break
    assert begun == 25


def test_the_command_line_prints_one_line_for_each_changed_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    (root / "inventory").mkdir(parents=True)
    (root / "hooks").mkdir()
    (root / "patchctl.yml").touch()
    (root / "inventory/hosts.yml").write_text("all: {hosts: {s1: {patch_ring: staging}}}\n")
    codes = set()
    for seed in range(120):
        file = root / "x.lock"
        file.write_bytes(mutate(content(PLAN), seed))
        for words in (
            ["plan", "show", str(file)],
            ["plan", "diff", str(file), str(file)],
            ["rollout", "start", str(file), "--yes"],
        ):
            code = main(["-C", str(root), *words])
            said = capsys.readouterr()
            codes.add(code)
            assert code in (0, 2, 6), f"mutant {seed}: {words}: {said.err}"
            assert code == 0 or (said.out == "" and len(said.err.splitlines()) == 1), said
            assert not (code == 0 and words[0] == "rollout")
    assert codes == {0, 2, 6}
    assert not (root / ".patchctl/state.db").exists() and not list(tmp_path.rglob("pwned"))
