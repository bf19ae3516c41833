"""The executor: a shard becomes a job, an answer becomes an outcome, and missing files need a
second job."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from executor_world import (
    HOSTS,
    PROBES,
    MemoryRunner,
    Reply,
    all_well,
    inventory,
    plan,
    policy,
    says,
    shard,
    store_with,
    upgrade,
)

from patchctl.adapters.ansible.playbooks import shipped
from patchctl.adapters.content_store import ContentStore
from patchctl.errors import AdapterError, NotFoundError
from patchctl.executors.ansible import AnsibleExecutor
from patchctl.executors.groups import groups_of
from patchctl.executors.hooks import PlannedHooks
from patchctl.models.facts import PackageManager
from patchctl.models.plan import Artifact, Transition
from patchctl.models.policy import RingPolicy
from patchctl.models.reach import ReasonCode
from patchctl.models.rollout import HostOutcome, OutcomeStatus, ShardEnded, Stage
from patchctl.protocol import managers
from patchctl.protocol.jobs import Answer, AnswerStatus, Job
from patchctl.protocol.payloads import ATTACH_S, PROBE_S


def executor(
    root: Path, reply: Reply, *transitions: Transition, ring: RingPolicy | None = None, **more: Any
) -> tuple[AnsibleExecutor, MemoryRunner]:
    runner = MemoryRunner(reply)
    made = AnsibleExecutor(
        plan=plan(*transitions, ring=ring),
        inventory=inventory,
        runner=cast(Any, runner),
        store=ContentStore(root / "store"),
        hooks=PlannedHooks(root=root, body=plan(*transitions, ring=ring).body),
        clock=lambda: 1_800_000_000.0,
        **more,
    )
    return made, runner


def collect(made: AnsibleExecutor) -> tuple[dict[str, HostOutcome], int]:
    """Return the outcomes by host, and the number of ends."""
    outcomes: dict[str, HostOutcome] = {}
    ends = 0
    while came := made.poll(0):
        for item in came:
            if isinstance(item, ShardEnded):
                ends += 1
            else:
                outcomes[item.host] = item
    return outcomes, ends


@pytest.mark.parametrize(
    ("stage", "playbook", "part"),
    [
        (Stage.PREFLIGHT, "apply.yml", "preflight"),
        (Stage.PREPARE, "apply.yml", "prepare"),
        (Stage.APPLY, "apply.yml", "apply"),
        (Stage.RESTART, "apply.yml", "restart"),
        (Stage.REBOOT, "reboot.yml", None),
        (Stage.VERIFY, "verify.yml", None),
        (Stage.UNDO, "rollback.yml", None),
        (Stage.VERIFY_UNDO, "verify.yml", None),
        (Stage.RELEASE, "release.yml", None),
    ],
)
def test_a_stage_is_one_playbook(
    tmp_path: Path, stage: Stage, playbook: str, part: str | None
) -> None:
    made, runner = executor(tmp_path, all_well)
    assert made.start(shard(stage)) is not None
    outcomes, ends = collect(made)
    assert {host: outcome.status for host, outcome in outcomes.items()} == dict.fromkeys(
        HOSTS, OutcomeStatus.OK
    )
    assert ends == 1
    (job,) = runner.jobs
    assert job.stage == stage.value
    brought = shipped(job.stage)
    assert brought.path.name == playbook and brought.path.is_file()
    assert brought.variables.get("patch_stage") == part
    assert job.manager is PackageManager.APT
    assert f"stage {stage.value}\n" in job.payloads["web1"]


@pytest.mark.parametrize(
    ("stage", "status"),
    # Who may have changed something is asked again, by a patchctl that can.
    [(Stage.PREFLIGHT, OutcomeStatus.FAILED), (Stage.APPLY, OutcomeStatus.LOST)],
)
def test_a_package_manager_that_no_role_knows_is_refused(
    tmp_path: Path, stage: Stage, status: OutcomeStatus
) -> None:
    made, runner = executor(tmp_path, all_well)
    assert made.start(shard(stage, manager=PackageManager.NONE)) is None
    outcomes, ends = collect(made)
    assert ends == 1 and runner.jobs == []
    assert {
        host: (outcome.status, outcome.reason) for host, outcome in outcomes.items()
    } == dict.fromkeys(HOSTS, (status, "patchctl does not update with none yet"))


def test_what_a_host_printed_is_kept_and_is_no_evidence(tmp_path: Path) -> None:
    def printing(job: Job, host: str) -> Answer:
        answer = all_well(job, host)
        return replace(answer, output=answer.output.replace("code 0", "output Done.\ncode 0"))

    kept: list[tuple[str, str, Stage, list[str]]] = []
    made, _ = executor(
        tmp_path,
        printing,
        keep=lambda run, work, stage, lines: kept.append((run, work.host, stage, list(lines))),
    )
    made.start(shard(Stage.APPLY, "web1"))
    outcomes, _ = collect(made)
    assert kept == [("r-1", "web1", Stage.APPLY, ["Done."])]
    assert outcomes["web1"].status is OutcomeStatus.OK
    assert "output" not in outcomes["web1"].evidence


def test_a_shard_of_another_kind_than_its_hosts_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managers, "SUPPORTED", frozenset(PackageManager))
    made, runner = executor(tmp_path, all_well)
    with pytest.raises(ValueError, match="web1 has apt, its shard dnf"):
        made.start(shard(Stage.PREFLIGHT, manager=PackageManager.DNF))
    assert runner.jobs == []


def test_probes_go_where_their_groups_are_before_the_update_and_after_it(tmp_path: Path) -> None:
    made, runner = executor(tmp_path, all_well)
    made.start(shard(Stage.VERIFY))
    outcomes, _ = collect(made)
    payloads = runner.jobs[0].payloads
    assert payloads["web1"].count("\nprobe ") == 2 and payloads["web2"].count("\nprobe ") == 1
    assert outcomes["web1"].evidence["checks"][0]["name"] == "probe site"
    assert outcomes["web2"].evidence["checks"][0]["name"] == "probe login works"
    made.start(shard(Stage.APPLY))
    assert "\nprobe " not in runner.jobs[1].payloads["web1"]
    made.start(shard(Stage.PREPARE))
    assert runner.jobs[2].payloads["web1"].count("\nprobe ") == 2


@pytest.mark.parametrize(
    ("stage", "status", "expected"),
    [
        (Stage.APPLY, AnswerStatus.UNREACHABLE, OutcomeStatus.UNREACHABLE),
        (Stage.APPLY, AnswerStatus.LOST, OutcomeStatus.LOST),
        # The script may have started the transaction before the connection broke.
        (Stage.APPLY, AnswerStatus.FAILED, OutcomeStatus.LOST),
        (Stage.UNDO, AnswerStatus.FAILED, OutcomeStatus.LOST),
        (Stage.REBOOT, AnswerStatus.FAILED, OutcomeStatus.LOST),
        (Stage.PREFLIGHT, AnswerStatus.FAILED, OutcomeStatus.FAILED),
        (Stage.PREPARE, AnswerStatus.FAILED, OutcomeStatus.FAILED),
    ],
)
def test_no_answer_is_no_failure_of_the_host(
    tmp_path: Path, stage: Stage, status: AnswerStatus, expected: OutcomeStatus
) -> None:
    def reply(job: Job, host: str) -> Answer:
        return Answer(job=job.id, host=host, status=status, reason="connection closed")

    made, _ = executor(tmp_path, reply)
    made.start(shard(stage))
    outcomes, _ = collect(made)
    assert outcomes["web1"].status is expected and outcomes["web1"].reason == "connection closed"


def test_an_answer_that_a_full_disk_here_did_not_take_stops_the_run_not_the_host(
    tmp_path: Path,
) -> None:
    def reply(job: Job, host: str) -> Answer:
        return Answer(
            job=job.id, host=host, status=AnswerStatus.LOST, reason="full", trouble="/x: full"
        )

    made, _ = executor(tmp_path, reply)
    made.start(shard(Stage.PREFLIGHT))
    with pytest.raises(AdapterError, match="/x: full; free space there"):
        collect(made)


KEY = "permission denied: the host accepts neither the key nor the user"
PASSWORDS = {
    "wrong sudo password": ReasonCode.WRONG_SUDO_PASSWORD,
    "sudo wants a password (-K)": ReasonCode.SUDO_WANTS_PASSWORD,
    "permission denied: wrong ssh password": ReasonCode.WRONG_PASSWORD,
    "permission denied: the host takes no password": ReasonCode.TAKES_NO_PASSWORD,
    "a vaulted value cannot be opened (--vault-id)": ReasonCode.VAULT_CLOSED,
}
CODES = {KEY: ReasonCode.REFUSED_KEY, **PASSWORDS}


def refuses(reason: str, *hosts: str) -> Reply:
    """Make these hosts refuse each login, while the others answer."""
    well = all_well

    def reply(job: Job, host: str) -> Answer:
        if host not in hosts:
            return well(job, host)
        status = AnswerStatus.UNREACHABLE if "permission" in reason else AnswerStatus.FAILED
        code = CODES.get(reason, ReasonCode.UNKNOWN)
        return Answer(job=job.id, host=host, status=status, reason=reason, code=code)

    return reply


class TestARefusedPassword:
    @pytest.mark.parametrize("stage", [Stage.PREFLIGHT, Stage.APPLY, Stage.VERIFY, Stage.UNDO])
    @pytest.mark.parametrize("reason", PASSWORDS)
    def test_that_no_host_takes_stops_the_run_and_blames_none(
        self, tmp_path: Path, stage: Stage, reason: str
    ) -> None:
        made, _ = executor(tmp_path, refuses(reason, *HOSTS))
        made.start(shard(stage))
        with pytest.raises(AdapterError) as raised:
            collect(made)
        assert str(raised.value) == (
            f"web1 and 1 more: {reason}, as on every host that was asked;"
            " give the right key or password"
        )

    @pytest.mark.parametrize("refusing", HOSTS)
    def test_that_another_host_takes_is_that_hosts_failure(
        self, tmp_path: Path, refusing: str
    ) -> None:
        made, _ = executor(tmp_path, refuses("wrong sudo password", refusing))
        made.start(shard(Stage.PREFLIGHT))
        outcomes, ends = collect(made)
        assert ends == 1
        assert {host: outcome.status for host, outcome in outcomes.items()} == {
            **dict.fromkeys(HOSTS, OutcomeStatus.OK),
            refusing: OutcomeStatus.FAILED,
        }

    def test_of_a_host_that_took_it_before_is_the_hosts_own_trouble(self, tmp_path: Path) -> None:
        """Its update may have broken sudo: the run asks again, and the host counts."""
        made, runner = executor(tmp_path, all_well)
        made.start(shard(Stage.APPLY))
        collect(made)
        runner.reply = refuses("wrong sudo password", *HOSTS)
        made.start(shard(Stage.VERIFY))
        outcomes, _ = collect(made)
        assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.LOST}

    def test_a_refused_key_stops_a_run_only_in_the_middle_of_an_update(
        self, tmp_path: Path
    ) -> None:
        made, _ = executor(tmp_path, refuses(KEY, *HOSTS))
        for harmless in (Stage.PREFLIGHT, Stage.RELEASE):
            made.start(shard(harmless))
            outcomes, _ = collect(made)
            assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.UNREACHABLE}
        made.start(shard(Stage.APPLY))
        with pytest.raises(AdapterError, match="accepts neither the key nor the user, as on every"):
            collect(made)


def test_a_host_that_left_the_inventory_during_the_run_fails_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    def edited(hosts: Any) -> dict[str, Any]:
        if "web1" in hosts:
            raise NotFoundError("no host web1")
        return inventory(hosts)

    made, runner = executor(tmp_path, all_well)
    made._inventory = edited
    made.start(shard(Stage.PREFLIGHT))
    outcomes, ends = collect(made)
    assert outcomes["web1"].status is OutcomeStatus.FAILED
    assert outcomes["web1"].reason == "the inventory has no such host any more"
    assert outcomes["web2"].status is OutcomeStatus.OK
    assert (len(runner.jobs), ends) == (1, 1)


def test_an_answer_that_is_short_is_a_failure(tmp_path: Path) -> None:
    made, _ = executor(tmp_path, says("answer ok"))
    made.start(shard(Stage.VERIFY))
    outcomes, _ = collect(made)
    assert outcomes["web1"].status is OutcomeStatus.FAILED
    assert outcomes["web1"].reason.startswith("the host's answer is not complete: check ")


def test_a_call_gets_the_time_that_its_probes_may_take(tmp_path: Path) -> None:
    slow = tuple(msgspec.structs.replace(PROBES[1], name=f"p{n}") for n in range(100))
    made, runner = executor(tmp_path, says("answer running"), ring=policy(probes=slow))
    for stage in (Stage.RESTART, Stage.VERIFY):
        made.start(shard(stage))
    without, asking = runner.jobs
    assert asking.timeout_s - without.timeout_s >= 5 * PROBE_S
    call_s = int(next(w for w in asking.payloads["web1"].splitlines() if "call" in w).split()[1])
    assert asking.timeout_s > call_s > 5 * PROBE_S + ATTACH_S


def test_a_failed_script_with_an_answer_is_judged_by_its_answer(tmp_path: Path) -> None:
    made, _ = executor(tmp_path, says("reason held", "answer failed", status=AnswerStatus.FAILED))
    made.start(shard(Stage.PREFLIGHT))
    outcomes, _ = collect(made)
    assert outcomes["web1"].status is OutcomeStatus.FAILED and outcomes["web1"].reason == "held"


def test_what_a_host_lacks_is_pushed_and_it_is_asked_again(tmp_path: Path) -> None:
    content, old = b"new", b"old"
    new_file = Artifact(
        name="openssl_2_amd64.deb", size=3, sha256=hashlib.sha256(content).hexdigest()
    )
    old_file = Artifact(name="openssl_1_amd64.deb", size=3, sha256=hashlib.sha256(old).hexdigest())
    store_with(tmp_path / "store", (new_file, content), (old_file, old))

    def reply(job: Job, host: str) -> Answer:
        lacks = host == "web2" and not job.pushes
        lines = [
            f"missing new {new_file.name} {new_file.sha256} 3",
            f"missing old {old_file.name} {old_file.sha256} 3",
            "answer missing",
        ]
        return says(*lines)(job, host) if lacks else all_well(job, host)

    made, runner = executor(
        tmp_path,
        reply,
        upgrade(from_="1", to="2", file=new_file),
        known={("openssl", "amd64", "1"): old_file},
    )
    made.start(shard(Stage.PREPARE))
    outcomes, ends = collect(made)
    assert {host: outcome.status for host, outcome in outcomes.items()} == dict.fromkeys(
        HOSTS, OutcomeStatus.OK
    )
    assert ends == 1
    first, second = runner.jobs
    assert f"stored openssl amd64 1 {old_file.name} 3 {old_file.sha256}" in first.payloads["web1"]
    assert "pushed no" in first.payloads["web2"]
    assert list(second.payloads) == ["web2"] and "pushed yes" in second.payloads["web2"]
    assert (second.id, second.stage) == ("r-1-2-1.2", "push")
    store = tmp_path / "store" / "sha256"
    assert second.pushes["web2"].splitlines() == [
        "directory /var/lib/patchctl/r-1-web2/pushed",
        f"file {new_file.sha256} 3 {new_file.name} {store / new_file.sha256[:2] / new_file.sha256}",
        f"file {old_file.sha256} 3 {old_file.name} {store / old_file.sha256[:2] / old_file.sha256}",
    ]


def test_a_host_that_still_lacks_files_fails(tmp_path: Path) -> None:
    made, runner = executor(
        tmp_path, says(f"missing new x.deb {'c' * 64} 3", "reason x", "answer missing")
    )
    made.start(shard(Stage.PREPARE))
    outcomes, ends = collect(made)
    assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.FAILED}
    assert ends == 1 and len(runner.jobs) == 2


def test_a_value_that_must_not_reach_a_shell_fails_its_host_before_anything_runs(
    tmp_path: Path,
) -> None:
    made, runner = executor(tmp_path, says("answer ok"), upgrade("a;reboot"))
    assert made.start(shard(Stage.APPLY)) is None
    outcomes, ends = collect(made)
    assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.FAILED}
    assert ends == 1 and runner.jobs == []


class TestHooks:
    def test_none_is_done_at_once(self, tmp_path: Path) -> None:
        made, runner = executor(tmp_path, says())
        assert made.start(shard(Stage.DRAIN)) is None
        outcomes, ends = collect(made)
        assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.OK}
        assert ends == 1 and runner.jobs == []

    def test_one_that_is_not_there_fails(self, tmp_path: Path) -> None:
        made, _ = executor(tmp_path, says(), ring=policy(drain="hooks/drain.yml"))
        made.start(shard(Stage.DRAIN))
        outcomes, _ = collect(made)
        assert outcomes["web1"].status is OutcomeStatus.FAILED
        assert outcomes["web1"].reason == "hooks/drain.yml: the hook is not there"

    def test_it_gets_the_transaction_of_each_host_and_the_stage(self, tmp_path: Path) -> None:
        hook = tmp_path / "hooks" / "undrain.yml"
        hook.parent.mkdir()
        hook.write_text("[]\n")

        def reply(job: Job, host: str) -> Answer:
            return Answer(job=job.id, host=host, status=AnswerStatus.OK, rc=0)

        made, runner = executor(tmp_path, reply, ring=policy(undrain="hooks/undrain.yml"))
        made.start(shard(Stage.UNDRAIN))
        outcomes, _ = collect(made)
        assert outcomes["web1"].status is OutcomeStatus.OK
        (job,) = runner.jobs
        assert (job.stage, dict(job.variables)) == ("undrain", {"patch_hook_file": str(hook)})
        assert job.inventory["all"]["hosts"]["web1"]["patch_transaction"] == "r-1-web1"
        assert job.rescues

    @pytest.mark.parametrize("why", ["the run took longer than its limit", "YAML parsing failed"])
    def test_one_that_hangs_or_cannot_be_read_has_failed(self, tmp_path: Path, why: str) -> None:
        hook = tmp_path / "drain.yml"
        hook.write_text("[]\n")

        def reply(job: Job, host: str) -> Answer:
            return Answer(job=job.id, host=host, status=AnswerStatus.LOST, reason=why)

        made, runner = executor(tmp_path, reply, ring=policy(drain="drain.yml", drain_timeout_s=20))
        made.start(shard(Stage.DRAIN))
        outcomes, _ = collect(made)
        assert outcomes["web1"].status is OutcomeStatus.FAILED
        assert outcomes["web1"].reason == f"hook: {why}"
        assert runner.jobs[0].limit_s < 40


def test_stop_ends_playbooks_and_reap_ends_those_of_a_dead_controller(tmp_path: Path) -> None:
    made, runner = executor(tmp_path, all_well)
    made.start(shard(Stage.APPLY))
    made.stop()
    assert runner.cancelled == ["r-1-2-1"]
    assert made.reap("r-1-1-9", None)
    assert runner.reaped == ["r-1-1-9"]


def test_a_host_is_in_a_group_also_through_one_inside() -> None:
    assert groups_of(inventory(HOSTS)) == {"web1": ("services", "web")}
    circle: dict[str, Any] = {
        "all": {"children": {"a": {"children": {"b": {}}}, "b": {"children": {"a": {}}}}}
    }
    assert groups_of(circle) == {}
