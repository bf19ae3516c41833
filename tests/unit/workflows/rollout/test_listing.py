"""`rollout list`: what came of each run, kept beside its journal and never older than that."""

import json
from pathlib import Path

import pytest
from rollout_world import fails
from workflows.rollout.test_verify import Site

from patchctl.cli import output
from patchctl.errors import ConflictError
from patchctl.models.journal import CommandKind
from patchctl.models.rollout import Result, RunState, Stage
from patchctl.models.run_list import ListedRun
from patchctl.report.formats import Format
from patchctl.report.rollout_view import RunsView
from patchctl.workflows.rollout import listing
from patchctl.workflows.rollout.listing import listed


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def only(site: Site) -> ListedRun:
    (run,) = listed(site.database)
    return run


def test_a_run_says_what_came_of_it_and_when(site: Site) -> None:
    run = site.roll_out("curl")
    row = only(site)
    assert (row.id, row.state, row.result) == (run, RunState.DONE, Result.SUCCEEDED)
    assert (row.hosts, row.succeeded, row.failed, row.skipped) == (3, 3, 0, 0)
    assert sum(row.counts.values()) == row.hosts
    status = site.rollouts.status(run)
    assert (row.started, row.ended) == (status.started, status.ended)
    assert row.created_at == status.created
    assert row.created == site.database.runs.get(run).created


def test_failed_hosts_are_counted_though_they_were_undone_and_undone_runs_have_none(
    site: Site,
) -> None:
    site.script = fails(Stage.VERIFY, "s1")
    run = site.roll_out("curl")
    row = only(site)
    assert (row.state, row.result, row.failed) == (RunState.HALTED, Result.HALTED, 1)
    site.rollouts.roll_back(run)
    row = only(site)
    assert (row.state, row.result, row.failed) == (RunState.ROLLED_BACK, Result.ROLLED_BACK, 0)
    assert row.counts["rolled_back"] == 2


def test_one_that_nobody_carries_yet_is_listed_too(site: Site) -> None:
    site.rollouts.start(site.plan("curl"))
    row = only(site)
    assert (row.state, row.result, row.started, row.ended) == (RunState.PLANNED, None, None, None)
    assert row.counts["pending"] == 3


def test_a_run_that_is_over_is_not_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run = site.roll_out("curl")
    before = only(site)

    def read(*_: object) -> None:
        raise AssertionError("its journal was read")

    with monkeypatch.context() as patched:
        patched.setattr(listing, "view_run", read)
        assert only(site) == before
    # An older patchctl kept nothing, or something else.
    for kept in (None, "{}", "?"):
        site.database.meta.set(f"figures of {run}", kept)
        assert only(site) == before
    assert site.database.meta.get(f"figures of {run}") not in (None, "{}", "?")


def test_figures_from_before_the_newest_entry_do_not_count(site: Site) -> None:
    run = site.roll_out("curl")
    stale = site.database.meta.get(f"figures of {run}")
    site.rollouts.roll_back(run)
    site.database.meta.set(f"figures of {run}", stale)
    assert only(site).result is Result.ROLLED_BACK


def test_the_table_and_json_say_the_same(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    run = site.roll_out("curl")
    rows = list(listed(site.database))
    output.show(RunsView(rows), Format.TABLE)
    header, line = capsys.readouterr().out.splitlines()
    assert header.split()[:6] == ["RUN", "RESULT", "HOSTS", "OK", "FAILED", "SKIPPED"]
    assert line.split()[:6] == [run, "succeeded", "3", "3", "0", "0"]
    output.show(RunsView(rows), Format.JSON)
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert (row["result"], row["succeeded"], row["ended"]) == ("succeeded", 3, rows[0].ended)


class TestASecondRolloutOfAPlan:
    def test_it_is_refused_with_the_run_that_did_it(self, site: Site) -> None:
        plan = site.plan("curl")
        run = site.rollouts.start(plan)
        site.rollouts.advance(run)
        with pytest.raises(ConflictError, match=f"nothing to do: run {run} has brought plan"):
            site.rollouts.start(plan)
        assert len(site.database.runs.list()) == 1

    def test_where_some_hosts_have_it_the_way_on_is_told(self, site: Site) -> None:
        plan = site.plan("curl")
        site.script = fails(Stage.PREFLIGHT, "p1")
        run = site.rollouts.start(plan)
        assert site.rollouts.advance(run).state is RunState.HALTED
        site.rollouts.request(run, CommandKind.ABORT)
        with pytest.raises(ConflictError) as caught:
            site.rollouts.start(plan)
        assert f"run {run} has brought it to 2 of 3 hosts" in caught.value.message
        assert caught.value.hint == "the others need a new plan (`patchctl plan create`)"

    def test_after_an_undo_it_may_be_rolled_out_again(self, site: Site) -> None:
        plan = site.plan("curl")
        run = site.rollouts.start(plan)
        site.rollouts.advance(run)
        site.rollouts.roll_back(run)
        assert site.rollouts.start(plan) != run

    def test_where_no_host_has_it_it_may_be_rolled_out_again(self, site: Site) -> None:
        plan = site.plan("curl")
        run = site.rollouts.start(plan)
        site.rollouts.request(run, CommandKind.ABORT)
        site.rollouts.advance(run)
        assert site.rollouts.start(plan) != run

    def test_another_plan_is_not_meant(self, site: Site) -> None:
        run = site.roll_out("curl")
        assert site.roll_out("vim") != run
