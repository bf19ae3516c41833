"""Each end of a host's work releases what the run took: claim, updaters, drain, files."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import faults
import msgspec
import pytest
from managed import broken, over, put_updater, updater_timer, upgrades
from test_rollout import command, make_plan, patchctl, states, wait_for_apply
from test_trouble import Disk, small

from patchctl.cli.caller import this_process
from patchctl.errors import CutShortError
from patchctl.lab.handle import Lab
from patchctl.models.journal import CommandKind, HostMoved, JournalEntry
from patchctl.models.rollout import (
    Carrier,
    HostOutcome,
    HostState,
    OutcomeStatus,
    RunState,
    Shard,
    ShardEnded,
    Stage,
)
from patchctl.rollout import decisions
from patchctl.rollout.interfaces import EventSink, Executor
from patchctl.rollout.view import RunView
from patchctl.wiring.runs import rollouts as runs_of
from patchctl.wiring.stored import find_plan
from patchctl.wiring.workspace import open_workspace
from patchctl.workflows.rollout.runs import Rollouts

pytestmark = pytest.mark.lab
__all__ = ["small"]

KEPT = "/var/lib/patchctl"
DRAINED = "/root/drained"
HOOK = "- name: {name}\n  become: true\n  ansible.builtin.raw: {command}\n"
# Host -> how its stage ends. What leads to an undo is a verify that fails.
ANSWERS = {
    "staging-1": OutcomeStatus.FAILED,
    "staging-2": OutcomeStatus.UNREACHABLE,
    "canary-1": OutcomeStatus.LOST,
    "production-1": OutcomeStatus.FAILED,  # in a ring with on_failure: stop
}
HOSTS = (*ANSWERS, "production-2")
UNDOING = (Stage.UNDO, Stage.VERIFY_UNDO)
STAGES = [stage for stage in Stage if stage is not Stage.RELEASE]

Answer = Callable[[HostOutcome, Stage], HostOutcome]


def mostly(*often: Stage) -> list[object]:
    """All stages. Those that run the same code as others and take minutes run in `make crash-test`
    only."""
    return [
        pytest.param(stage, id=stage.value, marks=[] if stage in often else [pytest.mark.proof])
        for stage in STAGES
        if stage is not Stage.REBOOT
    ]


class Faulty:
    """The real executor, which loses or replaces the answers of some hosts."""

    def __init__(self, inner: Executor, answer: Answer) -> None:
        self._inner = inner
        self._answer = answer
        self._stages: dict[str, Stage] = {}

    def start(self, shard: Shard) -> Carrier | None:
        self._stages[shard.id] = shard.stage
        return self._inner.start(shard)

    def poll(self, timeout_s: float) -> Sequence[HostOutcome | ShardEnded]:
        return [
            came if isinstance(came, ShardEnded) else self._answer(came, self._stages[came.shard])
            for came in self._inner.poll(timeout_s)
        ]

    def reap(self, shard: str, carrier: Carrier | None) -> bool:
        return self._inner.reap(shard, carrier)

    def stop(self) -> None:
        self._inner.stop()


class At:
    """Does something once, when a host begins the stage."""

    def __init__(self, stage: Stage, action: Callable[[], object]) -> None:
        self._stage = stage
        self._action: Callable[[], object] | None = action

    def on_entry(self, entry: JournalEntry) -> None:
        event = entry.event
        if isinstance(event, HostMoved) and event.stage is self._stage and self._action:
            action, self._action = self._action, None
            action()


def site(lab: Lab, workspace: Path, *hosts: str) -> None:
    """A workspace with drain hooks, an updater that is stopped during the run, and settings by
    which a failure does not halt the run."""
    (workspace / "hooks").mkdir(exist_ok=True)
    for name, order in (("drain", f"touch {DRAINED}"), ("undrain", f"rm -f {DRAINED}")):
        (workspace / f"hooks/{name}.yml").write_text(HOOK.format(name=name, command=order))
    path = workspace / "patchctl.yml"
    settings = msgspec.yaml.decode(path.read_text())
    settings["policy"] |= {"updaters": "hold-for-run", "unproven": "allow"}
    for ring in settings["rings"]:
        ring |= {"budget": "100%", "max_concurrent": "100%", "soak": 0, "promote": "auto"}
        ring["on_failure"] = "stop" if ring["name"] == "production" else "rollback"
    settings["hooks"] = {"drain": "hooks/drain.yml", "undrain": "hooks/undrain.yml"}
    path.write_text(msgspec.yaml.encode(settings).decode())
    for host in hosts:
        put_updater(lab, host)


def left(lab: Lab, host: str) -> dict[str, str]:
    """Return what a run has left on a host; empty for nothing."""
    questions = {
        "claim": f"grep -s '^state active' {KEPT}/claim || true",
        "updaters": f"systemctl is-active --quiet {updater_timer(lab, host)} || echo off;"
        f" ls {KEPT}/updaters 2>/dev/null || true",
        "drained": f"ls {DRAINED} 2>/dev/null || true",
        "files": f"ls -d {KEPT}/reserve {KEPT}/*/call.* {KEPT}/*/pushed {KEPT}/*/*.part"
        " 2>/dev/null || true",
    }
    answers = {name: lab.check(host, script).strip() for name, script in questions.items()}
    answers["packages"] = broken(lab, host)
    return {name: said for name, said in answers.items() if said}


def carried(
    workspace: Path,
    plan: str,
    *,
    answer: Answer = lambda outcome, _: outcome,
    sinks: Callable[[Rollouts, str], Sequence[EventSink]] = lambda *_: (),
) -> RunView:
    """Run in this process, with changed answers."""
    opened = open_workspace(workspace, this_process())
    rollouts = runs_of(opened)
    real = rollouts.executor
    run = rollouts.start(find_plan(opened, plan).plan)
    told = dataclasses.replace(
        rollouts, executor=lambda made: Faulty(real(made), answer), sinks=sinks(rollouts, run)
    )
    try:
        return told.advance(run)
    finally:
        opened.runner.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hosts that do not answer lost after seconds instead of five minutes."""
    monkeypatch.setattr(decisions, "UNREACHABLE_S", 3)


