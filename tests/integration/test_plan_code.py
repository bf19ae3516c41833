"""A plan file is code: which plans run something on lab hosts, and which do not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab.handle import Lab
from patchctl.models import canonical

pytestmark = pytest.mark.lab

HOST = "staging-1"
HOOKS = "\nhooks: {drain: hooks/drain.yml, undrain: hooks/undrain.yml}\n"
HERE = "  delegate_to: localhost\n  become: false\n  vars: {ansible_python_interpreter: %s}\n"


def run(
    workspace: Path, *words: str, state: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    extra = {"PATCHCTL_STATE": str(state)} if state is not None else {}
    return subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(workspace), *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
        env={**os.environ, **extra, **more},
    )


def answer(workspace: Path, *words: str, code: int = 0, **more: Any) -> Any:
    """Return the JSON of a verb."""
    done = run(workspace, "-q", *words, "-o", "json", **more)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refused(workspace: Path, *words: str, code: int = 2, **more: Any) -> str:
    """Return the error line of a command that changed nothing."""
    done = run(workspace, "-q", *words, "-o", "json", **more)
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == code
    (line,) = done.stderr.splitlines()
    return line


def plan(workspace: Path) -> Path:
    made = answer(workspace, "plan", "create", "--package", "patchlab-web", "--limit", HOST)
    return Path(made["path"])


def resealed(path: Path, edit: Callable[[dict[str, Any]], object]) -> str:
    """Change a plan's body and return its new digest, which is correct."""
    content = json.loads(path.read_bytes())
    edit(content["body"])
    content["digest"] = canonical.digest(content["body"])
    path.write_text(json.dumps(content))
    return str(content["digest"])


def drains_by(hook: str) -> Callable[[dict[str, Any]], object]:
    return lambda body: body["rings"][0].update(drain=hook)


def untouched(lab: Lab, workspace: Path, **more: Any) -> None:
    """Check that no run was stored and that no host was asked by one."""
    runs = json.loads(run(workspace, "rollout", "list", "-o", "json", **more).stdout)
    assert runs == {"runs": []} or "no state yet" in runs["error"]["message"]
    assert lab.check(HOST, "ls /var/lib/patchctl 2>/dev/null || true") == ""


def local(task: str) -> str:
    return f"- ansible.builtin.command: {task}\n{HERE % sys.executable}"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


@pytest.fixture
def hooked(workspace: Path) -> Path:
    """A workspace whose hooks write a mark beside it, by a file that they include."""
    write(workspace / "hooks/drain.yml", "- include_tasks: mark.yml\n")
    write(workspace / "hooks/undrain.yml", "- include_tasks: mark.yml\n")
    write(workspace / "hooks/mark.yml", local(f"touch {workspace.parent}/{{{{ patch_stage }}}}"))
    settings = workspace / "patchctl.yml"
    settings.write_text(settings.read_text() + HOOKS)
    return workspace


def test_a_hook_that_somebody_wrote_into_a_plan_does_not_run(
    fresh_lab: Lab, workspace: Path, tmp_path: Path
) -> None:
    """The attack: a hook outside of the workspace, a digest that fits, root on the controller."""
    evil = write(tmp_path / "evil/hook.yml", local(f"touch {tmp_path}/pwned"))
    path = plan(workspace)
    whole = path.read_bytes()
    for hook, says in (
        (str(evil), "is absolute: only files inside of the workspace count"),
        ("hooks/../../evil/hook.yml", "leads out of the workspace by `..`"),
    ):
        path.write_bytes(whole)
        digest = resealed(path, drains_by(hook))
        for more in ((), ("--trust-plan", digest)):
            line = refused(workspace, "rollout", str(path), "--yes", *more)
            assert "body.rings[0].drain: " in line and says in line
        assert says in refused(workspace, "plan", "show", str(path))

    # By a link, which only the file system shows: the plan has no digests of it, and cannot.
    path.write_bytes(whole)
    (workspace / "hooks").symlink_to(tmp_path / "evil")
    digest = resealed(path, drains_by("hooks/hook.yml"))
    line = refused(workspace, "rollout", str(path), "--yes")
    assert f"--yes --trust-plan {digest}`" in line and "nothing vouches for this one" in line
    line = refused(workspace, "rollout", str(path), "--yes", "--trust-plan", digest)
    assert "made before plans had the digests of their hooks" in line
    fake = {"path": "hooks/hook.yml", "mode": "file", "sha256": "0" * 64}
    digest = resealed(path, lambda body: body.update(hooks=[fake]))
    line = refused(workspace, "rollout", str(path), "--yes", "--trust-plan", digest)
    assert "leads out of the workspace" in line
    assert not (tmp_path / "pwned").exists()
    untouched(fresh_lab, workspace)


