"""The text that describes a run to a person."""

from typing import Any

import pytest
from rollout_world import SIX, World, plan, ring, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.policy import Amount
from patchctl.models.rollout import OutcomeStatus, RunState, Stage
from patchctl.models.run_status import Blocker, BlockerKind, RunStatus
from patchctl.report import rollout_view
from patchctl.rollout.status import status


def failing(stage: Stage, *hosts: str) -> Script:
    def script(host: str, asked: Stage, _: int) -> Behaviour:
        bad = asked is stage and host in hosts
        return Behaviour(status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="no")

    return script


@pytest.mark.parametrize(
    ("script", "undo"),
    [
        (failing(Stage.PREFLIGHT, "s1", "s2"), False),
        (failing(Stage.VERIFY, "s1", "s2"), False),  # undone by itself already
        (failing(Stage.VERIFY, "s1"), True),  # s2 has it
    ],
)
def test_an_undo_is_offered_where_there_is_something_to_undo(script: Script, undo: bool) -> None:
    step = rollout_view.next_step(status(World(plan(three_rings(), SIX), script).run()))
    assert ("patchctl rollback" in step) is undo
    assert "--accept-failures" in step


def test_before_a_rollout_its_rings_and_worst_cases_are_named() -> None:
    said = rollout_view.before(plan(three_rings(), SIX))
    assert said[0].endswith("6 hosts, 1 package update")
    assert said[3] == "  production: 3 hosts in 2 waves, budget 0, worst case 3"


def test_what_is_left_on_hosts_is_said_with_both_paths() -> None:
    files = [{"path": "/etc/x.conf", "copy": "/var/lib/patchctl/t/kept/etc/x.conf"}]

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        bad = host == "s1" and asked is Stage.VERIFY
        edited = {"edited": files} if host == "s1" and asked is Stage.UNDO else {}
        return Behaviour(
            status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="no", more=edited
        )

    world = World(plan(three_rings(), SIX), script)
    run_status = status(world.run())
    (line,) = rollout_view.left_behind(run_status)
    assert line == (
        "  s1: /etc/x.conf was edited after the update and stays;"
        " as it was before: /var/lib/patchctl/t/kept/etc/x.conf"
    )
    (host,) = (host for host in run_status.hosts if host.name == "s1")
    assert host.reason.startswith("no; edited after the update and left so: /etc/x.conf (as it was")


def test_a_file_that_is_to_blame_for_a_failed_undo_is_named() -> None:
    def script(host: str, asked: Stage, _: int) -> Behaviour:
        edited = {"edited": [{"path": "/etc/x.conf", "copy": ""}]} if asked is Stage.UNDO else {}
        bad = asked in (Stage.VERIFY, Stage.VERIFY_UNDO)
        return Behaviour(
            status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="dead", more=edited
        )

    run_status = status(World(plan(three_rings(), SIX), script).run())
    (host,) = (host for host in run_status.hosts if host.name == "s1")
    assert host.state.value == "rollback_failed"
    assert host.reason == "dead; edited after the update and left so: /etc/x.conf"


def test_what_could_not_be_given_back_is_said_with_the_command() -> None:
    def script(host: str, asked: Stage, _: int) -> Behaviour:
        gone = host == "s1" and asked in (Stage.PREPARE, Stage.RELEASE)
        return Behaviour(status=OutcomeStatus.UNREACHABLE if gone else OutcomeStatus.OK)

    run_status = status(World(plan(three_rings(), SIX), script).run())
    assert rollout_view.left_behind(run_status) == [
        "  s1: still holds what the run took there; when it can be reached: patchctl host clean s1"
    ]