@over("debian")
@pytest.mark.parametrize("stage", mostly(Stage.PREPARE, Stage.VERIFY))
def test_a_host_that_ended_so_at_this_stage_holds_nothing(
    fresh_lab: Lab, workspace: Path, impatient: None, stage: Stage
) -> None:
    site(fresh_lab, workspace, *HOSTS)
    plan = make_plan(workspace, "patchlab-web")

    def answer(outcome: HostOutcome, asked: Stage) -> HostOutcome:
        ending = ANSWERS.get(outcome.host)
        if ending is not None and asked is stage:
            return msgspec.structs.replace(outcome, status=ending, reason="x", evidence={})
        if ending is not None and asked is Stage.VERIFY and stage in UNDOING:
            return msgspec.structs.replace(outcome, status=OutcomeStatus.FAILED, evidence={})
        return outcome

    view = carried(workspace, plan, answer=answer)
    assert view.state is RunState.DONE
    assert view.hosts["production-2"].state is HostState.SUCCEEDED
    for host in HOSTS:
        host_view = view.hosts[host]
        if host_view.state is HostState.UNKNOWN:
            continue  # nobody could tell it to let go
        assert not host_view.holding, host
        kept = left(fresh_lab, host)
        if host_view.state in (HostState.FAILED, HostState.ROLLBACK_FAILED):
            # Left as it is on an operator's word, or not healthy again: not put into service.
            kept.pop("drained", None)
        assert kept == {}, (host, host_view.state, host_view.reason)


@over("debian")
@pytest.mark.parametrize("stage", mostly(Stage.PREPARE))
def test_an_abort_at_this_stage_leaves_nothing_behind(
    fresh_lab: Lab, workspace: Path, stage: Stage
) -> None:
    hosts = ("staging-1", "staging-2")
    site(fresh_lab, workspace, *hosts)
    plan = make_plan(workspace, "patchlab-web", limit="staging")

    def answer(outcome: HostOutcome, asked: Stage) -> HostOutcome:
        if outcome.host == "staging-1" and asked is Stage.VERIFY and stage in UNDOING:
            return msgspec.structs.replace(outcome, status=OutcomeStatus.FAILED, evidence={})
        return outcome

    view = carried(
        workspace,
        plan,
        answer=answer,
        sinks=lambda rollouts, run: [
            At(stage, lambda: rollouts.request(run, CommandKind.ABORT, reason="enough"))
        ],
    )
    assert view.state is RunState.ABORTED
    assert {host: left(fresh_lab, host) for host in hosts} == {host: {} for host in hosts}


@over("debian")
def test_a_rollback_of_a_run_leaves_nothing_behind(fresh_lab: Lab, workspace: Path) -> None:
    hosts = ("staging-1", "staging-2")
    site(fresh_lab, workspace, *hosts)
    plan = make_plan(workspace, "patchlab-web", limit="staging")
    done = patchctl(workspace, "rollout", plan, "--yes")
    assert patchctl(workspace, "rollback", done["run"], "--yes")["state"] == "rolled_back"
    assert {host: left(fresh_lab, host) for host in hosts} == {host: {} for host in hosts}


