"""`rollout promote` with a real state database: refused, asked, recorded, gone on."""

import json
from pathlib import Path

import pytest
from msgspec import structs
from workflows.rollout.test_rollout_hooks import Site

from patchctl.cli import output
from patchctl.errors import ConflictError
from patchctl.models.journal import CommandKind, CommandTaken
from patchctl.models.plan import Plan
from patchctl.models.policy import Promote
from patchctl.models.rollout import RunState
from patchctl.models.words import moment
from patchctl.plan.freeze import seal
from patchctl.report.formats import Format
from patchctl.report.rollout_view import RequestView, RunView, next_step
from patchctl.rollout.status import exit_code

SOAK_S = 86_400


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def soaking_plan(site: Site, promote: Promote = Promote.AUTO) -> Plan:
    """The site's plan whose staging soaks for a day."""
    made = site.plan()
    staging, production = made.body.rings
    rings = (
        structs.replace(staging, soak_s=SOAK_S),
        structs.replace(production, promote=promote),
    )
    return seal(structs.replace(made.body, rings=rings), made.about)


def soaking(site: Site, promote: Promote = Promote.AUTO) -> str:
    run = site.rollouts.start(soaking_plan(site, promote))
    assert site.rollouts.advance(run, wait=False).state is RunState.SOAKING
    return run


def test_status_says_until_when_it_soaks_and_what_continues_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    run = soaking(site)
    site.clock.advance(60_000)
    status = site.rollouts.status(run)
    end = moment(site.clock.now_ms() // 1000 + SOAK_S - 60)
    told = f"staging soaks until {end} (23h59m left)"
    assert (status.reason, [blocker.reason for blocker in status.blockers]) == (told, [told])
    output.show(RunView(status), Format.TABLE)
    text = capsys.readouterr().out
    assert text.startswith(f"run {run}: soaking: {told}\n")
    assert "may not go on yet" not in text  # the headline says it all
    assert next_step(status).splitlines() == [
        f"then let it go on: patchctl rollout resume {run} (given now, it waits until then)",
        f"end the soak early: patchctl rollout promote {run} --reason TEXT",
    ]
    carried = next_step(structs.replace(status, controller="process 7 of ann")).splitlines()
    assert carried[0] == "then it goes on by itself"
    output.show(RunView(status), Format.JSON)
    shown = json.loads(capsys.readouterr().out)
    assert shown["soak_until"] == shown["rings"][0]["soak_until"] == status.soak_until
    assert shown["blockers"][0]["until_at"] == status.soak_until


def test_an_approval_that_comes_next_is_offered_already_now(site: Site) -> None:
    run = soaking(site, Promote.MANUAL)
    step = next_step(site.rollouts.status(run)).splitlines()[-1]
    assert step == (
        f"approve production already now: patchctl rollout approve {run} --ring production"
    )


def test_a_soak_that_is_over_asks_for_a_resume_alone(site: Site) -> None:
    run = soaking(site)
    site.clock.advance(SOAK_S * 1000)
    status = site.rollouts.status(run)
    assert status.reason.startswith("the soak of staging ended ")
    assert next_step(status) == f"let it go on: patchctl rollout resume {run}"
    with pytest.raises(ConflictError, match="nothing soaks in run"):
        site.rollouts.soak(run)


def test_it_is_recorded_with_its_reason_and_the_run_goes_on(site: Site) -> None:
    run = soaking(site)
    assert site.rollouts.soak(run).startswith("staging soaks until ")
    assert not site.rollouts.request(run, CommandKind.PROMOTE, reason="exploited")
    taken = [entry.event for entry in site.database.journal_reader().read(run)][-1]
    assert taken == CommandTaken(
        command=CommandKind.PROMOTE, by="test", ring="staging", reason="exploited"
    )
    status = site.rollouts.status(run)
    assert (status.blockers, status.soak_until) == ((), None)
    assert status.reason == "test ended the soak of staging early: exploited"
    step = RequestView(run, CommandKind.PROMOTE, status)
    assert any("patchctl rollout resume" in getattr(part, "text", "") for part in step.parts())
    view = site.rollouts.resume(run)
    assert (view.state, exit_code(view)) == (RunState.DONE, 0)


def test_where_nothing_soaks_nothing_is_written(site: Site) -> None:
    run = soaking(site)
    site.rollouts.request(run, CommandKind.PROMOTE, reason="exploited")
    before = site.database.journal_reader().last(run)
    for _ in range(2):
        with pytest.raises(ConflictError, match=f"nothing soaks in run {run}: test ended"):
            site.rollouts.request(run, CommandKind.PROMOTE, reason="again")
    assert site.database.journal_reader().last(run) == before
    assert not site.database.mailbox.pending(run)
