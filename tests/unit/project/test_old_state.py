"""A state folder and plans of an older patchctl are read as before.

`tests/data/workspaces/before-walls` was made on lab hosts: one run that ended well, one that halted
and was undone, two that skipped all their hosts. `said` has the answers of the verbs at that time.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from patchctl.cli.app import main
from patchctl.models import canonical
from patchctl.plan import lockfile

MADE = Path(__file__).parents[2] / "data" / "workspaces" / "before-walls"
SAID = {path.stem: json.loads(path.read_text()) for path in sorted((MADE / "said").glob("*.json"))}
RUNS = [name for name in SAID if name.startswith("r-")]
HEAD = "sha256:75d9da1e7c77301171c958e7044962d3e9bea14b7885947fd5c6361e4b281a2c"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("old") / "workspace"
    shutil.copytree(MADE, workspace, ignore=shutil.ignore_patterns("said", "audit", "*.gz"))
    state = workspace / ".patchctl"
    state.mkdir(mode=0o700)
    (state / "audit").mkdir(mode=0o700)
    for log in (MADE / "audit").iterdir():
        write(state / "audit" / log.name, log.read_bytes())
    write(state / "state.db", gzip.decompress((MADE / "state.db.gz").read_bytes()))
    return workspace


def write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def said(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str, code: int = 0) -> Any:
    assert main(["-q", "-C", str(workspace), *words, "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)


def kept(then: Any, now: Any) -> Any:
    """Return `now` without the fields that `then` does not have, because fields may be added."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {key: kept(value, now[key]) for key, value in then.items() if key in now}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [kept(old, new) for old, new in zip(then, now, strict=True)]
    return now


@pytest.mark.parametrize("run", RUNS)
def test_a_run_stands_where_it_stood(
    old: Path, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kept(SAID[run], said(capsys, old, "rollout", "status", run)) == SAID[run]


def test_all_runs_are_listed(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, old, "rollout", "list")["runs"]
    assert {row["id"]: row["state"] for row in rows} == {run: SAID[run]["state"] for run in RUNS}
    assert "halted" in {row["state"] for row in rows}


@pytest.mark.parametrize("name", ["good", "bad", "slow"])
def test_a_plan_keeps_its_digest_and_its_content(
    old: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    then = SAID[f"plan-{name}"]
    assert kept(then, said(capsys, old, "plan", "show", f"{old}/plans/{name}.lock")) == then
    content = (MADE / "plans" / f"{name}.lock").read_bytes()
    plan = lockfile.decode(content, name)
    assert (plan.digest, canonical.encode(plan) + b"\n") == (then["digest"], content)
    assert lockfile.decode(lockfile.encode(plan), name) == plan


def test_what_discovery_found_is_read(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept(SAID["facts"], said(capsys, old, "discover", "show", "staging-1")) == SAID["facts"]


def test_the_audit_log_is_whole(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verified = said(capsys, old, "audit", "verify")
    assert (verified["ok"], verified["records"], verified["head"]) == (True, 119, HEAD)
