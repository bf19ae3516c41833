"""Plan files, finding plans, and the revision a plan was made from."""

import os
import subprocess
from pathlib import Path

import pytest
from plan_world import facts, fleet, host, host_result, resolution, settings, snapshot, transition

from patchctl.adapters import files
from patchctl.adapters.database import Database
from patchctl.adapters.git import revision
from patchctl.errors import IntegrityError, InvalidInputError, NotFoundError
from patchctl.models.plan import Plan, PlanAbout, Selection, SelectionMode
from patchctl.models.revision import Revision
from patchctl.plan.freeze import freeze, seal
from patchctl.workflows.plan.plan_files import (
    check_writable,
    default_path,
    find_plan,
    read_plan,
    write_plan,
)


def plan(package: str = "curl") -> Plan:
    body = freeze(
        fleet=fleet(host("h")),
        snapshot=snapshot(host_result("h", facts())),
        selection=Selection(mode=SelectionMode.ALL),
        settings=settings(),
        resolutions=[resolution("h", transition(package))],
        left_out=[],
    )
    return seal(body, PlanAbout(created=1, author="op", tool="t"))


def no_database() -> Database:
    raise AssertionError("a file needs no database")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "state.db").open()


def test_a_plan_is_written_beside_others_by_day_and_digest(tmp_path: Path) -> None:
    made = plan()
    path = write_plan(made, default_path(tmp_path, made), files)
    assert path == tmp_path / "plans" / f"2025-11-22-{made.digest[7:15]}.lock"
    assert read_plan(path) == made
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_plan_is_found_by_file_by_digest_or_as_the_newest(
    tmp_path: Path, database: Database
) -> None:
    first, second = plan(), plan("vim")
    database.plans.save(first)
    database.plans.save(second)
    path = write_plan(first, tmp_path / "x.lock", files)
    assert find_plan(str(path), no_database, tmp_path / "elsewhere", tmp_path).plan == first
    assert find_plan("x.lock", no_database, tmp_path / "elsewhere", tmp_path).plan == first
    assert find_plan(first.digest, lambda: database, tmp_path / "elsewhere", tmp_path).plan == first
    assert (
        find_plan(second.digest[7:13], lambda: database, tmp_path / "elsewhere", tmp_path).plan
        == second
    )
    assert find_plan("", lambda: database, tmp_path / "elsewhere", tmp_path).plan == second


@pytest.mark.parametrize("name", ["x.lock", "plans/none", "abc", "sha256:", "zzzz", "ABCD" * 8])
def test_a_name_that_means_no_plan_is_said_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="neither a file nor"):
        find_plan(name, no_database, tmp_path / "elsewhere", tmp_path)


def test_there_may_be_no_plan_yet(tmp_path: Path, database: Database) -> None:
    with pytest.raises(NotFoundError, match="no plan yet"):
        find_plan("", lambda: database, tmp_path / "elsewhere", tmp_path)


def test_an_edited_or_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_plan(plan(), tmp_path / "x.lock", files)
    path.write_bytes(path.read_bytes().replace(b'"h"', b'"g"'))
    with pytest.raises(IntegrityError, match=r"x\.lock"):
        read_plan(path)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_plan(tmp_path / "none.lock")


def test_where_it_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.lock", tmp_path)
    with pytest.raises(InvalidInputError, match="is a folder"):
        check_writable(tmp_path, tmp_path)
    with pytest.raises(InvalidInputError, match="does not exist"):
        check_writable(tmp_path / "none" / "plans" / "x.lock", tmp_path)


def test_the_folder_of_plans_may_be_missing(tmp_path: Path) -> None:
    check_writable(tmp_path / "plans" / "x.lock", tmp_path)


# --- revision -----------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "workspace"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "-q")
    (folder / "patchctl.yml").write_text("{}\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")
    return folder


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    assert revision(checkout, os.environ) == Revision(
        git(checkout, "rev-parse", "HEAD"), dirty=False
    )


def test_changes_in_the_workspace_make_it_dirty_and_those_beside_it_do_not(
    checkout: Path,
) -> None:
    (checkout.parent / "other").write_text("x")
    assert not revision(checkout, os.environ).dirty
    (checkout / "patchctl.yml").write_text("{ }\n")
    assert revision(checkout, os.environ).dirty


def test_outside_of_a_checkout_there_is_no_revision(tmp_path: Path) -> None:
    assert revision(tmp_path, os.environ) == Revision("", dirty=False)


def test_without_git_there_is_no_revision(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert revision(checkout, os.environ) == Revision("", dirty=False)


def test_nothing_that_the_checkout_configures_is_run(checkout: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(trap))
    git(checkout, "config", "core.hooksPath", str(tmp_path))
    revision(checkout, os.environ)
    assert not (tmp_path / "sprung").exists()
