"""`rollout status` with a real state database: what it shows of a waiting run."""

import json
from pathlib import Path

import pytest
from msgspec import structs
from workflows.rollout.test_rollout_hooks import Site

from patchctl.cli import output
from patchctl.models.exclusions import Exclusion
from patchctl.models.journal import CommandKind
from patchctl.models.plan import CouldNotLook, LeftOut, LeftOutReason
from patchctl.models.rollout import RunState
from patchctl.models.run_status import BlockerKind, LeaseKind
from patchctl.plan.freeze import seal
from patchctl.report.formats import Format
from patchctl.report.rollout_view import RunView
from patchctl.rollout.status import exit_code


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_reason_why_a_run_may_not_go_on_is_in_its_status(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    run = site.rollouts.start(site.plan())
    view = site.rollouts.advance(run, wait=False)
    assert (view.state, exit_code(view)) == (RunState.WAITING, 5)
    site.rollouts.request(run, CommandKind.PAUSE, reason="the change board meets")
    status = site.rollouts.status(run)
    assert [blocker.kind for blocker in status.blockers] == [
        BlockerKind.OPERATOR,
        BlockerKind.APPROVAL,
    ]
    assert (status.state, status.reason) == (RunState.PAUSED, "the change board meets")

    output.show(RunView(status), Format.TABLE)
    text = capsys.readouterr().out
    assert "operator  the change board meets" in text
    assert "approval  ring production waits for an approval" in text

    output.show(RunView(status), Format.JSON)
    pause, approval = json.loads(capsys.readouterr().out)["blockers"]
    assert (pause["kind"], pause["what"], pause["until"]) == ("operator", run, None)
    assert (approval["kind"], approval["what"]) == ("approval", "production")
    assert pause["since"] == approval["since"] == site.clock.now_ms()

    site.rollouts.request(run, CommandKind.APPROVE, ring="production")
    site.rollouts.request(run, CommandKind.RESUME)
    assert site.rollouts.status(run).blockers == ()
    assert site.rollouts.advance(run).state is RunState.DONE


def test_a_run_whose_plan_held_hosts_back_says_so_and_ends_with_1(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    body = structs.replace(
        site.plan().body,
        left_out=(LeftOut(host="w1", reason=LeftOutReason.STALE_LISTS),),
        could_not_look=(CouldNotLook(host="w1", repository="http://vendor stable", reason="404"),),
    )
    run = site.rollouts.start(seal(body, site.plan().about))
    site.rollouts.request(run, CommandKind.APPROVE, ring="production")
    view = site.rollouts.advance(run)
    assert (view.state, exit_code(view)) == (RunState.DONE, 1)
    status = site.rollouts.status(run)
    output.show(RunView(status), Format.TABLE)
    assert "  http://vendor stable on w1: 404" in capsys.readouterr().out
    output.show(RunView(status), Format.JSON)
    assert json.loads(capsys.readouterr().out)["could_not_look"] == [
        {"host": "w1", "repository": "http://vendor stable", "reason": "404"}
    ]


def test_the_exclusions_of_its_plan_are_told_as_the_plan_tells_them(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = Exclusion(rule="--exclude", packages=("linux-*",), reason="frozen")
    body = structs.replace(site.plan().body, exclusions=(rule,))
    run = site.rollouts.start(seal(body, site.plan().about))
    output.show(RunView(site.rollouts.status(run)), Format.JSON)
    (exclusion,) = json.loads(capsys.readouterr().out)["exclusions"]
    assert exclusion == {
        "rule": "--exclude",
        "packages": ["linux-*"],
        "reason": "frozen",
        "owner": "",
        "until": "",
        "hosts": [],
    }


def test_hosts_that_a_run_holds_and_those_it_reserves_are_told_until_it_is_over(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    run = site.rollouts.start(site.plan())
    assert leases(site, run) == {"s1": LeaseKind.RESERVED, "p1": LeaseKind.RESERVED}
    view = site.rollouts.advance(run, wait=False)
    assert leases(site, run) == {"s1": LeaseKind.HELD, "p1": LeaseKind.RESERVED}
    output.show(RunView(site.rollouts.status_of_view(view)), Format.TABLE)
    assert "holds 1 host, reserves 1 host that it has not begun" in capsys.readouterr().out

    site.rollouts.request(run, CommandKind.ABORT)
    assert leases(site, run) == {"s1": None, "p1": None}
    output.show(RunView(site.rollouts.status(run)), Format.TABLE)
    assert "reserves" not in capsys.readouterr().out


def leases(site: Site, run: str) -> dict[str, LeaseKind | None]:
    return {host.name: host.lease for host in site.rollouts.status(run).hosts}
