"""Roll out as one workflow: choose, plan, approve, carry, and one result for every end."""

import dataclasses
import json
from pathlib import Path

import msgspec
import pytest
import typer
from plan_world import TAKEN, snapshot
from rollout.test_rollout_locks import locked
from typer.core import TyperCommand
from workflows.rollout.test_rollout_hooks import Site

from patchctl.cli.plan import plan_result
from patchctl.cli.running import Terminal
from patchctl.cli.state import State
from patchctl.errors import CutShortError, InvalidInputError, NotFoundError, UsageError
from patchctl.executors.simulated import SimulatedExecutor
from patchctl.models.exclusions import Exclusion
from patchctl.models.journal import CommandKind, JournalEntry, PlanTrust
from patchctl.models.plan import LeftOut, LeftOutReason, Plan
from patchctl.models.revision import AtHead
from patchctl.models.rollout import HostState, RunState, Stage
from patchctl.report.formats import Format
from patchctl.rollout.view import RunView
from patchctl.workflows.plan.make_plan import Made
from patchctl.workflows.plan.plan_files import FoundPlan
from patchctl.workflows.plan.trust import PlanJudge
from patchctl.workflows.rollout import advance
from patchctl.workflows.rollout.advance import Ended, Screen
from patchctl.workflows.rollout.start import Chosen, NothingToDo, Starting

COMMAND = "patchctl rollout start x.lock"


