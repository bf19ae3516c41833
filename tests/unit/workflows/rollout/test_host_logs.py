"""`rollout logs`: what a host answered and printed in the stages of a run."""

from pathlib import Path

import pytest
from workflows.rollout.test_rollout_hooks import Site

from patchctl.errors import NotFoundError
from patchctl.models.host_log import HostLog, StageLog
from patchctl.models.rollout import OutcomeStatus, Stage
from patchctl.report.host_log_view import HostLogView
from patchctl.report.view import Lines
from patchctl.workflows.rollout.host_logs import log_of


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def kept(_run: str, host: str, attempt: int, stage: Stage) -> tuple[str, ...] | None:
    return (f"{host} {attempt}",) if stage is Stage.APPLY else None


def test_every_answer_of_the_host_is_there_with_what_it_printed(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    site.rollouts.advance(run, wait=False)
    log = log_of(site.database, kept, run, "s1", None)
    stages = [stage.stage for stage in log.stages]
    assert stages[:4] == [Stage.PREFLIGHT, Stage.PREPARE, Stage.DRAIN, Stage.APPLY]
    assert [stage.output for stage in log.stages if stage.stage is Stage.APPLY] == [("s1 1",)]
    assert log.stages[0].output is None
    assert log_of(site.database, kept, run, "p1", None).stages == ()


def test_one_stage_may_be_named(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    site.rollouts.advance(run, wait=False)
    log = log_of(site.database, kept, run, "s1", Stage.PREPARE)
    assert {stage.stage for stage in log.stages} == {Stage.PREPARE}


def test_a_host_that_is_not_in_the_run_is_an_error(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    with pytest.raises(NotFoundError, match=f"x9 is not in run {run}"):
        log_of(site.database, kept, run, "x9", None)


def shown(stage: Stage, output: tuple[str, ...] | None) -> list[str]:
    answer = StageLog(
        stage=stage,
        attempt=1,
        at=1_795_435_805_000,
        status=OutcomeStatus.FAILED,
        reason="broken",
        checks=("disk: full",),
        output=output,
    )
    view = HostLogView(HostLog(run="r-1", host="web1", stages=(answer,)))
    return [row for part in view.parts() if isinstance(part, Lines) for row in part.rows]


def test_it_reads_as_paragraphs_and_says_where_nothing_was_kept() -> None:
    head = "2026-11-23 12:10:05 UTC  apply: failed: broken"
    assert shown(Stage.APPLY, ("E: no",)) == [head, "  disk: full", "  | E: no"]
    assert shown(Stage.APPLY, None)[-1] == "  (nothing was kept of what the host printed)"
    assert shown(Stage.DRAIN, None)[-1] == "  (what a hook prints is not kept)"
    assert shown(Stage.PREFLIGHT, None)[-1] == "  disk: full"
