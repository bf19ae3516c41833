"""An abort asks at a terminal, and pipelines are not asked."""

import pytest
import typer

from patchctl.cli import options
from patchctl.cli.rollout_abort import question
from patchctl.models.rollout import RingState, RunState
from patchctl.models.run_status import RingStatus, RunStatus


def status(**hosts: int) -> RunStatus:
    ring = RingStatus(name="staging", state=RingState.RUNNING, hosts=hosts)
    return RunStatus(
        run="r-1", plan="sha256:0", state=RunState.RUNNING, reason="", rings=(ring,), hosts=()
    )


def test_the_question_says_what_becomes_of_hosts_that_are_not_done() -> None:
    assert question(status(running=1, pending=2, succeeded=4)) == (
        "Abort run r-1 for good (1 host at work ends first; 2 hosts not begun get nothing)?"
    )
    assert question(status(succeeded=4)) == "Abort run r-1 for good?"


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer)
    if answer:
        options.confirm_at_terminal("Abort?", yes=False)
    else:
        with pytest.raises(typer.Exit) as ended:
            options.confirm_at_terminal("Abort?", yes=False)
        assert ended.value.exit_code == 2


@pytest.mark.parametrize(("terminal", "yes"), [(False, False), (True, True)])
def test_without_a_terminal_or_with_yes_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, yes: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: pytest.fail("asked"))
    options.confirm_at_terminal("Abort?", yes=yes)
