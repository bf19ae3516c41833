"""A hook is checked immediately before it runs, and exactly the checked files run."""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from executor_world import HOSTS, MemoryRunner, inventory, plan, policy, shard
from msgspec import structs

from patchctl.adapters import hook_files, ownership
from patchctl.adapters.ansible.runner import AnsibleRunner
from patchctl.adapters.content_store import ContentStore
from patchctl.errors import IntegrityError, InvalidInputError
from patchctl.executors.ansible import AnsibleExecutor
from patchctl.executors.hooks import PlannedHooks
from patchctl.models.connection import Connection
from patchctl.models.hooks import RingHook
from patchctl.models.plan import Plan
from patchctl.models.rollout import HostOutcome, OutcomeStatus, ShardEnded, Stage
from patchctl.protocol.jobs import Answer, AnswerStatus, CarriedFile, Job

LOCAL = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose hook includes a file beside it, through a link."""
    root = tmp_path / "workspace"
    (root / "hooks/lb").mkdir(parents=True)
    (root / "hooks/drain.yml").write_text("- ansible.builtin.include_tasks: link/all.yml\n")
    (root / "hooks/lb/all.yml").write_text(
        f"- ansible.builtin.command: touch {tmp_path}/ran\n"
        '- ansible.builtin.command: "{{ patch_hook_file | dirname }}/lb/out.sh"\n'
    )
    (root / "hooks/lb/out.sh").write_text(f"#!/bin/sh\ntouch {tmp_path}/script\n")
    (root / "hooks/lb/out.sh").chmod(0o755)
    (root / "hooks/link").symlink_to("lb")
    return root


def planned(root: Path, drain: str = "hooks/drain.yml") -> Plan:
    """A plan with that hook and the present digests of its files."""
    planned = plan(ring=policy(drain=drain, drain_timeout_s=60))
    files = hook_files.read(root, [drain]).files
    return structs.replace(planned, body=structs.replace(planned.body, hooks=files))


def well(job: Job, host: str) -> Answer:
    return Answer(job=job.id, host=host, status=AnswerStatus.OK, rc=0)


def hooks(root: Path, of: Plan, **more: Any) -> PlannedHooks:
    return PlannedHooks(root=root, body=of.body, **more)


def executor(
    root: Path, of: Plan, runner: Any, reach: Any = inventory, **more: Any
) -> AnsibleExecutor:
    return AnsibleExecutor(
        plan=of,
        inventory=reach,
        runner=runner,
        store=ContentStore(root / "store"),
        hooks=hooks(root, of, **more),
    )


def collect(made: AnsibleExecutor, within_s: float = 0) -> dict[str, HostOutcome]:
    outcomes: dict[str, HostOutcome] = {}
    deadline = time.monotonic() + within_s
    while True:
        for item in made.poll(0.1 if within_s else 0):
            if isinstance(item, ShardEnded):
                return outcomes
            outcomes[item.host] = item
        assert time.monotonic() < deadline, "the hook does not end"


# --- what comes along ---------------------------------------------------------------------------


def test_a_run_brings_the_files_of_its_hooks_along(root: Path) -> None:
    runner = MemoryRunner(well)
    made = executor(root, planned(root), cast(Any, runner))
    made.start(shard(Stage.DRAIN))
    assert {outcome.status for outcome in collect(made, 5).values()} == {OutcomeStatus.OK}
    (job,) = runner.jobs
    assert job.places == {"patch_hook_file": "hooks/drain.yml"}
    assert (job.stage, dict(job.variables)) == ("drain", {})
    assert job.files == {
        "hooks/drain.yml": CarriedFile(content=(root / "hooks/drain.yml").read_bytes()),
        "hooks/lb/all.yml": CarriedFile(content=(root / "hooks/lb/all.yml").read_bytes()),
        "hooks/lb/out.sh": CarriedFile(
            content=(root / "hooks/lb/out.sh").read_bytes(), executable=True
        ),
        "hooks/link": CarriedFile(link="lb"),
    }


def test_links_of_the_copy_lead_into_the_copy(root: Path) -> None:
    (root / "shared").mkdir()
    (root / "shared/x.yml").write_text("x")
    (root / "hooks/lb/absolute").symlink_to(root / "shared/x.yml")
    (root / "hooks/lb/relative").symlink_to("../../shared")
    (root / "hooks/lb/nowhere").symlink_to("gone")
    files = hooks(root, planned(root)).take("hooks/drain.yml").files
    assert files["hooks/lb/absolute"].link == "../../shared/x.yml"
    assert files["hooks/lb/relative"].link == "../../shared"
    assert "hooks/lb/nowhere" not in files and "shared/x.yml" in files


def local(hosts: Iterable[str]) -> dict[str, Any]:
    return {"all": {"hosts": {host: dict(LOCAL) for host in hosts}}}


def test_what_ansible_includes_is_what_was_checked(root: Path, tmp_path: Path) -> None:
    """Changed after the check and before Ansible gets to it: the old content runs."""
    with AnsibleRunner(tmp_path / "runs", root, Connection(), os.environ) as runner:
        made = executor(root, planned(root), runner, local)
        assert made.start(shard(Stage.DRAIN, "web1")) is not None
        (root / "hooks/lb/all.yml").write_text(
            f"- ansible.builtin.command: touch {tmp_path}/swapped\n"
        )
        (root / "hooks/lb/out.sh").write_text(f"#!/bin/sh\ntouch {tmp_path}/swapped\n")
        outcomes = collect(made, 60)
    assert outcomes["web1"].status is OutcomeStatus.OK, outcomes
    assert (tmp_path / "ran").exists() and (tmp_path / "script").exists()
    assert not (tmp_path / "swapped").exists()
    assert list((tmp_path / "runs").iterdir()) == []


# --- what does not run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda root: (root / "hooks/lb/all.yml").write_text("[]"), "hooks/lb/all.yml was changed"),
        (lambda root: (root / "hooks/lb/out.sh").unlink(), "hooks/lb/out.sh is missing"),
        (lambda root: (root / "hooks/lb/new").touch(), "hooks/lb/new is new"),
        (lambda root: (root / "hooks/lb/out.sh").chmod(0o600), "lb/out.sh is not executable"),
    ],
)
def test_a_file_that_is_not_the_plans_fails_the_hosts_and_runs_nothing(
    root: Path, change: Any, says: str
) -> None:
    runner = MemoryRunner(well)
    of = planned(root)
    hooks(root, of).check()
    change(root)
    with pytest.raises(IntegrityError, match=says):
        hooks(root, of).check()
    made = executor(root, of, cast(Any, runner))
    assert made.start(shard(Stage.DRAIN)) is None
    outcomes = collect(made, 5)
    assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.FAILED}
    assert outcomes.keys() == set(HOSTS) and runner.jobs == []
    assert says in outcomes["web1"].reason and "since the plan was made" in outcomes["web1"].reason


def test_a_hook_that_others_could_have_written_does_not_run(root: Path) -> None:
    of = planned(root)
    (root / "hooks/lb").chmod(0o777)

    def judge(paths: Iterable[str]) -> None:
        if problems := ownership.problems_of(root, paths):
            raise InvalidInputError(problems=ownership.counted(problems))

    with pytest.raises(InvalidInputError, match="everybody can write it"):
        hooks(root, of, judge=judge).check()
    with pytest.raises(InvalidInputError, match="everybody can write it"):
        hooks(root, of, judge=judge).take("hooks/drain.yml")
    (root / "hooks/lb").chmod(0o755)
    assert hooks(root, of, judge=judge).take("hooks/drain.yml").files


def test_a_link_that_leads_out_by_now_does_not_run(root: Path, tmp_path: Path) -> None:
    of = planned(root)
    (root / "hooks").rename(tmp_path / "hooks")
    (root / "hooks").symlink_to(tmp_path / "hooks")
    with pytest.raises(InvalidInputError, match="leads out of the workspace"):
        hooks(root, of).take("hooks/drain.yml")


# --- what it sees of other hosts ----------------------------------------------------------------


def sighted(root: Path, sees: tuple[str, ...]) -> Plan:
    of = planned(root)
    rings = tuple(structs.replace(ring, drain_sees=sees) for ring in of.body.rings)
    return structs.replace(of, body=structs.replace(of.body, rings=rings))


def test_a_hook_gets_what_the_inventory_says_of_other_hosts_now(root: Path) -> None:
    """Not what it said when the plan was made: a new load balancer is one of them."""
    asked: list[tuple[list[str], tuple[str, ...]]] = []

    def beside(hosts: Sequence[str], hook: RingHook) -> dict[str, Any]:
        asked.append((sorted(hosts), hook.sees))
        return {"all": {"hosts": {"lb1": {}}, "children": {}}}

    of = sighted(root, ("lbservers",))
    runner = MemoryRunner(well)
    made = executor(root, of, cast(Any, runner), known=lambda: {"lbservers"}, beside=beside)
    made.start(shard(Stage.DRAIN))
    assert asked == [(sorted(HOSTS), ("lbservers",))]
    assert set(runner.jobs[0].beside["all"]["hosts"]) == {"lb1"}


def test_a_group_that_is_gone_by_now_fails_the_hosts_and_runs_nothing(root: Path) -> None:
    """A loop over it would drain nobody, and the host would be patched in service."""
    of = sighted(root, ("lbservers",))
    says = "hooks.drain.sees: the inventory has no group 'lbservers'"
    with pytest.raises(InvalidInputError, match=says):
        hooks(root, of, known=lambda: {"web"}).check()
    runner = MemoryRunner(well)
    made = executor(root, of, cast(Any, runner), known=lambda: {"web"})
    assert made.start(shard(Stage.DRAIN)) is None
    outcomes = collect(made, 5)
    assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.FAILED}
    assert says in outcomes["web1"].reason and runner.jobs == []


def test_an_inventory_is_not_read_for_hooks_that_see_nothing(root: Path) -> None:
    def known() -> set[str]:
        raise AssertionError("nobody asks for groups")

    hooks(root, planned(root), known=known).check()


# --- plans from before --------------------------------------------------------------------------


def test_a_run_that_began_without_digests_goes_on_with_the_file_as_it_is(root: Path) -> None:
    of = plan(ring=policy(drain="hooks/drain.yml"))
    (root / "hooks/lb/all.yml").write_text("- ansible.builtin.debug:\n")
    planned = hooks(root, of)
    planned.check()
    assert planned.take("hooks/drain.yml").variables == {
        "patch_hook_file": str(root / "hooks/drain.yml")
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/etc/hosts", "is absolute"),
        ("../x.yml", "leads out of the workspace"),
        ("hooks/away.yml", "leads out of the workspace"),
    ],
)
def test_a_run_that_began_without_digests_runs_no_hook_outside_of_the_workspace(
    root: Path, name: str, says: str
) -> None:
    (root / "hooks/away.yml").symlink_to("/etc/hosts")
    of = plan(ring=policy(drain=name))
    with pytest.raises(InvalidInputError, match=says):
        hooks(root, of).check()
    with pytest.raises(InvalidInputError, match=says):
        hooks(root, of).take(name)