class TestLostHosts:
    @over("debian")
    def test_one_that_comes_back_bad_before_the_end_is_undone(
        self, fresh_lab: Lab, workspace: Path, impatient: None
    ) -> None:
        fresh_lab.publish("bad-web")
        site(fresh_lab, workspace, "staging-1")
        plan = make_plan(workspace, "patchlab-web", limit="staging-1")
        gone = True

        class Back:
            """Repair the host's network as soon as the host counts as lost."""

            def on_entry(self, entry: JournalEntry) -> None:
                nonlocal gone
                event = entry.event
                if isinstance(event, HostMoved) and event.to is HostState.UNKNOWN:
                    gone = False

        def answer(outcome: HostOutcome, asked: Stage) -> HostOutcome:
            if gone and asked is Stage.VERIFY:
                return msgspec.structs.replace(
                    outcome, status=OutcomeStatus.UNREACHABLE, evidence={}
                )
            return outcome

        view = carried(workspace, plan, answer=answer, sinks=lambda *_: [Back()])
        assert view.hosts["staging-1"].state is HostState.ROLLED_BACK
        assert "web" in view.hosts["staging-1"].reason
        assert view.rings["staging"].counted == 1
        assert left(fresh_lab, "staging-1") == {}

    @pytest.mark.proof
    @pytest.mark.timeout(1500)
    def test_one_that_is_away_for_more_than_five_minutes(
        self, fresh_lab: Lab, workspace: Path
    ) -> None:
        fresh_lab.publish("slow")
        # The run goes on without it, in the next ring; at its end the host is looked at.
        settings = workspace / "patchctl.yml"
        settings.write_text(
            settings.read_text().replace("staging, budget: 0", "staging, budget: 1")
        )
        plan = make_plan(workspace, "patchlab-slow", limit="staging,canary")
        process = subprocess.Popen(
            command(workspace, "-q", "rollout", plan, "--yes", "-o", "json"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        wait_for_apply(workspace, process)
        # A host that is lost before its update began is put back, not looked at to its end.
        _wait_for_script(fresh_lab, "staging-1", "patchlab-slow.postinst")
        faults.stop_sshd(fresh_lab, "staging-1")
        began = time.monotonic()
        while states(patchctl(workspace, "rollout", "status"))["staging-1"] != "unknown":
            assert time.monotonic() - began < 900
            time.sleep(1)
        assert time.monotonic() - began > 300
        faults.start_sshd(fresh_lab, "staging-1")
        process.communicate(timeout=300)
        status = patchctl(workspace, "rollout", "status")
        ended = dict.fromkeys(("staging-1", "staging-2", "canary-1"), "succeeded")
        assert states(status) == ended, status["hosts"]
        assert status["state"] == "done"
        assert len(upgrades(fresh_lab, "staging-1", "patchlab-slow")) == 1
        assert left(fresh_lab, "staging-1").keys() <= {"updaters"}


def _wait_for_script(lab: Lab, host: str, script: str) -> None:
    # The brackets keep pgrep from finding the shell that asks.
    deadline = time.monotonic() + 60
    while lab.exec(host, f"pgrep -f '[{script[0]}]{script[1:]}'").rc:
        assert time.monotonic() < deadline, f"{script} did not run on {host}"
        time.sleep(0.1)


@over("debian")
@pytest.mark.parametrize("name", ["drain", "undrain"])
def test_a_controller_killed_inside_a_hook_is_resumed(
    fresh_lab: Lab, workspace: Path, name: str
) -> None:
    site(fresh_lab, workspace, "staging-1")
    order = "touch" if name == "drain" else "rm -f"
    (workspace / f"hooks/{name}.yml").write_text(
        HOOK.format(
            name=name, command=f"echo x >>/root/{name}.began && sleep 4 && {order} {DRAINED}"
        )
    )
    plan = make_plan(workspace, "patchlab-web", limit="staging-1")
    process = subprocess.Popen(
        command(workspace, "-q", "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    while fresh_lab.exec("staging-1", f"test -s /root/{name}.began").rc != 0:
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status = patchctl(workspace, "rollout", "resume")
    assert (status["state"], states(status)) == ("done", {"staging-1": "succeeded"})
    # At least once: it may have run again, and it was not forgotten.
    assert fresh_lab.check("staging-1", f"wc -l </root/{name}.began").strip() in ("1", "2")
    assert len(upgrades(fresh_lab, "staging-1", "patchlab-web")) == 1
    assert left(fresh_lab, "staging-1") == {}


@over("debian")
@pytest.mark.parametrize("stage", mostly(Stage.VERIFY))
def test_a_full_disk_of_the_controller_at_this_stage_loses_nothing(
    fresh_lab: Lab, workspace: Path, small: Disk, stage: Stage
) -> None:
    site(fresh_lab, workspace, "staging-1")
    plan = make_plan(workspace, "patchlab-web", limit="staging-1")
    bad = stage in UNDOING

    def answer(outcome: HostOutcome, asked: Stage) -> HostOutcome:
        if bad and asked is Stage.VERIFY:
            return msgspec.structs.replace(outcome, status=OutcomeStatus.FAILED, evidence={})
        return outcome

    def controller() -> None:
        with pytest.raises(CutShortError, match=str(small.folder)):
            carried(workspace, plan, answer=answer, sinks=lambda *_: [At(stage, small.fill)])

    # In a process of its own: it cannot give its lease back, and its end does that.
    process = multiprocessing.get_context("fork").Process(target=controller)
    process.start()
    process.join(300)
    assert process.exitcode == 0
    small.free()
    status = patchctl(workspace, "rollout", "resume", code=4 if bad else 0)
    assert states(status) == {"staging-1": "rolled_back" if bad else "succeeded"}
    assert len(upgrades(fresh_lab, "staging-1", "patchlab-web")) == (2 if bad else 1)
    assert patchctl(workspace, "audit", "verify")["ok"]
    assert left(fresh_lab, "staging-1") == {}
