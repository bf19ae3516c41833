"""What is refused leaves nothing in the journal: not even that somebody asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from workflows.rollout.test_verify import Site, failing

from patchctl.errors import ConflictError, HaltedError, NotFoundError, PatchctlError
from patchctl.models.journal import CommandKind
from patchctl.models.rollout import RunState, Stage
from patchctl.workflows.rollout.runs import Rollouts


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def entries(site: Site) -> int:
    return len(list(site.database.journal_reader().stored()))


def refused(site: Site, ask: Callable[[], object], kind: type[PatchctlError]) -> str:
    """The message with which it is refused; nothing is written."""
    before = entries(site)
    with pytest.raises(kind) as error:
        ask()
    assert entries(site) == before
    for run in site.database.runs.list():
        assert not site.database.mailbox.pending(run.id)
    return str(error.value)


def halted(site: Site) -> str:
    site.script = failing("s1", Stage.PREFLIGHT)
    run = site.roll_out("curl")
    assert site.rollouts.view(run).state is RunState.HALTED
    return run


def test_to_resume_a_run_whose_budget_is_used_up(site: Site) -> None:
    run = halted(site)
    refused(site, lambda: site.rollouts.resume(run), HaltedError)


def test_to_resume_a_run_that_is_over(site: Site) -> None:
    run = site.roll_out("curl")
    assert "is done" in refused(site, lambda: site.rollouts.resume(run), ConflictError)


def test_to_undo_what_changed_nothing(site: Site) -> None:
    site.script = failing("s1", Stage.PREFLIGHT)
    run = site.rollouts.start(site.plan("curl", hosts=["s1"]))
    site.rollouts.advance(run)
    refused(site, lambda: site.rollouts.roll_back(run), ConflictError)


def test_to_undo_a_host_that_is_not_in_the_run(site: Site) -> None:
    run = site.roll_out("curl")
    refused(site, lambda: site.rollouts.roll_back(run, hosts=["web9"]), NotFoundError)


def test_to_undo_where_another_run_has_the_hosts(site: Site) -> None:
    first = site.roll_out("curl")
    other = site.rollouts.start(site.plan("vim"))
    said = refused(site, lambda: site.rollouts.roll_back(first), ConflictError)
    assert f"is reserved by run {other}" in said


@pytest.mark.parametrize("command", [CommandKind.PAUSE, CommandKind.RESUME])
def test_requests_that_change_nothing_of_a_halted_run(site: Site, command: CommandKind) -> None:
    run = halted(site)
    said = refused(site, lambda: site.rollouts.request(run, command), ConflictError)
    assert f"run {run} is halted, so there is nothing to {command.value}" in said


def left_alone(site: Site) -> Rollouts:
    """The runs of the site, none of which has a living controller."""
    return replace(site.rollouts, alive=lambda _: False)


def test_to_pause_what_is_paused(site: Site) -> None:
    run, rollouts = site.rollouts.start(site.plan("curl")), left_alone(site)
    rollouts.request(run, CommandKind.PAUSE)
    said = refused(site, lambda: rollouts.request(run, CommandKind.PAUSE), ConflictError)
    assert "is paused already" in said
    rollouts.request(run, CommandKind.RESUME)


def test_to_approve_a_ring_twice(site: Site) -> None:
    run, rollouts = site.rollouts.start(site.plan("curl")), left_alone(site)

    def approve() -> None:
        rollouts.request(run, CommandKind.APPROVE, ring="production")

    approve()
    assert "is approved already" in refused(site, approve, ConflictError)


def test_to_approve_a_ring_that_has_begun(site: Site) -> None:
    run = halted(site)

    def approve() -> None:
        site.rollouts.request(run, CommandKind.APPROVE, ring="staging")

    assert "needs no approval" in refused(site, approve, ConflictError)