def test_a_command_that_somebody_wrote_into_a_plan_does_not_run_and_is_shown(
    fresh_lab: Lab, workspace: Path
) -> None:
    path = plan(workspace)
    probe = {"name": "fine", "kind": "command", "target": "touch /pwned # " + "x" * 200}
    resealed(path, lambda body: body["rings"][0].setdefault("probes", []).append(probe))
    assert "nothing vouches" in refused(workspace, "rollout", str(path), "--yes")
    assert f"    | {probe['target']}\n" in run(workspace, "plan", "show", str(path)).stdout
    assert fresh_lab.check(HOST, "ls / | grep pwned || true") == ""
    untouched(fresh_lab, workspace)


def test_hooks_run_as_they_were_planned_and_not_as_they_are(
    fresh_lab: Lab, hooked: Path, tmp_path: Path
) -> None:
    mark = hooked / "hooks/mark.yml"
    before = mark.read_text()
    path = plan(hooked)
    assert run(hooked, "plan", "show", str(path)).stdout.count("hooks/mark.yml") == 1
    mark.write_text(local(f"touch {tmp_path}/pwned"))
    line = refused(hooked, "rollout", str(path), "--yes", code=6)
    assert line.startswith(
        "patchctl: hooks/mark.yml was changed since the plan was made; undo that"
    )
    untouched(fresh_lab, hooked)
    mark.write_text(before)
    done = answer(hooked, "rollout", str(path), "--yes")
    assert done["state"] == "done"
    assert (tmp_path / "drain").exists() and (tmp_path / "undrain").exists()
    assert not (tmp_path / "pwned").exists()
    assert list((hooked / ".patchctl/runs").iterdir()) == []


def test_a_hook_that_changes_in_the_middle_of_a_run_stops_there(
    fresh_lab: Lab, hooked: Path, tmp_path: Path
) -> None:
    """Between drain and undrain, here by the drain hook itself."""
    new = hooked / "hooks/new.yml"
    write(hooked / "hooks/drain.yml", local(f"touch {new}"))
    path = plan(hooked)
    status = answer(hooked, "rollout", str(path), "--yes", code=3)
    (host,) = status["hosts"]
    assert host["state"] == "rollback_failed"
    assert "hooks/new.yml is new since the plan was made" in host["reason"]
    assert new.exists() and not (tmp_path / "undrain").exists()
    new.unlink()
    undone = answer(hooked, "rollback", status["run"], "--yes")
    assert undone["state"] == "rolled_back" and (tmp_path / "undrain").exists()


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_committed_plan_runs_and_an_edited_one_only_by_its_digest(
    fresh_lab: Lab, hooked: Path, tmp_path: Path
) -> None:
    path = plan(hooked)
    elsewhere = tmp_path / "another-state"
    line = refused(hooked, "rollout", str(path), "--yes", state=elsewhere)
    assert "not made with this state, and the workspace is in no git checkout" in line
    git(hooked, "init", "-q")
    write(hooked / ".gitignore", ".patchctl/\n")
    git(hooked, "add", "plans")
    git(hooked, "commit", "-q", "-m", "plan")

    committed = path.read_bytes()
    digest = resealed(path, lambda body: body["selection"].update(limit="all"))
    line = refused(hooked, "rollout", str(path), "--yes", state=elsewhere)
    assert "git does not have it at HEAD as it is" in line
    untouched(fresh_lab, hooked, state=elsewhere)
    done = answer(
        hooked, "rollout", str(path), "--yes", state=elsewhere, PATCHCTL_TRUST_PLAN=digest
    )
    assert done["state"] == "done" and done["plan"] == digest
    assert answer(hooked, "rollback", "--yes", state=elsewhere)["state"] == "rolled_back"

    path.write_bytes(committed)
    third = tmp_path / "third-state"
    assert answer(hooked, "rollout", str(path), "--yes", state=third)["state"] == "done"
    audit = run(hooked, "audit", "show", state=third).stdout
    assert "which git has" in audit
    assert "trusted by its digest" in run(hooked, "audit", "show", state=elsewhere).stdout
