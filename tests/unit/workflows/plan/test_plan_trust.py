"""A plan file is code: what may run it, and how it is refused."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from plan_sealing import content, sealed, whole_plan

from patchctl.adapters.database import Database
from patchctl.adapters.git_head import at_head
from patchctl.cli.app import main
from patchctl.errors import InvalidInputError, UsageError
from patchctl.models.journal import PlanTrust
from patchctl.models.plan import Plan
from patchctl.models.revision import AtHead
from patchctl.plan import lockfile
from patchctl.workflows.plan.plan_files import FoundPlan
from patchctl.workflows.plan.trust import PlanJudge


@pytest.fixture(scope="module")
def plan() -> Plan:
    return whole_plan()


FILE = Path("plans/x.lock")


def judge(*, made: bool = False, commit: str = "") -> PlanJudge:
    return PlanJudge(
        made=lambda _: made, committed=lambda path, data: AtHead(commit, "git has it not")
    )


# --- who vouches --------------------------------------------------------------------------------


def test_a_plan_out_of_the_state_runs(plan: Plan) -> None:
    assert judge().judge(FoundPlan(plan), "", "x") is PlanTrust.STATE


def test_a_file_runs_that_this_state_made(plan: Plan) -> None:
    assert judge(made=True).judge(FoundPlan(plan, FILE), "", "x") is PlanTrust.STATE


def test_a_file_runs_that_git_has(plan: Plan) -> None:
    assert judge(commit="1a2b").judge(FoundPlan(plan, FILE), "", "x") is PlanTrust.GIT


def test_a_file_runs_whose_whole_digest_is_named(plan: Plan) -> None:
    assert judge().judge(FoundPlan(plan, FILE), plan.digest, "x") is PlanTrust.NAMED


def test_no_other_file_runs_and_the_refusal_has_the_command(plan: Plan) -> None:
    with pytest.raises(InvalidInputError) as refused:
        judge().judge(FoundPlan(plan, FILE), "", "patchctl rollout start plans/x.lock")
    (line,) = refused.value.lines()
    assert line == (
        "plans/x.lock: a plan is code, and nothing vouches for this one: it was not made with this"
        " state, and git has it not; read it with `patchctl plan show plans/x.lock`,"
        f" then run it with `patchctl rollout start plans/x.lock --trust-plan {plan.digest}`"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda digest: digest[7:],
        lambda digest: digest[:19],
        lambda digest: digest.upper(),
        lambda digest: digest + "0",
        lambda digest: digest + "\n",
        lambda digest: " " + digest,
        lambda digest: "x",
    ],
)
def test_a_part_of_a_digest_names_nothing(plan: Plan, change: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match="is not a whole digest"):
        judge(made=True).judge(FoundPlan(plan, FILE), change(plan.digest), "x")


def test_the_digest_of_another_plan_is_told_from_this_one(plan: Plan) -> None:
    with pytest.raises(UsageError, match=f"and the plan is {plan.digest}"):
        judge(made=True, commit="1a").judge(FoundPlan(plan, FILE), "sha256:" + "0" * 64, "x")


# --- git ----------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace in a folder of a repository, with a plan that is committed."""
    root = tmp_path / "repository" / "fleet"
    (root / "plans").mkdir(parents=True)
    git(root.parent, "init", "-q")
    (root / "patchctl.yml").touch()
    (root / "plans/x.lock").write_bytes(b"a plan\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "x")
    return root


def look(root: Path, name: str = "plans/x.lock", *, trusted: bool = False) -> AtHead:
    path = root / name
    return at_head(root, path, path.read_bytes(), os.environ, trusted=trusted)


def test_what_is_committed_is_found(root: Path) -> None:
    assert look(root) == AtHead(git(root, "rev-parse", "HEAD"))


def test_the_bytes_count_that_were_read_and_not_the_file_as_it_is_by_now(root: Path) -> None:
    path = root / "plans/x.lock"
    data = path.read_bytes()
    path.write_bytes(b"b plan\n")
    assert at_head(root, path, data, os.environ, trusted=False).commit
    assert not at_head(root, path, b"b plan\n", os.environ, trusted=False).commit


@pytest.mark.parametrize("data", [b"b plan\n", b"a plan", b"a plan\r\n", b""])
def test_an_edited_file_is_not_what_git_has(root: Path, data: bytes) -> None:
    (root / "plans/x.lock").write_bytes(data)
    assert look(root) == AtHead("", "git does not have it at HEAD as it is")
    git(root, "update-index", "--assume-unchanged", "plans/x.lock")
    assert not look(root).commit
    git(root, "update-index", "--no-assume-unchanged", "plans/x.lock")
    git(root, "add", ".")
    assert not look(root).commit  # staged is not committed
    git(root, "commit", "-q", "-m", "y")
    assert look(root).commit


def test_an_older_commit_does_not_count(root: Path) -> None:
    git(root, "rm", "-q", "--cached", "plans/x.lock")
    git(root, "commit", "-q", "-m", "withdrawn")
    assert not look(root).commit


def test_an_untracked_or_ignored_file_does_not_count(root: Path) -> None:
    (root / "plans/y.lock").write_bytes(b"a plan\n")
    assert not look(root, "plans/y.lock").commit
    (root / ".gitignore").write_text("plans/y.lock\n")
    assert not look(root, "plans/y.lock").commit


def test_a_link_counts_as_what_it_leads_to(root: Path) -> None:
    (root / "plans/latest").symlink_to("x.lock")
    assert look(root, "plans/latest").commit
    (root / "plans/away").symlink_to(root.parent / "other.lock")
    (root.parent / "other.lock").write_bytes(b"a plan\n")
    git(root.parent, "add", ".")
    git(root, "commit", "-q", "-m", "y")
    assert look(root, "plans/away").why.startswith("it lies outside of the workspace")


def test_a_name_is_not_taken_for_an_option_or_a_revision(root: Path) -> None:
    for name in ("plans/-x", "plans/a:b", "plans/ä ö.lock", "plans/^{tree}", "--help"):
        (root / name).write_bytes(b"another\n")
        assert not look(root, name).commit
        git(root, "add", "--", name)
    git(root, "commit", "-q", "-m", "y")
    assert look(root, "plans/-x").commit and look(root, "--help").commit
    assert look(root, "plans/a:b").commit and look(root, "plans/ä ö.lock").commit


def test_a_repository_inside_does_not_vouch(root: Path) -> None:
    inner = root / "plans/inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x.lock").write_bytes(b"a plan\n")
    git(inner, "add", ".")
    git(inner, "commit", "-q", "-m", "x")
    assert not look(root, "plans/inner/x.lock").commit


