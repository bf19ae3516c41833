"""`rollout --check` asks each host of a plan, begins no run and changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from workflows.rollout.test_rollout_hooks import Site

from patchctl.errors import IntegrityError, InvalidInputError
from patchctl.executors.simulated import Behaviour, SimulatedExecutor
from patchctl.models.readiness import HostCheck, Readiness, RolloutCheck
from patchctl.models.rollout import OutcomeStatus, Stage
from patchctl.workflows.rollout.check import RolloutChecker


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def checked(site: Site, **behaviours: Behaviour) -> RolloutCheck:
    """Check the site's plan; host -> how it answers."""

    def script(host: str, stage: Stage, _: int) -> Behaviour:
        assert stage is Stage.PREFLIGHT
        return behaviours.get(host, Behaviour())

    def executor(_: Any) -> SimulatedExecutor:
        return SimulatedExecutor(site.hosts, site.clock, script)

    return RolloutChecker(replace(site.rollouts, executor=executor)).check(site.plan())


def result(check: RolloutCheck, name: str) -> HostCheck:
    return next(host for host in check.hosts if host.name == name)


def test_hosts_that_pass_are_ready_and_no_run_begins(site: Site) -> None:
    check = checked(site)
    assert [(host.name, host.ring, host.result) for host in check.hosts] == [
        ("s1", "staging", Readiness.READY),
        ("p1", "production", Readiness.READY),
    ]
    assert check.count(Readiness.READY) == 2
    assert not site.entered()


def test_no_host_is_claimed_drained_or_changed(site: Site) -> None:
    checked(site)
    for host in site.hosts.values():
        assert (host.held, host.drained, host.changes, host.fence) == (False, False, 0, 0)


def test_a_host_that_fails_preflight_is_not_ready_and_says_why(site: Site) -> None:
    check = checked(site, p1=Behaviour(OutcomeStatus.FAILED, reason="the disk is full"))
    assert result(check, "s1").result is Readiness.READY
    assert result(check, "p1").result is Readiness.NOT_READY
    assert result(check, "p1").reason == "the disk is full"


@pytest.mark.parametrize("status", [OutcomeStatus.LOST, OutcomeStatus.UNREACHABLE])
def test_a_host_that_does_not_answer_could_not_be_asked(site: Site, status: OutcomeStatus) -> None:
    check = checked(site, s1=Behaviour(status, reason="no route"))
    assert (result(check, "s1").result, result(check, "s1").reason) == (
        Readiness.NOT_ASKED,
        "no route",
    )


def test_a_host_whose_package_manager_is_in_use_is_not_ready_now(site: Site) -> None:
    check = checked(site, s1=Behaviour(OutcomeStatus.LOCKED, reason="apt-get (pid 7)"))
    assert result(check, "s1").result is Readiness.NOT_READY
    assert result(check, "s1").reason == "its package manager is in use: apt-get (pid 7)"


def test_remarks_of_a_ready_host_are_kept(site: Site) -> None:
    rows = [
        {"name": "updaters", "ok": True, "detail": "apt-daily may install packages", "note": True},
        {"name": "disk", "ok": True, "detail": "/ 3 of 9 MiB"},
    ]
    check = checked(site, s1=Behaviour(more={"checks": rows}))
    assert result(check, "s1").notes == ("updaters: apt-daily may install packages",)


def test_a_host_that_another_run_has_is_not_ready(site: Site) -> None:
    run = site.rollouts.start(site.plan())
    check = checked(site)
    assert {host.result for host in check.hosts} == {Readiness.NOT_READY}
    assert result(check, "p1").reason == f"reserved by run {run}"


def test_a_plan_that_may_not_run_is_refused_as_at_the_start(site: Site) -> None:
    plan = site.plan()
    site.write("- ansible.builtin.debug: {msg: x}\n")
    with pytest.raises(IntegrityError, match="was changed since"):
        RolloutChecker(site.rollouts).check(plan)
    empty = structs.replace(plan, body=structs.replace(plan.body, hosts=()))
    with pytest.raises(InvalidInputError, match="changes no host"):
        RolloutChecker(site.rollouts).check(empty)