class Seen:
    """A sink that counts entries."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    def on_entry(self, entry: JournalEntry) -> None:
        self.entries.append(entry)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def starting(site: Site, made: Made | None = None, *, vouched: bool = True) -> Starting:
    def find(name: str) -> FoundPlan:
        if name != "x.lock":
            raise NotFoundError("no plan")
        return FoundPlan(site.plan(), Path("/fleet/x.lock"), b"", "x.lock")

    def make() -> Made:
        assert made is not None, "nobody asked for a new plan"
        return made

    return Starting(
        find=find,
        judge=PlanJudge(made=lambda _: vouched, committed=lambda *_: AtHead("", "not in git")),
        make=make,
        rollouts=lambda: site.rollouts,
        screen=Screen(),
    )


def left_out(reason: LeftOutReason) -> Made:
    return Made(plan=None, snapshot=snapshot(), left_out=(LeftOut(host="s1", reason=reason),))


def refuse(_: Plan) -> None:
    raise UsageError("no")


class TestChoosing:
    def test_a_named_plan_is_found_and_judged(self, site: Site) -> None:
        chosen = starting(site).choose("x.lock", "", COMMAND)
        assert chosen == Chosen(plan=site.plan(), trust=PlanTrust.STATE)

    def test_one_that_nothing_vouches_for_is_told_as_it_was_named(self, site: Site) -> None:
        with pytest.raises(InvalidInputError) as caught:
            starting(site, vouched=False).choose("x.lock", "", COMMAND)
        assert caught.value.lines()[0].startswith("x.lock: a plan is code")
        assert f"`{COMMAND} --trust-plan {site.plan().digest}`" in str(caught.value)

    def test_without_a_name_one_will_be_made(self, site: Site) -> None:
        assert starting(site).choose("", "", COMMAND).plan is None
        with pytest.raises(UsageError, match="none is named"):
            starting(site).choose("", site.plan().digest, COMMAND)


class TestStarting:
    def test_nothing_is_entered_before_the_approval(self, site: Site) -> None:
        rolling = starting(site)
        with pytest.raises(UsageError, match="no"):
            rolling.start(
                rolling.choose("x.lock", "", COMMAND), approve=refuse, comment="", wait=False
            )
        assert not site.entered()

    def test_a_fresh_plan_is_shown_and_carried_as_far_as_it_goes(self, site: Site) -> None:
        shown: list[Plan] = []
        made = Made(plan=site.plan(), snapshot=snapshot(), left_out=())
        rolling = starting(site, made)
        ended = rolling.start(
            rolling.choose("", "", COMMAND), approve=shown.append, comment="c", wait=False
        )
        assert shown == [site.plan()]
        assert isinstance(ended, Ended)
        assert (ended.status.state, ended.exit_code, ended.why) == (RunState.WAITING, 5, "")

    @pytest.mark.parametrize(
        ("reason", "code"), [(LeftOutReason.NO_UPDATES, 0), (LeftOutReason.UNREACHABLE, 1)]
    )
    def test_nothing_to_do_is_a_result(self, site: Site, reason: LeftOutReason, code: int) -> None:
        made = left_out(reason)
        rolling = starting(site, made)
        ended = rolling.start(
            rolling.choose("", "", COMMAND), approve=refuse, comment="", wait=False
        )
        assert ended == NothingToDo(left_out=made.left_out, exit_code=code, all_looked_at=code == 0)
        assert not site.entered()

    def test_scripts_read_why_nothing_is_to_do_as_of_a_plan(
        self, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rule = Exclusion(rule="--exclude", packages=("vim",), reason="frozen")
        row = LeftOut(host="s1", reason=LeftOutReason.EXCLUDED, package="vim", rule=rule.rule)
        made = Made(plan=None, snapshot=snapshot(), left_out=(row,), exclusions=(rule,))
        rolling = starting(site, made)
        chosen = rolling.choose("", "", COMMAND)
        ended = rolling.start(chosen, approve=refuse, comment="", wait=False)
        assert isinstance(ended, NothingToDo)
        context = typer.Context(TyperCommand("start"), obj=State())
        with pytest.raises(typer.Exit), Terminal(context, Format.JSON) as terminal:
            terminal.nothing(ended)
        answer = json.loads(capsys.readouterr().out)
        planned = json.loads(msgspec.json.encode(plan_result(made, None).data()))
        for name in ("left_out", "exclusions", "could_not_look"):
            assert answer[name] == planned[name]
        assert (answer["left_out"][0]["rule"], answer["left_out"][0]["needs"]) == ("--exclude", [])
        assert answer["exclusions"][0]["packages"] == ["vim"]


class TestEveryEnd:
    def test_an_interruption_says_how_to_go_on(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())

        def interrupted() -> RunView:
            raise KeyboardInterrupt

        ended = advance.perform(site.rollouts, run, interrupted)
        assert ended.exit_code == 130
        assert ended.why == f"interrupted; go on with `patchctl rollout resume {run}`"
        assert ended.status.run == run

    def test_what_cut_it_short_is_said(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())

        def cut_short() -> RunView:
            raise CutShortError("disk full", hint="free space")

        ended = advance.perform(site.rollouts, run, cut_short)
        assert (ended.exit_code, ended.why) == (130, "disk full; free space")

    def test_a_resumed_run_ends_with_its_code(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())
        site.rollouts.advance(run, wait=False)
        site.rollouts.request(run, CommandKind.APPROVE)
        seen = Seen()
        rollouts = Screen(sinks=lambda _: (seen,)).of(site.rollouts)
        ended = advance.resume(rollouts, run, reason="", accept_failures=False, wait=False)
        assert (ended.status.state, ended.exit_code) == (RunState.DONE, 0)
        assert seen.entries, "the screen was told nothing"

    def test_a_done_run_begins_no_deferred_host_from_a_plan_that_has_expired(
        self, site: Site
    ) -> None:
        run = site.rollouts.start(site.plan())
        site.rollouts.request(run, CommandKind.APPROVE, ring="production")
        script = locked("s1", Stage.PREFLIGHT)
        executor = SimulatedExecutor(site.hosts, site.clock, script)
        held = dataclasses.replace(site.rollouts, executor=lambda _: executor)
        view = held.advance(run, wait=False)
        assert (view.state, view.hosts["s1"].state) == (RunState.DONE, HostState.DEFERRED)
        site.clock.advance((site.plan().body.expires - TAKEN) * 1000)
        before = view.seq
        with pytest.raises(InvalidInputError, match="the plan has expired") as caught:
            site.rollouts.resume(run)
        assert "patchctl plan create" in str(caught.value.hint)
        assert site.rollouts.view(run).seq == before
        assert site.hosts["s1"].changes == 0

    def test_a_run_that_nobody_carries_is_followed_to_where_it_stands(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())
        site.rollouts.advance(run, wait=False)
        ended = advance.follow(site.rollouts, run)
        assert (ended.status.state, ended.exit_code) == (RunState.WAITING, 5)

    def test_what_was_undone_is_undone_whole(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())
        site.rollouts.advance(run, wait=False)
        ended = advance.roll_back(site.rollouts, run, reason="", hosts=(), force=False)
        assert (ended.status.state, ended.exit_code) == (RunState.ROLLED_BACK, 0)