def test_a_linked_work_tree_is_a_checkout(root: Path) -> None:
    git(root, "worktree", "add", "-q", "../../tree")
    assert look(root.parents[1] / "tree/fleet").commit


def test_where_there_is_no_commit_nothing_vouches(tmp_path: Path) -> None:
    (tmp_path / "x.lock").touch()
    assert look(tmp_path, "x.lock") == AtHead("", "the workspace is in no git checkout")
    git(tmp_path, "init", "-q")
    assert look(tmp_path, "x.lock") == AtHead("", "its git checkout has no commit yet")


def test_without_git_nothing_vouches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert look(root) == AtHead("", "git is not installed")


def test_nothing_that_the_checkout_configures_runs(root: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external",
        "filter.t.clean", "filter.t.smudge", "filter.t.process", "diff.t.textconv",
        "diff.t.command", "credential.helper", "alias.cat-file", "remote.o.uploadpack",
    ):  # fmt: skip
        git(root, "config", key, f"!{trap}" if key.startswith("alias") else str(trap))
    git(root, "config", "core.hooksPath", str(tmp_path))
    (root.parent / ".gitattributes").write_text("*.lock filter=t diff=t\n")
    assert look(root).commit
    assert not (tmp_path / "sprung").exists()


def test_a_blob_that_a_partial_clone_lacks_is_not_fetched(root: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\nexit 1\n")
    trap.chmod(0o755)
    blob = git(root, "rev-parse", "HEAD:./plans/x.lock")
    (root.parent / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for key, value in (
        ("extensions.partialClone", "o"), ("remote.o.promisor", "true"),
        ("remote.o.url", f"ext::{trap}"), ("protocol.ext.allow", "always"),
        ("core.repositoryFormatVersion", "1"),
    ):  # fmt: skip
        git(root, "config", key, value)
    assert not look(root).commit
    assert not (tmp_path / "sprung").exists()


def test_an_object_that_was_put_in_the_place_of_another_does_not_count(root: Path) -> None:
    other = root / "plans/other.lock"
    other.write_bytes(b"b plan\n")
    was = git(root, "rev-parse", "HEAD:./plans/x.lock")
    git(root, "replace", was, git(root, "hash-object", "-w", "plans/other.lock"))
    (root / "plans/x.lock").write_bytes(b"b plan\n")
    assert not look(root).commit


@pytest.mark.parametrize("name", ["HEAD", "refs/heads", "objects", "."])
def test_a_checkout_whose_head_others_can_move_does_not_vouch(root: Path, name: str) -> None:
    (root.parent / ".git" / name).chmod(0o777)
    head = look(root)
    assert not head.commit and "others could have committed it" in head.why
    assert look(root, trusted=True).commit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_checkout_of_somebody_else_vouches_where_the_workspace_is_trusted(root: Path) -> None:
    for path in (root.parent, *root.parent.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    assert "others could have committed it" in look(root).why
    assert look(root, trusted=True).commit


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one host, which does not answer, and a plan file of another machine."""
    root = tmp_path / "work space"
    (root / "inventory").mkdir(parents=True)
    (root / "plans").mkdir()
    (root / "patchctl.yml").touch()
    (root / "inventory/hosts.yml").write_text("all: {hosts: {s1: {patch_ring: staging}}}\n")
    (root / "plans/x.lock").write_bytes(sealed(content(whole_plan())))
    return root


def say(workspace: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """Return the error line of a rollout that does not begin. Only a trusted plan has lines before
    it."""
    begun = main(["-C", str(workspace), "rollout", *words])
    output = capsys.readouterr()
    assert (begun, output.out) == (code, ""), output.err
    *before, line = output.err.splitlines()
    assert bool(before) == (EXPIRED in line) and line.startswith("patchctl: ")
    return line


EXPIRED = "the plan has expired"  # what the whole plan fails by, once it is trusted


def test_a_plan_from_elsewhere_is_refused_with_the_command_that_runs_it(
    workspace: Path, capsys: pytest.CaptureFixture[str], plan: Plan
) -> None:
    line = say(workspace, capsys, "plans/x.lock", "--yes")
    assert "the workspace is in no git checkout" in line
    command = line.rpartition("run it with `")[2].removesuffix("`")
    assert command == (
        f"patchctl -C '{workspace}' rollout start plans/x.lock --yes --trust-plan {plan.digest}"
    )
    assert not (workspace / ".patchctl/state.db").exists()
    program, _, _, verb, *rest = shlex.split(command)
    assert (program, verb) == ("patchctl", "rollout")
    assert EXPIRED in say(workspace, capsys, *rest)


def test_the_environment_can_name_it_too(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATCHCTL_TRUST_PLAN", plan.digest)
    assert EXPIRED in say(workspace, capsys, "plans/x.lock", "--yes")
    monkeypatch.setenv("PATCHCTL_TRUST_PLAN", plan.digest[:20])
    assert "is not a whole digest" in say(workspace, capsys, "plans/x.lock", "--yes")
    monkeypatch.setenv("PATCHCTL_TRUST_PLAN", "")
    assert "nothing vouches" in say(workspace, capsys, "plans/x.lock", "--yes")


def test_a_digest_without_a_plan_is_a_mistake(
    workspace: Path, capsys: pytest.CaptureFixture[str], plan: Plan
) -> None:
    line = say(workspace, capsys, "--yes", "--trust-plan", plan.digest)
    assert "--trust-plan goes with a plan, and none is named" in line


def test_a_file_of_a_plan_that_the_state_has_runs(
    workspace: Path, capsys: pytest.CaptureFixture[str], plan: Plan
) -> None:
    Database(workspace / ".patchctl/state.db").open().plans.save(plan)
    assert EXPIRED in say(workspace, capsys, "plans/x.lock", "--yes")
    assert EXPIRED in say(workspace, capsys, plan.digest[7:15], "--yes")


def test_a_committed_plan_runs_and_an_edited_one_does_not(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATCHCTL_EPHEMERAL_STATE", "1")  # its state lies in the checkout
    git(workspace, "init", "-q")
    git(workspace, "add", "plans")
    git(workspace, "commit", "-q", "-m", "plan")
    assert EXPIRED in say(workspace, capsys, "plans/x.lock", "--yes")
    changed = content(plan)
    changed["body"]["selection"]["limit"] = "web"
    (workspace / "plans/x.lock").write_bytes(sealed(changed))
    assert "git does not have it at HEAD as it is" in say(
        workspace, capsys, "plans/x.lock", "--yes"
    )


def test_plans_that_others_can_write_are_no_workspace(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "plans/x.lock").chmod(0o666)
    assert "plans/x.lock: everybody can write it" in say(workspace, capsys, "plans/x.lock", "--yes")


def test_showing_a_plan_needs_nobody_to_vouch(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "show", str(workspace / "plans/x.lock")]) == 0
    assert main(["plan", "show", str(workspace / "plans/x.lock"), "-o", "json"]) == 0


def test_a_sealed_file_is_read_as_what_it_is(plan: Plan) -> None:
    assert lockfile.decode(sealed(content(plan)), "x") == plan
