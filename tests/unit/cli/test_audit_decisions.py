"""`patchctl audit show`: decisions, every step with --all, and an error for what nobody knows."""

import json
from pathlib import Path

import msgspec
import pytest
from cli.test_audit_show import PROCESS, run, shown, workspace

from patchctl.audit.decisions import is_decision
from patchctl.models.journal import (
    CommandKind,
    CommandTaken,
    ControllerTook,
    Event,
    HostMoved,
    WaveStarted,
)
from patchctl.models.rollout import HostState, Stage

__all__ = ["workspace"]  # the fixture


def test_show_has_the_decisions_and_with_all_every_step(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = run(capsys, workspace, "show", "--run", "bbbb")[1].splitlines()
    assert [line.split("  ")[2:] for line in decisions] == [
        ["-", "ann creates the run of plan sha256:0123456789ab: tuesday"],
        ["db", "unknown: gone\\x0ar-1 all is ok"],
        ["lb", "unknown: gone\\x0ar-1 all is ok"],
    ]
    every = run(capsys, workspace, "show", "--run", "bbbb", "--all")[1].splitlines()
    assert len(every) == 4
    # Of a host every step is shown, and programs get every record.
    assert "apply goes out" in run(capsys, workspace, "show", "--host", "lb")[1]
    assert shown(capsys, workspace, "--run", "bbbb") == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("event", "decides"),
    [
        (HostMoved(host="h", attempt=1, to=HostState.APPLY, stage=Stage.APPLY), False),
        (HostMoved(host="h", attempt=1, to=HostState.SUCCEEDED), False),
        (HostMoved(host="h", attempt=1, to=HostState.SKIPPED), True),
        (HostMoved(host="h", attempt=1, to=HostState.ROLLING_BACK), True),
        (CommandTaken(command=CommandKind.APPROVE, by="bob"), True),
        (ControllerTook(fence=3, process=PROCESS, by="ann"), False),
        (WaveStarted(ring="canary", wave=2, hosts=1), True),
    ],
    ids=lambda value: getattr(value, "to", None) or type(value).__name__,
)
def test_what_a_decision_is(event: Event, decides: bool) -> None:
    assert is_decision(msgspec.to_builtins(event)) is decides


def test_what_a_later_version_writes_may_be_a_decision() -> None:
    assert is_decision({"kind": "moon-rose"})


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--run", "nothing"), "the audit log has no run 'nothing'"),
        (("--host", "web9"), "neither the audit log nor the inventory has a host 'web9'"),
        (("--run", "bbbb", "--host", "web9"), "has a host 'web9'"),
    ],
)
def test_a_run_or_host_that_is_not_known_is_an_error(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
    form: str,
) -> None:
    code, out, err = run(capsys, workspace, "show", "-o", form, *words)
    assert code == 2
    assert message in err
    if form == "json":
        assert message in json.loads(out)["error"]["message"]
    else:
        assert out == ""


def test_a_host_of_the_inventory_of_which_nothing_is_told_is_none(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "inventory").mkdir()
    (workspace / "inventory" / "hosts.yml").write_text("all: {hosts: {web9: {}}}\n")
    assert run(capsys, workspace, "show", "--host", "web9")[:2] == (0, "")