def test_a_file_that_went_with_its_package_is_not_said_to_stay() -> None:
    copy = "/var/lib/patchctl/t/kept/edited/etc/x"
    gone = [{"path": "/etc/x", "copy": copy, "gone": True}]

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        bad = host == "s1" and asked is Stage.VERIFY
        more = {"edited": gone} if host == "s1" and asked is Stage.UNDO else {}
        return Behaviour(status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, more=more)

    run_status = status(World(plan(three_rings(), SIX), script).run())
    assert rollout_view.left_behind(run_status) == [
        f"  s1: /etc/x went with its package; as it was edited: {copy}"
    ]
    (host,) = (host for host in run_status.hosts if host.name == "s1")
    assert "left so" not in host.reason


def told(**of_apply: Any) -> Script:
    """A run: apply has more evidence, verify reports old code, and s2 fails and is undone."""

    def script(host: str, asked: Stage, _: int) -> Behaviour:
        bad = host == "s2" and asked is Stage.VERIFY
        return Behaviour(
            status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK,
            more=of_apply if asked is Stage.APPLY else {},
            stale=("dbus.service",) if asked is Stage.VERIFY else (),
            reboot_required=host == "p1" and asked is Stage.APPLY,
        )

    return script


def test_what_the_update_did_to_configuration_files_is_told_with_paths() -> None:
    kept = {"path": "/etc/a.conf", "beside": "/etc/a.conf.dpkg-dist"}
    rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
    world = World(plan(rings, SIX), told(config=[{"path": "/etc/b.conf"}, kept]))
    run_status = status(world.run())
    assert rollout_view.config_files(run_status) == [
        "configuration files:",
        "  /etc/a.conf kept on s1, k1, p1, p2 and 1 more; the package's is /etc/a.conf.dpkg-dist",
        "  /etc/b.conf changed on s1, k1, p1, p2 and 1 more",
    ]
    assert rollout_view.config_files(run_status, limit=1)[2:] == ["  and 1 more (-o json has all)"]
    (undone,) = (host for host in run_status.hosts if host.name == "s2")
    assert (undone.config, undone.old_code, undone.reboot_required) == ((), (), False)


def test_what_waits_for_a_restart_or_a_reboot_is_told_by_name() -> None:
    rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
    run_status = status(World(plan(rings, SIX), told()).run())
    assert rollout_view.waiting(run_status) == [
        "waits for a restart or a reboot:",
        "  reboot: p1",
        "  dbus.service on old code: s1, k1, p1, p2 and 1 more",
    ]
    (host,) = (host for host in run_status.hosts if host.name == "p1")
    assert (host.reboot_required, host.old_code) == (True, ("dbus.service",))


def test_without_files_and_reboots_nothing_is_said_of_them() -> None:
    run_status = status(World(plan(three_rings(), SIX)).run())
    assert (rollout_view.config_files(run_status), rollout_view.waiting(run_status)) == ([], [])


def blocker(kind: BlockerKind, reason: str, **more: Any) -> Blocker:
    return Blocker(kind=kind, what="canary", reason=reason, **more)


def waiting(*run_blockers: Blocker) -> RunStatus:
    reason = "ring canary soaks for 86400 s"
    return RunStatus(
        run="r-1", plan="p", state=RunState.SOAKING, reason=reason, rings=(), hosts=(),
        blockers=run_blockers,
    )  # fmt: skip


def test_all_reasons_why_a_run_may_not_go_on_are_told() -> None:
    soak = blocker(BlockerKind.SOAK, "ring canary soaks for 86400 s", until=1_764_324_000_000)
    unproven = blocker(BlockerKind.UNPROVEN, "nobody has proven it", details=("curl", "web"))
    assert rollout_view.blockers(waiting(soak, unproven)) == [
        "may not go on yet:",
        "  soak      ring canary soaks for 86400 s, until 2025-11-28 10:00 UTC",
        "  unproven  nobody has proven it: curl, web",
    ]


def test_what_the_headline_says_already_is_not_said_twice() -> None:
    same = blocker(BlockerKind.SOAK, "ring canary soaks for 86400 s")
    assert rollout_view.blockers(waiting(same)) == []
    assert rollout_view.blockers(waiting()) == []
    assert len(rollout_view.blockers(waiting(same, same))) == 3
